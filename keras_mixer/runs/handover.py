"""A whole push in a directory, or none: whatever ends the process, and whenever."""

import contextlib
import filecmp
import os
import pathlib
import shutil
from collections.abc import Mapping

from keras_mixer.runs.begin import LOCK, locked
from keras_mixer.runs.directory import RUN
from keras_mixer.runs.hub import Change
from keras_mixer.writing import followed, in_one_step, make_folder, sync_folder, writing

STAGE = ".push"  # Where the files lie until all are there; it marks a push that was cut short.


def put_into(directory: str | os.PathLike, files: Mapping[str, bytes | pathlib.Path]) -> Change:
    """Writes the files of a push into a directory of their own; `run.json` is one of them.

    They are written into the folder `.push` of it, and then take their names, `run.json` last:
    without it a directory holds no run. So an error leaves what was there; a kill does, too, or
    leaves no run and `.push`. The same push again ends in the same files.

    Args:
        directory: empty, not there, or an earlier push, or one that was cut short.
        files: contents, or the file that has them, by name.

    Raises:
        FileExistsError: the directory holds something else.
        RunInUseError: another process pushes into it.
        CannotWriteError: it cannot be written.
    """
    path = followed(directory)
    made = _check(path, files)
    make_folder(path)
    with locked(path, STAGE):
        _check(path, files)  # What another process has done since.
        try:
            _stage(path, files)
        except BaseException:
            _leave(path, files, made)
            raise
        with writing(path):
            replaced = _place(path, files)
        shutil.rmtree(path / STAGE, ignore_errors=True)
    return Change(str(directory), replaced=replaced)


def _check(path: pathlib.Path, files: Mapping) -> bool:
    """Whether the directory is yet to be made; raises where it holds something else."""
    with writing(path):
        made = not path.exists()
        there = {one.name for one in path.iterdir()} if path.is_dir() else set()
    begun = STAGE in there
    there -= {STAGE, *(f"{name}.tmp" for name in files)}  # Version 0.1 wrote beside them.
    whole = not there or there == {*files} or (begun and there < {*files})
    if not (whole and (made or path.is_dir())):
        raise FileExistsError(
            f"{path} holds something else than an earlier push, and nothing is overwritten. "
            "Choose another directory or empty it."
        )
    return made


def _stage(path: pathlib.Path, files: Mapping[str, bytes | pathlib.Path]) -> None:
    for name, content in files.items():
        with in_one_step(path / STAGE / name) as temporary:
            if isinstance(content, bytes):
                temporary.write_bytes(content)
            else:
                shutil.copyfile(content, temporary)


def _place(path: pathlib.Path, files: Mapping) -> tuple[str, ...]:
    """Gives the files their names, and returns those that were there and are other ones now."""
    stage = path / STAGE

    def is_same(name: str) -> bool:
        there = path / name
        return there.is_file() and filecmp.cmp(stage / name, there, shallow=False)

    changed = [name for name in files if not is_same(name)]
    replaced = tuple(name for name in changed if (path / name).exists())
    if len(changed) > 1:
        (path / RUN).unlink(missing_ok=True)
        sync_folder(path)
        changed = [*(name for name in changed if name != RUN), RUN]
    for name in changed:
        if name == RUN:
            sync_folder(path)
        os.replace(stage / name, path / name)
    sync_folder(path)
    for name in files:
        (path / f"{name}.tmp").unlink(missing_ok=True)
    return replaced


def _leave(path: pathlib.Path, files: Mapping, made: bool) -> None:
    """Takes away what was staged; `.push` stays where it marks a push that was cut short."""
    whole = {name for name in files if (path / name).exists()} in (set(), {*files})
    for one in (path / STAGE).iterdir():
        if whole or one.name != LOCK:
            one.unlink()
    if whole:
        (path / STAGE).rmdir()
    if made:
        with contextlib.suppress(OSError):  # Somebody has put something there.
            path.rmdir()
