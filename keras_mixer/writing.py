"""Files that are whole or not there, and one line where that cannot be."""

import contextlib
import errno
import os
import pathlib
import tempfile
from collections.abc import Iterator


class CannotWriteError(OSError):
    """A file cannot be written; the message names it, the reason and the way out."""


class InUseError(OSError):
    """Another process works on the same."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_TEMPORARY = "No usable temporary directory"  # What Python says where no folder serves.


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Says what cannot be written, why, and what to do, where an error is of the file system.

    An error of temporary files, which libraries write too, names their folder and TMPDIR.

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
        told = CannotWriteError(f"Cannot write {_reason(path, error, number)}")
        told.errno = number
        raise told from error


def _reason(path: str | os.PathLike, error: Exception, number: int) -> str:
    """What cannot be written, why, and what to do."""
    said, again = f"{error} {getattr(error, 'filename', '')}", "and give the same command again"
    if _NO_TEMPORARY in said:
        return f"temporary files: {getattr(error, 'strerror', said)}. Set TMPDIR, {again}."
    temporary = tempfile.gettempdir() if tempfile.tempdir else None
    if temporary and temporary + os.sep in said and str(pathlib.Path(path).parent) not in said:
        room = "Make room there, or set" if number in _FULL else "Set"
        return (
            f"temporary files in {temporary}: {os.strerror(number)}. {room} TMPDIR to another "
            f"folder, {again}."
        )
    advice = "Choose another place to write to."
    if number in _FULL:
        advice = f"Make room, {again}; what was written before is whole."
    return f"{path}: {os.strerror(number)}. {advice}"


def followed(path: str | os.PathLike) -> pathlib.Path:
    """Where a file or folder of this name is written: a link stays, what it points to is written.

    Raises:
        CannotWriteError: it, or a folder above it, is a link to nothing, or in a circle.
    """
    path = pathlib.Path(path)
    with writing(path):
        for one in (path, *path.parents):
            if one.is_symlink() and not one.exists():
                raise _refused(
                    path, f"{one} is a link to {os.readlink(one)}, which does not exist", one
                )
        return pathlib.Path(os.path.realpath(path)) if path.is_symlink() else path


def _refused(path: pathlib.Path, reason: str, link: pathlib.Path | None = None) -> CannotWriteError:
    remove = f"Remove {link}, or choose" if link else "Choose"
    told = CannotWriteError(f"Cannot write {path}: {reason}. {remove} another place to write to.")
    told.errno = errno.ENOENT if link else errno.EINVAL
    return told


def make_folder(path: str | os.PathLike) -> None:
    """Makes a folder and those above it, where they are missing.

    Raises:
        CannotWriteError: it cannot be made, or see `followed`.
    """
    with writing(path):
        followed(path).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def locked(path: str | os.PathLike, lock: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes off a file or folder; the system lets go of it when this one dies.

    Args:
        path: what it is, for the message.
        lock: the file that is locked; it may be removed in the block.

    Raises:
        InUseError: another process works on it.
        CannotWriteError: there can be no such file.
    """
    import filelock

    held = filelock.FileLock(lock)
    try:
        with writing(path):
            held.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InUseError(f"Another process works on {path}. Wait, or end it.") from error
    try:
        yield
    finally:
        held.release()


def check_room(folder: pathlib.Path) -> None:
    """Raises where a folder takes no more bytes; for writers that fail and do not say why.

    Raises:
        OSError: the system's own.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(2**16))
        file.flush()


@contextlib.contextmanager
def in_one_step(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A temporary name to write; then the file has its own, whole, whenever the power goes.

    Raises:
        CannotWriteError: see `writing` and `followed`; or something else than a file has the name.
            What was written under the temporary name is removed.
    """
    path = followed(path)
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        if path.exists() and not path.is_file():
            raise _refused(path, "it is there, and is no file")
        temporary.unlink(missing_ok=True)  # It may be a link, by which another file was written.
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def sync_folder(folder: pathlib.Path) -> None:
    """Brings the names in a folder to the disk."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file of UTF-8 in one step."""
    with in_one_step(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
