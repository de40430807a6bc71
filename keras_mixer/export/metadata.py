"""What a file takes and gives, in words that travel with it."""

import json
import math
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_mixer.data import EVALUATION_CROPS
from keras_mixer.data.ahead import layout_of
from keras_mixer.export.formats import FORMATS, format_of
from keras_mixer.export.graph import pixels_to_input
from keras_mixer.preprocessing import check_label_names, record_of
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

    Raises:
        ValueError: the names are not those of the model's classes.
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
        "labels": label_names
        and list(check_label_names(label_names, classes=model.output_shape[-1])),
    }


def path_of(path: str | os.PathLike) -> pathlib.Path:
    """Where the description of a file lies: beside it, `model.onnx.json` of `model.onnx`."""
    path = pathlib.Path(path)
    return path.with_name(path.name + ".json")


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The description of a file that `export` wrote.

    Raises:
        FileNotFoundError: there is none beside it.
        ValueError: it is another file, or a field is missing or not as `describe` writes it.
    """
    beside = path_of(path)
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
        for keys, (holds, wanted) in _FIELDS.items():
            value = about
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if not holds(value):
                raise ValueError(f"{'.'.join(keys)} must be {wanted}. Received: {value!r:.80}")
        if about["format"] != format_of(path):
            raise ValueError(f"format must be that of {pathlib.Path(path).name}")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} has no {beside.name} beside it, which tells what it takes and which "
            "`keras-mixer export` writes. Keep the two together."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{beside} does not describe an exported file: {error}") from error
    if about.get("labels") is not None:
        check_label_names(about["labels"], about["output"]["shape"][-1], str(beside))
    return about


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_one_of(*choices: object) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in choices), f"one of {', '.join(map(str, choices))}"


# What each field of a description may be, and how a message says it.
_FIELDS: dict[tuple[str, ...], tuple[Callable[[Any], bool], str]] = {
    ("model",): (lambda v: isinstance(v, str), "a text"),
    ("format",): _is_one_of(*FORMATS),
    ("input", "layout"): _is_one_of("NHWC", "NCHW"),
    ("input", "shape"): (
        lambda v: isinstance(v, list) and len(v) == 4 and all(map(_is_count, v[1:])),
        'a list such as ["batch", 224, 224, 3]',
    ),
    ("input", "dtype"): _is_one_of("uint8", "float32"),
    ("input", "scale"): (_is_number, "a number"),
    ("input", "offset"): (_is_number, "a number"),
    ("input", "crop"): _is_one_of(*EVALUATION_CROPS),
    ("input", "interpolation"): _is_one_of("bilinear", "bicubic"),
    ("input", "antialias"): (lambda v: v is None or type(v) is bool, "true or false"),
    ("output", "shape"): (
        lambda v: isinstance(v, list) and len(v) == 2 and _is_count(v[1]),
        'a list such as ["batch", 1000]',
    ),
    ("output", "values"): _is_one_of("logits", "probabilities"),
}


def as_text(about: dict) -> str:
    """The contents of that file."""
    return json.dumps(about, indent=2) + "\n"
