"""Several files that take their names together, or none."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

from keras_mixer.writing import locked, make_folder, sync_folder, writing

_LOCK = ".lock"
_PLACING = ".placing"  # There while the files take their names: what has one may be half of all.


@contextlib.contextmanager
def placed_at_once(path: pathlib.Path, parts: Sequence[pathlib.Path]) -> Iterator[pathlib.Path]:
    """An empty folder for the parts of `path`; what is in it takes its place when the block ends.

    It is hidden beside `path`, on the same disk. The file itself comes last: where it is, all are.
    What a kill leaves is taken away by the next call.

    Args:
        path: a file or folder; nothing must be there.
        parts: all that is written for it, itself first; each is called in the folder as at last.

    Raises:
        FileExistsError: one of them is there already.
        InUseError: another process writes `path`.
        CannotWriteError: it cannot be written.
    """
    make_folder(path.parent)
    folder = path.with_name(f".{path.name}.export")
    with writing(path), locked(path, folder / _LOCK):
        try:
            _clear(folder, parts)
            _check_free(parts)
            yield folder
            _check_free(parts)
            (folder / _PLACING).touch()
            for part in reversed(parts):
                _sync(folder / part.name)
                os.rename(folder / part.name, part)
            sync_folder(path.parent)
        finally:
            _clear(folder, parts)
            shutil.rmtree(folder, ignore_errors=True)


def _check_free(parts: Sequence[pathlib.Path]) -> None:
    for part in parts:
        if os.path.lexists(part):
            raise FileExistsError(
                f"{part} exists already, and nothing is overwritten. Choose another --output or "
                "remove it."
            )


def _clear(folder: pathlib.Path, parts: Sequence[pathlib.Path]) -> None:
    """Takes away what was written for a file that has not got its name."""
    if (folder / _PLACING).exists() and not os.path.lexists(parts[0]):
        for part in parts[1:]:
            part.unlink(missing_ok=True)
    for one in folder.iterdir():
        if one.is_dir():
            shutil.rmtree(one)
        elif one.name not in (_LOCK, _PLACING):
            one.unlink()
    (folder / _PLACING).unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
    """Brings a file, or all files of a folder, to the disk."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
