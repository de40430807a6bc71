"""A file is whole, old or new, or the error is one line with the way out."""

import errno
import os
import pathlib
import tempfile

import pytest

from keras_mixer.writing import (
    CannotWriteError,
    followed,
    in_one_step,
    make_folder,
    write_text,
    writing,
)

pytestmark = pytest.mark.once


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "old")

    def fail(error):
        with in_one_step(path) as temporary:
            temporary.write_text("half")
            raise error

    for error in (OSError("No space left on device"), ValueError("no number"), KeyboardInterrupt()):
        with pytest.raises((CannotWriteError, ValueError, KeyboardInterrupt)):
            fail(error)
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
            (path.name, "old")
        ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "x"),
            "No space left on device. Make room, and give the same command",
        ),
        (RuntimeError("HDF5: No space left on device (28)"), "No space left on device. Make room"),
        (
            PermissionError(errno.EACCES, "x"),
            "Permission denied. Choose another place to write to.",
        ),
    ],
)
def test_what_cannot_be_written_is_said(error, told):
    with pytest.raises(CannotWriteError) as failed, writing("runs/a.json"):
        raise error
    assert str(failed.value).startswith(f"Cannot write runs/a.json: {told}")
    assert failed.value.errno == getattr(error, "errno", errno.ENOSPC)
    with pytest.raises(CannotWriteError) as outer, writing("runs"):
        raise failed.value
    assert outer.value is failed.value


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), writing("file"):
        raise ZeroDivisionError


def test_a_file_takes_the_place_of_the_old_one_alone(tmp_path):
    """Who holds the old one open reads on, and no temporary name stays."""
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with open(path) as held:
        write_text(path, "né")
        assert held.read() == "old"
    assert path.read_bytes() == "né".encode()
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    """As by `>` of a shell, and from another folder too; a folder by a link as well."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("far/real.txt")
    (tmp_path / "again.txt").symlink_to("link.txt")
    (tmp_path / "near").symlink_to("far")
    for path in (tmp_path / "again.txt", tmp_path / "near" / "real.txt"):
        write_text(path, path.name)
        assert (tmp_path / "far" / "real.txt").read_text() == path.name
    make_folder(tmp_path / "near")
    make_folder(tmp_path / "near" / "more")
    assert (tmp_path / "again.txt").is_symlink()
    assert (tmp_path / "link.txt").is_symlink()
    assert sorted(os.listdir(tmp_path / "far")) == ["more", "real.txt"]


@pytest.mark.parametrize("write", [lambda path: write_text(path, "x"), make_folder, followed])
@pytest.mark.parametrize("below", ["", "file.txt"])
def test_a_link_to_nothing_is_refused(tmp_path, write, below):
    """Or in a circle; below one, too. Nothing is made."""
    (tmp_path / "link").symlink_to("missing")
    (tmp_path / "round").symlink_to("round")
    for name, target in (("link", "missing"), ("round", "round")):
        path = tmp_path / name / below
        with pytest.raises(CannotWriteError) as error:
            write(path)
        assert str(error.value) == (
            f"Cannot write {path}: {tmp_path / name} is a link to {target}, which does not exist. "
            f"Remove {tmp_path / name}, or choose another place to write to."
        )
    assert sorted(os.listdir(tmp_path)) == ["link", "round"]
    assert not (tmp_path / "link").exists()


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder"):
        with pytest.raises(CannotWriteError, match=r"it is there, and is no file\. Choose another"):
            write_text(path, "x")
    assert (tmp_path / "pipe").is_fifo()


def test_a_temporary_name_that_is_a_link_leads_nowhere(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "file.tmp").symlink_to("mine")
    write_text(tmp_path / "file", "x")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_an_error_of_temporary_files_names_tmpdir(tmp_path, monkeypatch, number):
    """Not the file that they were written for, which lies elsewhere."""
    folder = tmp_path / "small"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    end = " TMPDIR to another folder, and give the same command again."
    advice = {errno.ENOSPC: "Make room there, or set" + end, errno.EROFS: "Set" + end}[number]
    for error in (
        OSError(number, os.strerror(number), str(folder / "tmpx")),
        RuntimeError(f"{folder}/tmpx/variables; {os.strerror(errno.ENOSPC)}"),
    ):
        if number != errno.ENOSPC and isinstance(error, RuntimeError):
            continue
        with pytest.raises(CannotWriteError) as failed, writing(tmp_path / "far" / "model.onnx"):
            raise error
        assert str(failed.value) == (
            f"Cannot write temporary files in {folder}: {os.strerror(number)}. {advice}"
        )
    for path in (folder / "out" / "file", pathlib.Path("out/file")):  # Of the file itself.
        with pytest.raises(CannotWriteError, match=f"Cannot write {path}: "), writing(path):
            raise OSError(number, os.strerror(number), f"{path}.tmp")


def test_no_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    with pytest.raises(CannotWriteError) as failed, writing(tmp_path / "file"):
        tempfile.mkdtemp()
    assert str(failed.value) == (
        "Cannot write temporary files: No usable temporary directory found in "
        f"['{tmp_path}/missing']. Set TMPDIR, and give the same command again."
    )
