"""What is below folders, in order, without opening or hanging on anything."""

import inspect
import os
import socket
import sys

import pytest

from keras_mixer.data import Found, Walk, escaped, unescaped

pytestmark = pytest.mark.once


def touch(root, *names):
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").close()


def walked(*paths):
    return [(os.fsencode(found.path), found.problem) for found in Walk(paths)]


def test_order_is_that_of_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("d", "b.jpg", "B.PNG", "a/z.gif", "a.jpg", "a/y/1.bmp", b"\xff.webp", "é.jpeg")
    assert walked("d") == [
        (b"d/B.PNG", None),
        (b"d/a/y/1.bmp", None),
        (b"d/a/z.gif", None),
        (b"d/a.jpg", None),
        (b"d/b.jpg", None),
        ("d/é.jpeg".encode(), None),
        (b"d/\xff.webp", None),
    ]
    assert walked("d/b.jpg", "d/a", "d/b.jpg") == [
        *((b"d/b.jpg", None), (b"d/a/y/1.bmp", None)),
        *((b"d/a/z.gif", None), (b"d/b.jpg", None)),
    ]


def test_what_is_left_out(tmp_path, monkeypatch):
    """Hidden entries, and what is no picture by name, unless it is given itself."""
    monkeypatch.chdir(tmp_path)
    touch("d", "1.jpg", ".2.jpg", ".git/3.jpg", "__MACOSX/4.jpg", "notes.txt", "Thumbs.db")
    walk = Walk(["d"])
    for _ in range(2):
        assert list(walk) == [Found("d/1.jpg")]
        assert walk.passed_over == 2
    assert walked("d/notes.txt", "d/.2.jpg", "d/.git") == [
        *((b"d/notes.txt", None), (b"d/.2.jpg", None), (b"d/.git/3.jpg", None)),
    ]


def test_nothing_but_files_is_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("d", "z.jpg")
    os.mkfifo("d/pipe")
    os.mkfifo("d/pipe.jpg")
    os.symlink("/dev/zero", "d/device.jpg")
    os.symlink("nothing", "d/broken.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("d/socket.png")
        assert walked("d", "d/pipe", "gone.jpg") == [
            (b"d/broken.jpg", "a link to nothing"),
            (b"d/device.jpg", "not a regular file"),
            (b"d/pipe", "not a regular file"),
            (b"d/pipe.jpg", "not a regular file"),
            (b"d/socket.png", "not a regular file"),
            (b"d/z.jpg", None),
            (b"d/pipe", "not a regular file"),
            (b"gone.jpg", "no such file"),
        ]


def test_links_are_followed_and_loops_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("elsewhere", "e.jpg")
    touch("d", "one/1.jpg", "two/2.jpg")
    os.symlink("../../d", "d/one/back")
    os.symlink("../two", "d/one/two")
    os.symlink("../one", "d/two/one")
    os.symlink("self.jpg", "d/self.jpg")
    os.symlink("one/1.jpg", "d/link.jpg")
    os.symlink("../elsewhere", "d/x")
    os.symlink("../elsewhere", "d/y")
    found = dict(walked("d"))
    assert found[b"d/link.jpg"] is None
    assert found[b"d/x/e.jpg"] is None
    assert found[b"d/y"] == "a link to a folder that another link led to"
    assert found[b"d/one/back"] == "a link to a folder that holds it"
    assert found[b"d/one/two/2.jpg"] is None
    assert found[b"d/one/two/one"] == "a link to a folder that holds it"
    assert found[b"d/self.jpg"] == "Too many levels of symbolic links"


def test_many_links_end_soon(tmp_path):
    """Each of twelve folders links to all of them: 12! paths, if all were followed."""
    for i in range(12):
        touch(tmp_path, f"{i:02}/0.jpg")
        for j in range(12):
            os.symlink(tmp_path / f"{j:02}", tmp_path / f"{i:02}" / f"link{j}")
    assert len(list(Walk([tmp_path]))) < 12**3


def test_deep_folders(tmp_path, monkeypatch):
    """Deeper than Python lets calls be within calls."""
    monkeypatch.chdir(tmp_path)
    touch(".", "d/" * 200 + "1.jpg")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        assert walked("d") == [(b"d/" * 200 + b"1.jpg", None)]
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed(tmp_path):
    (tmp_path / "d" / "closed").mkdir(parents=True)
    (tmp_path / "d" / "closed").chmod(0)
    assert walked(tmp_path / "d") == [(bytes(tmp_path / "d" / "closed"), "Permission denied")]
    (tmp_path / "d" / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"plain name.jpg", "plain name.jpg"),
        ("é漢.jpg".encode(), "é漢.jpg"),
        (b"a\nb\r\t\x7f.jpg", r"a\x0ab\x0d\x09\x7f.jpg"),
        (b"\xff\xfe.jpg", r"\xff\xfe.jpg"),
        (rb"\xff.jpg", r"\x5cxff.jpg"),
        (b"\xe9\\x5c\xc3\xa9", r"\xe9\x5cx5cé"),
    ],
)
def test_names_as_text_and_back(name, text):
    assert escaped(os.fsdecode(name)) == text
    assert os.fsencode(unescaped(text)) == name
