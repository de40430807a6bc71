"""What a file takes and gives, in words that travel with it."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from keras_mixer.export.graph import pixels_to_input
from keras_mixer.preprocessing import record_of
from keras_mixer.training.losses import gives_logits


def describe(
    model: keras.Model,
    format: str,
    quantize: str,
    preprocessing: bool,
    crop: str,
    label_names: Sequence[str] | None,
    writer: str,
) -> dict[str, Any]:
    """What a file takes and gives, like JSON.

    The input is `pixel * scale + offset` of RGB pixels in [0, 255], of pictures that `crop`, a key
    of `keras_mixer.data.EVALUATION_CROPS`, brought to its size.
    """
    scale, offset = (1.0, 0.0) if preprocessing else pixels_to_input(model)
    record = record_of(model)
    channels_last = keras.config.image_data_format() == "channels_last"
    logits = gives_logits(model) and not preprocessing
    return {
        "model": model.name,
        "format": format,
        "quantize": quantize,
        "written_by": f"Keras {keras.__version__} on {writer}",
        "input": {
            "shape": ["batch", *model.input_shape[1:]],
            "layout": "NHWC" if channels_last else "NCHW",
            "dtype": "uint8" if preprocessing else "float32",
            "channels": "RGB",
            "range": [offset, 255 * scale + offset],
            "scale": scale,
            "offset": offset,
            "crop": crop,
            "interpolation": "bilinear" if record is None else record.interpolation,
        },
        "output": {
            "shape": ["batch", model.output_shape[-1]],
            "dtype": "float32",
            "values": "logits" if logits else "probabilities",
        },
        "labels": None if label_names is None else list(label_names),
    }


def path_of(path: str | os.PathLike) -> pathlib.Path:
    """Where the description of a file lies: beside it, `model.onnx.json` of `model.onnx`."""
    path = pathlib.Path(path)
    return path.with_name(path.name + ".json")


def as_text(about: dict) -> str:
    """The contents of that file."""
    return json.dumps(about, indent=2) + "\n"
