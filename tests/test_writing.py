"""A file is whole, old or new, or the error is one line with the way out."""

import errno
import os

import pytest

from keras_mixer.writing import CannotWriteError, in_one_step, write_text, writing


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
