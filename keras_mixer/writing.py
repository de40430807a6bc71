"""Files that are whole or not there, and one line where that cannot be."""

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterator


class CannotWriteError(OSError):
    """A file cannot be written; the message names it, the reason and the way out."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Says what cannot be written, why, and what to do, where an error is of the file system.

    Raises:
        CannotWriteError: it is; of libraries written in C and Rust too, which only tell of it.
    """
    try:
        yield
    except CannotWriteError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None) or next(
            (known for known in _FULL if os.strerror(known) in str(error)), None
        )
        if number is None:
            raise
        advice = "Choose another place to write to."
        if number in _FULL:
            advice = "Make room, and give the same command again; what was written before is whole."
        told = CannotWriteError(f"Cannot write {path}: {os.strerror(number)}. {advice}")
        told.errno = number
        raise told from error


@contextlib.contextmanager
def in_one_step(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary name to write; then the file has its own, whole, whenever the power goes.

    Raises:
        CannotWriteError: see `writing`; what was written under the temporary name is removed.
    """
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # The name, too.
            finally:
                os.close(folder)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file of UTF-8 in one step."""
    with in_one_step(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
