"""Which directory a run gets, and that no other process works in it."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from keras_mixer import writing
from keras_mixer.runs.directory import RUN, SKIPPED, STUDY, read_config
from keras_mixer.training.checkpoint import differences
from keras_mixer.writing import followed, make_folder

LOCK = ".lock"


@contextlib.contextmanager
def begun(
    output: str | os.PathLike | None, *arguments, **options
) -> Iterator[tuple[pathlib.Path, bool]]:
    """What `begin_run` gives, while no other process works in that directory.

    Where an error comes before anything was done, it is left as it was found.

    Args:
        output: as in `begin_run`.
        arguments: more of them.
        options: the same.

    Raises:
        RunInUseError: another process works in it.
        Exception: as `begin_run`.
    """
    made = output is None or not os.path.lexists(output)
    path, goes_on = begin_run(output, *arguments, **options)
    with locked(path):
        try:
            yield path, goes_on
        except BaseException:
            if not goes_on:
                with contextlib.suppress(OSError):
                    _remove_if_nothing_was_done(path, made)
            raise


def begin_run(
    output: str | os.PathLike | None,
    name: str,
    request: dict[str, Any],
    *,
    resume: bool = False,
    new: bool = False,
    file: str = RUN,
) -> tuple[pathlib.Path, bool]:
    """The directory for what is asked for, and whether a run in it goes on.

    Args:
        output: a directory that is empty, not there, or holds an unfinished run of the same
            request; by default the unfinished run among `runs/NAME-NUMBER` that nobody works on,
            else the first free number.
        name: what to call a new one.
        request: what is asked for, like JSON.
        resume: whether it must be one that goes on.
        new: whether it must not be.
        file: `RUN` or `STUDY`, what says what a directory holds.

    Raises:
        FileExistsError: `output` holds something else.
        FileNotFoundError: `resume`, and there is nothing to go on with.
        ValueError: `output` holds a run of another request; the message lists what differs.
    """
    request = json.loads(json.dumps(request))
    if output is not None:
        run = pathlib.Path(output)
        with writing.writing(run):
            there = followed(run).exists()  # A name that is too long is an error.
        if (run / file).is_file() and not new:
            config = _read_to_go_on(run, file)
            if config.get("finished"):
                raise FileExistsError(
                    f"{run} holds a finished {file.removesuffix('.json')}, and nothing is "
                    "overwritten. Choose another --output or remove it."
                )
            if different := list(differences(config.get("request"), request)):
                raise ValueError(
                    f"{run} holds a run of another request: {'; '.join(different)}. Give the same "
                    "options to go on, or choose another --output."
                )
            return run, True
        # A kill may leave them before anything was done.
        nothing = {LOCK, SKIPPED, f"{SKIPPED}.tmp", f"{file}.tmp"}
        if there and not (run.is_dir() and {p.name for p in run.iterdir()} <= nothing):
            raise FileExistsError(
                f"{run} is not an empty folder, and nothing is overwritten. Choose another "
                "--output or remove it."
            )
    else:
        number = 1
        while (run := pathlib.Path("runs", f"{name}-{number}")).exists():
            if not new and _goes_on(run, request, file):
                return run, True
            number += 1
    if resume:
        raise FileNotFoundError(
            f"There is no unfinished run of this command {f'in {run}' if output else 'below runs'} "
            "to go on with. Leave out --resume to begin one."
        )
    make_folder(run)
    return run, False


def _goes_on(run: pathlib.Path, request: dict, file: str) -> bool:
    """Whether a directory holds an unfinished run of a request that nobody works on."""
    try:
        config = _read_to_go_on(run, file)
        with locked(run):
            return not config.get("finished") and config.get("request") == request
    except OSError:
        return False


def _read_to_go_on(run: pathlib.Path, file: str) -> dict:
    try:
        return read_config(run, file)
    except ValueError as error:
        raise ValueError(
            f"{error} Choose another --output, or remove the folder to begin anew."
        ) from error


def locked(run: pathlib.Path, folder: str = ".") -> contextlib.AbstractContextManager[None]:
    """Keeps other processes off a run; see `keras_mixer.writing.locked`.

    Args:
        run: its directory.
        folder: where in it the lock lies; made where it is missing.
    """
    return writing.locked(run, run / folder / LOCK)


def _remove_if_nothing_was_done(path: pathlib.Path, made: bool) -> None:
    """Leaves a directory empty, or none that was `made`, where nothing was done in it."""
    files = list(path.iterdir())
    if {file.name.removesuffix(".tmp") for file in files} <= {RUN, STUDY, SKIPPED, LOCK}:
        for file in files:
            file.unlink()
        if made:
            path.rmdir()
