"""A directory holds a whole push or none at every moment, and the same push again goes through."""

import itertools
import sys

import filelock
import pytest

from keras_mixer.runs import RunInUseError
from keras_mixer.runs.handover import STAGE, put_into
from keras_mixer.writing import CannotWriteError

pytestmark = pytest.mark.once

NAMES = ("README.md", "labels.json", "run.json", "model.keras")
OLD = {name: f"old {name}".encode() for name in NAMES}
NEW = {name: f"new {name}".encode() for name in NAMES}
CARD = {**OLD, "README.md": b"new"}
EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")
at: str | None = None  # The directory in whose files a process dies, and the moments before.
left = 0


class Dies(BaseException):
    """What a kill is to a process: no code runs after it."""


def _hook(event, arguments):
    global left
    if at is not None and event in EVENTS and at in repr(arguments):
        left -= 1
        if left < 0:  # And whatever would clean up fails as well.
            raise Dies(event)


sys.addaudithook(_hook)


def put_and_die(path, files, after):
    """Pushes, and dies at one moment; whether it came to that."""
    global at, left
    at, left = str(path), after
    try:
        put_into(path, files)
    except Dies:
        return True
    finally:
        at = None
    return False


def held(path):
    """The files of a directory; `None` where a reader finds no run there."""
    if not (path / "run.json").exists():
        return None
    return {one.name: one.read_bytes() for one in path.iterdir() if one.is_file()}


@pytest.mark.parametrize(("before", "files"), [(None, NEW), (OLD, NEW), (OLD, CARD), (OLD, OLD)])
def test_a_whole_push_or_none(tmp_path, before, files):
    """Whatever the moment, with the same command again after it, or another one that dies too."""
    for after in itertools.count():
        path = tmp_path / str(after)
        if before:
            put_into(path, before)
        if not put_and_die(path, files, after):
            break
        assert held(path) in (None, before, files), after
        put_and_die(path, files, after // 2)
        assert held(path) in (None, before, files), after
        put_into(path, files)
        assert held(path) == files
        assert {one.name for one in path.iterdir()} == {*NAMES}
    assert after > 10  # There were moments.


def test_an_error_leaves_what_was_there(tmp_path):
    """Of a file that cannot be copied, before anything has its name."""
    broken = {**NEW, "model.keras": tmp_path / "missing"}
    path = tmp_path / "new"
    with pytest.raises(CannotWriteError):
        put_into(path, broken)
    assert not path.exists()
    put_into(path, OLD)
    with pytest.raises(CannotWriteError):
        put_into(path, broken)
    assert held(path) == OLD
    assert {one.name for one in path.iterdir()} == {*NAMES}


def test_an_error_after_a_kill_keeps_the_mark_of_it(tmp_path):
    path = tmp_path / "to"
    path.mkdir()
    (path / STAGE).mkdir()
    (path / "README.md").write_bytes(b"new")
    with pytest.raises(CannotWriteError):
        put_into(path, {**NEW, "model.keras": tmp_path / "missing"})
    put_into(path, NEW)
    assert held(path) == NEW


def test_two_at_once(tmp_path):
    path = tmp_path / "to"
    put_into(path, OLD)
    (path / STAGE).mkdir()
    with filelock.FileLock(path / STAGE / ".lock"), pytest.raises(RunInUseError) as error:
        put_into(path, NEW)
    assert str(error.value) == f"Another process works on {path}. Wait, or end it."
    assert held(path) == OLD
    put_into(path, NEW)
    assert held(path) == NEW


@pytest.mark.parametrize("names", [("README.md",), (*NAMES, "mine.txt"), (STAGE, "mine.txt")])
def test_what_is_something_else_is_left_alone(tmp_path, names):
    path = tmp_path / "to"
    path.mkdir()
    for name in names:
        (path / name).mkdir() if name == STAGE else (path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else than an earlier push"):
        put_into(path, NEW)
    assert {one.name for one in path.iterdir()} == {*names}


def test_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert put_into(tmp_path / "link", NEW).url == str(tmp_path / "link")
    assert held(tmp_path / "real") == NEW
    (tmp_path / "nowhere").symlink_to("missing")
    with pytest.raises(CannotWriteError, match="is a link to missing, which does not exist"):
        put_into(tmp_path / "nowhere", NEW)
