"""Predictions of any number of pictures in a file, gone on with after whatever cut them short."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_mixer.data import Found, Walk, escaped
from keras_mixer.evaluation.journal import Journal, Standing
from keras_mixer.evaluation.parquet import check_pyarrow, write_parquet
from keras_mixer.evaluation.rows import Columns, CsvLines, JsonLines
from keras_mixer.evaluation.stream import predict_stream
from keras_mixer.preprocessing import check_label_names
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.training.checkpoint import differences
from keras_mixer.training.signals import Interrupted, deferred
from keras_mixer.writing import followed, in_one_step, locked, make_folder, write_text, writing

# How the rows are kept until all are there.
FORMATS: dict[str, type[CsvLines] | type[JsonLines]] = {
    ".csv": CsvLines,
    ".jsonl": JsonLines,
    ".parquet": JsonLines,
}


@dataclasses.dataclass(frozen=True)
class BulkPredictions:
    """What `predict_to_file` wrote.

    Args:
        path: the file.
        files: rows in it.
        bad: those that have an error in place of a prediction.
        passed_over: files below the folders that are no images by name.
        hidden: hidden files and folders, likewise.
        new: whether any of it was written by this call.
    """

    path: pathlib.Path
    files: int
    bad: int
    passed_over: int
    hidden: int
    new: bool


def predict_to_file(
    model: keras.Model,
    paths: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    label_names: Sequence[str] | None = None,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    top: int = 3,
    all_probabilities: bool = False,
    max_bad: int = 100,
    progress: Callable[[int, int], Any] = lambda files, bad: None,
) -> BulkPredictions:
    """Writes a row of predictions for each picture, in memory that does not grow with their number.

    The rows go to `OUTPUT.partial`, which becomes `output` when all are there, so a file of that
    name is whole. The same call goes on after the rows of `OUTPUT.partial`, and ends in the same
    file as one that was left alone; `OUTPUT.about.json` says what made it.

    Args:
        model: as in `predict`.
        paths: pictures and folders, as in `keras_mixer.data.Walk`.
        output: a `.csv`, `.jsonl` or `.parquet` file; see `Columns` for what it holds.
        label_names: names of the classes; by default their numbers.
        crop: as in `predict`.
        batch_size: files at a time.
        top: how many of the most probable classes.
        all_probabilities: whether to write the probability of every class.
        max_bad: the most files without a prediction; one more ends it.
        progress: called with the rows that are written and how many of them have an error.

    Raises:
        ValueError: no pictures, more bad ones than `max_bad`, other options, another model or other
            pictures than `output` was begun with, or as in `predict`.
        FileExistsError: `output` is something else.
        ModuleNotFoundError: a `.parquet` file without pyarrow.
        OSError: another process writes it.
        keras_mixer.training.Interrupted: a signal ended it after a batch; it can go on.

    Example:

    >>> keras_mixer.evaluation.predict_to_file(model, ["pictures"], "predictions.csv")
    """
    check_output(output)
    kind, output = pathlib.Path(output).suffix.lower(), followed(output)
    classes = model.output_shape[-1]
    numbers = list(map(str, range(classes)))
    names = check_label_names(numbers if label_names is None else label_names, classes)
    columns = Columns(names, top, all_probabilities)
    journal = Journal(output.with_name(output.name + ".partial"), FORMATS[kind](columns))
    walk, digest = Walk(paths), hashlib.sha256()
    files = _pictures(walk, digest)
    # Says what is wrong with the options before anything is written; it computes nothing yet.
    predict_stream(model, (), crop=crop, batch_size=batch_size)
    about = {
        "model": _fingerprint(model),
        "backend": keras.backend.backend(),
        "crop": crop,
        "columns": {"top": columns.top, "all": all_probabilities, "classes": _digest(names)},
    }

    def told(standing: Standing) -> Standing:
        progress(standing.rows, standing.bad)
        _check_bad(standing, max_bad, journal.path)
        return standing

    with _locked(output), deferred() as request:
        was = _begun(output, journal.path, about)
        if was is not None and output.exists():
            for _ in files:
                pass
            if was["pictures"] != digest.hexdigest():
                raise ValueError(
                    f"{output} is finished, and the pictures are other ones now. Choose another "
                    "--output, or remove it to begin anew."
                )
            journal.path.unlink(missing_ok=True)  # It was made into `output` just before a kill.
            counts = was["files"], was["bad"], walk.passed_over, walk.hidden
            return BulkPredictions(output, *counts, new=False)
        if was is None:
            write_text(_about(output), json.dumps(about, indent=2) + "\n")
        standing = told(journal.go_on(files, batch_size))
        for batch in predict_stream(
            model,
            itertools.chain(standing.again, files),
            crop=crop,
            batch_size=batch_size,
            always_full=standing.rows > 0,
        ):
            rows = columns.rows(batch)
            journal.add(rows)
            standing = told(standing.after(rows))
            if request.signum is not None:
                saved = f"{standing.rows:,} files are in {journal.path}"
                raise Interrupted(request.signum, standing.rows, saved)
        done = {"files": standing.rows, "bad": standing.bad, "pictures": digest.hexdigest()}
        write_text(_about(output), json.dumps({**about, **done}, indent=2) + "\n")
        _complete(journal, columns, output, kind)
    counts = standing.rows, standing.bad, walk.passed_over, walk.hidden
    return BulkPredictions(output, *counts, new=True)


def check_output(output: str | os.PathLike) -> None:
    """Raises unless predictions can be written to a file of this name.

    Raises:
        ValueError: its ending is another one.
        ModuleNotFoundError: it needs a package that is not installed.
    """
    kind = pathlib.Path(output).suffix.lower()
    if kind not in FORMATS:
        raise ValueError(f"{output} must end in {', '.join(FORMATS)}.")
    if kind == ".parquet":
        check_pyarrow()


def _digest(names: Sequence[str]) -> str:
    """A hash of the names of the classes: there may be 21,843."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def _about(output: pathlib.Path) -> pathlib.Path:
    return output.with_name(output.name + ".about.json")


def _begun(output: pathlib.Path, partial: pathlib.Path, about: dict) -> dict | None:
    """What is said of the rows that are there; `None` where there are none."""
    there = [path for path in (output, partial) if path.exists()]
    if not there:
        return None
    try:
        was = json.loads(_about(output).read_text(encoding="utf-8"))
        own = {key: was[key] for key in about}
        if output.exists():
            was["files"] + was["bad"], was["pictures"]  # Numbers, and a hash.
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise_system_fault(error, _about(output))
        raise FileExistsError(
            f"{there[0]} exists, {_about(output)} does not say what made it, and nothing is "
            "overwritten. Choose another --output or remove it."
        ) from error
    if different := list(differences(own, about)):
        raise ValueError(
            f"{there[0]} was begun otherwise: {'; '.join(different)}. Give the same options to go "
            "on, or choose another --output."
        )
    return was


def _check_bad(standing: Standing, max_bad: int, partial: pathlib.Path) -> None:
    if standing.bad > max_bad:
        path, error = standing.last_bad
        raise ValueError(
            f"{standing.bad:,} of {standing.rows:,} files have no prediction, the last one {path} "
            f"({error}); {max_bad:,} are allowed. Raise --max-bad-images to go on, or mend the "
            f"files and remove {partial} to begin anew."
        )


def _pictures(walk: Walk, digest) -> Iterator[Found]:
    """What a walk comes to, its paths added to a hash on the way; an error if that is nothing."""

    def hashed(found: Found) -> Found:
        digest.update(f"{escaped(found.path)}\n".encode())
        return found

    files = map(hashed, walk)
    first = next(files, None)
    if first is None:
        named = ", ".join(map(escaped, walk.paths))
        raise ValueError(f"There are no pictures in {named}. {walk.unused()}".strip())
    return itertools.chain([first], files)


def _complete(journal: Journal, columns: Columns, output: pathlib.Path, kind: str) -> None:
    """Makes the file of the rows, which are all there."""
    if kind != ".parquet":
        with writing(output):
            os.replace(journal.path, output)
        return
    with in_one_step(output) as temporary:
        write_parquet(temporary, columns, journal.read())
    journal.path.unlink()


def _fingerprint(model: keras.Model) -> str:
    """A hash of what a model computes: its configuration and its weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for variable in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        digest.update(array.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(output: pathlib.Path) -> Iterator[None]:
    """Keeps other processes off an output; the system lets go of it when this one dies."""
    make_folder(output.parent)
    path = output.with_name(output.name + ".lock")
    with locked(output, path):
        yield
        if output.exists():  # Else two others could each hold a file of this name.
            path.unlink(missing_ok=True)
