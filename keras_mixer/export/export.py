"""From a model to a file that was checked."""

import dataclasses
import os
import pathlib
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
from keras_mixer.export.place import placed_at_once
from keras_mixer.export.write import write
from keras_mixer.printable import print_line
from keras_mixer.writing import check_room


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
        OSError: the file cannot be written, or another process writes it.
        ModuleNotFoundError: what the format takes is not installed.
        MismatchError: the file gives other results than the model; it is kept.
        ValueError: a format or quantisation that is not possible, a wrong ending of `path`, or as
            `compare`.

    Example:

    >>> keras_mixer.export.export(model, "model.onnx", data.test, preprocessing=True)
    """
    path = pathlib.Path(path)
    row = format_named(format, quantize)
    if path.suffix != row.suffix:
        raise ValueError(f"The name of a {row.title} must end in {row.suffix}. Received: {path}")
    check_installed(row)
    writer = writer_of(row, quantize)
    how: dict[str, Any] = {"format": format, "quantize": quantize, "preprocessing": preprocessing}
    with placed_at_once(path, _parts(path, row)) as folder:
        if policy := _mixed(model):
            say(f"precision: written in float32; the model computes in {policy}")
        model = in_float32(model)
        about = metadata.describe(model, format, quantize, preprocessing, crop, label_names, writer)
        written = folder / path.name
        if writer != keras.backend.backend():
            say(
                f"export: {row.title} is not written on {keras.backend.backend()}; the saved model "
                f"is loaded and written under {writer}, in another process"
            )
        try:
            if needs_own_process(writer):
                write_under(writer, model, written, **how)
            else:
                write(model, written, **how)
        except Exception:
            check_room(folder)  # OpenVINO, for one, does not say that the disk is full.
            raise
        if format == "onnx":
            onnx_files.add_metadata(written, about)
        size = _size(folder)
        metadata.path_of(written).write_text(metadata.as_text(about), encoding="utf-8")
    run = runtimes.load(path, format)
    found = compare(model, run, images, preprocessing=preprocessing, crop=crop, labelled=labelled)
    if problem := found.problem(quantize, tolerance):
        raise MismatchError(f"{path} is not what the Keras model is: it {problem}. It is kept.")
    return Exported(path, size, found)


def _parts(path: pathlib.Path, row: Format) -> list[pathlib.Path]:
    """All that is written for `path`, itself first."""
    return [path, *(path.with_suffix(suffix) for suffix in row.more), metadata.path_of(path)]


def _mixed(model: keras.Model) -> str | None:
    """The precision that a model computes in where it is not float32."""
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    return ", ".join(sorted(policies - {"float32"})) or None


def _size(folder: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
