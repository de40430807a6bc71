"""Writing a file under the backend that runs."""

import json
import os
import pathlib
import sys
import warnings
from typing import Any

import keras

from keras_mixer.export import onnx_files, torch_files
from keras_mixer.export.graph import graph, quantized


def write(
    model: keras.Model,
    path: str | os.PathLike,
    format: str,
    quantize: str = "none",
    preprocessing: bool = False,
) -> None:
    """Writes a model; the running backend must be one of the format's writers.

    Args:
        model: in float32.
        path: of the file or, for a SavedModel, the folder.
        format: a key of `FORMATS`.
        quantize: `"none"` or `"int8"`.
        preprocessing: see `graph`.
    """
    # LiteRT has a way of its own, and refuses Keras' layers of int8.
    by_keras = quantize == "int8" and format != "litert"
    written = graph(quantized(model) if by_keras else model, preprocessing)
    backend = keras.backend.backend()
    with warnings.catch_warnings():
        # Converters warn of their own code and of other versions of Python; the file is checked.
        warnings.simplefilter("ignore")
        if format == "torch":
            torch_files.write_program(written, path)
            return
        if format == "onnx" and backend == "torch":
            torch_files.write_onnx(written, path)
            return
        how: dict[str, Any] = {}
        if format == "onnx":
            onnx_files.teach_tf2onnx_erfc()
        elif format == "litert" and quantize == "int8":
            import tensorflow as tf

            how = {"optimizations": [tf.lite.Optimize.DEFAULT]}
        written.export(str(path), format=format, verbose=False, **how)


def main() -> None:
    """`write` for another process: the first argument is JSON, of a saved model and the others."""
    arguments = json.loads(sys.argv[1])
    model = keras.saving.load_model(pathlib.Path(arguments.pop("model")), compile=False)
    write(model, **arguments)
