"""From a model to a file that was checked."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_mixer.data import Split
from keras_mixer.export import metadata, onnx_files, runtimes
from keras_mixer.export.another_backend import (
    check_installed,
    needs_own_process,
    write_under,
    writer_of,
)
from keras_mixer.export.check import TOLERANCE, Comparison, MismatchError, compare
from keras_mixer.export.formats import Format, format_named
from keras_mixer.export.graph import in_float32
from keras_mixer.export.write import write
from keras_mixer.printable import print_line
from keras_mixer.writing import in_one_step, writing


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    Args:
        path: the file or, of a SavedModel, the folder.
        size: bytes on the disk, without the description beside it.
        comparison: the file beside the Keras model.
    """

    path: pathlib.Path
    size: int
    comparison: Comparison


def export(
    model: keras.Model,
    path: str | os.PathLike,
    images: Split,
    *,
    format: str = "onnx",
    quantize: str = "none",
    preprocessing: bool = False,
    crop: str = "resmall_crop",
    label_names: Sequence[str] | None = None,
    labelled: bool = True,
    tolerance: float = TOLERANCE,
    say: Callable[[str], None] = print_line,
) -> Exported:
    """Writes a model for another runtime, and compares it there with the Keras model.

    Where the running backend cannot write the format, the model is saved, and loaded and written
    under one that can, in a process of its own. What the file takes and gives is told by the JSON
    file beside it, `PATH.json`; in an ONNX file also by its `metadata_props`.

    Args:
        model: from RGB images to `(batch, classes)`. A model of mixed precision is written, and
            compared, in float32.
        path: of the file or, for a SavedModel, the folder; nothing must be there.
        images: pictures to compare on.
        format: a key of `FORMATS`.
        quantize: `"none"`, or `"int8"` for weights of 8 bits.
        preprocessing: whether the file takes uint8 pixels and gives probabilities; else it takes
            what `keras_mixer.preprocess_input` gives, and gives what the model gives.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        label_names: names of the classes, in order, for the description.
        labelled: whether the labels of `images` are the model's.
        tolerance: the largest difference in float32, see `Comparison`.
        say: called with a line on what is out of the ordinary.

    Raises:
        FileExistsError: something is at `path` already.
        ModuleNotFoundError: what the format takes is not installed.
        MismatchError: the file gives other results than the model; it is kept.
        ValueError: a format or quantisation that is not possible, a wrong ending of `path`, or as
            `compare`.

    Example:

    >>> keras_mixer.export.export(model, "model.onnx", data.test, preprocessing=True)
    """
    path = pathlib.Path(path)
    row = format_named(format, quantize)
    _check_path(path, row)
    check_installed(row)
    writer = writer_of(row, quantize)
    if policy := _mixed(model):
        say(f"precision: written in float32; the model computes in {policy}")
    model = in_float32(model)
    about = metadata.describe(model, format, quantize, preprocessing, crop, label_names, writer)
    with writing(path), contextlib.ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Hidden, and on the same disk, so that what is whole is only renamed.
        temporary = tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent)
        folder = stack.enter_context(temporary)
        written = pathlib.Path(folder, path.name)
        how: dict[str, Any] = {
            "format": format,
            "quantize": quantize,
            "preprocessing": preprocessing,
        }
        if writer != keras.backend.backend():
            say(
                f"export: {row.title} is not written on {keras.backend.backend()}; the saved model "
                f"is loaded and written under {writer}, in another process"
            )
        if needs_own_process(writer):
            write_under(writer, model, written, **how)
        else:
            write(model, written, **how)
        if format == "onnx":
            onnx_files.add_metadata(written, about)
        size = _size(pathlib.Path(folder))
        metadata.path_of(written).write_text(metadata.as_text(about), encoding="utf-8")
        _check_path(path, row)
        for part in reversed(_parts(path, row)):  # The file itself comes last.
            _place(written.with_name(part.name), part)
    run = runtimes.load(path, format)
    found = compare(model, run, images, preprocessing=preprocessing, crop=crop, labelled=labelled)
    if problem := found.problem(quantize, tolerance):
        raise MismatchError(f"{path} is not what the Keras model is: it {problem}. It is kept.")
    return Exported(path, size, found)


def _parts(path: pathlib.Path, row: Format) -> list[pathlib.Path]:
    """All that is written for `path`, itself first."""
    return [path, *(path.with_suffix(suffix) for suffix in row.more), metadata.path_of(path)]


def _check_path(path: pathlib.Path, row: Format) -> None:
    if path.suffix != row.suffix:
        raise ValueError(f"The name of a {row.title} must end in {row.suffix}. Received: {path}")
    for part in _parts(path, row):
        if part.exists():
            raise FileExistsError(
                f"{part} exists already, and nothing is overwritten. Choose another --output or "
                "remove it."
            )


def _mixed(model: keras.Model) -> str | None:
    """The precision that a model computes in where it is not float32."""
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    return ", ".join(sorted(policies - {"float32"})) or None


def _size(folder: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _place(written: pathlib.Path, path: pathlib.Path) -> None:
    """Gives a file or folder its name, in one step."""
    if written.is_dir():
        os.rename(written, path)
        return
    with in_one_step(path) as temporary:
        shutil.move(written, temporary)
