"""What a file takes and gives, in words that travel with it."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from keras_mixer.data.ahead import layout_of
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
    logits = gives_logits(model) and not preprocessing
    return {
        "model": model.name,
        "format": format,
        "quantize": quantize,
        "written_by": f"Keras {keras.__version__} on {writer}",
        "input": {
            "shape": ["batch", *model.input_shape[1:]],
            "layout": "NHWC" if layout_of(model) == "channels_last" else "NCHW",
            "dtype": "uint8" if preprocessing else "float32",
            "channels": "RGB",
            "range": [offset, 255 * scale + offset],
            "scale": scale,
            "offset": offset,
            "crop": crop,
            "interpolation": "bilinear" if record is None else record.interpolation,
            "antialias": record is None or record.antialias,
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


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The description of a file that `export` wrote.

    Raises:
        FileNotFoundError: there is none beside it.
        ValueError: it is another file.
    """
    beside = path_of(path)
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
        if not {"input", "output", "labels", "format"} <= about.keys():
            raise ValueError("parts are missing")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} has no {beside.name} beside it, which tells what it takes and which "
            "`keras-mixer export` writes. Keep the two together."
        ) from error
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{beside} does not describe an exported file: {error}") from error
    return about


def as_text(about: dict) -> str:
    """The contents of that file."""
    return json.dumps(about, indent=2) + "\n"
