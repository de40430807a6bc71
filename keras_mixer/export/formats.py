"""The formats: one row each."""

import dataclasses
import os
import pathlib

QUANTIZE = ("none", "int8")


@dataclasses.dataclass(frozen=True)
class Format:
    """What is known of a format.

    Args:
        name: what a user types, and `Model.export` of Keras takes.
        title: what it is called.
        suffix: how the name of a file ends.
        writers: Keras backends that can write it, the better one first.
        modules: what writing and running it takes besides the backend that writes.
        extra: the extra of this package that installs them.
        more: suffixes of what lies beside the file and belongs to it.
        int8_writers: those of them that write it in int8.
        no_int8: why none does.
    """

    name: str
    title: str
    suffix: str
    writers: tuple[str, ...]
    modules: tuple[str, ...]
    extra: str
    more: tuple[str, ...] = ()
    int8_writers: tuple[str, ...] = ("tensorflow",)
    no_int8: str | None = None


# Tried with Keras 3.15, TensorFlow 2.21, PyTorch 2.13. JAX writes none of them here: its SavedModel
# needs TensorFlow anyway, its ONNX needs jax2onnx with flax, equinox and orbax. PyTorch's ONNX of
# int8 layers holds their kernels as floats and is as large as without.
FORMATS = {
    row.name: row
    for row in (
        Format(
            "onnx",
            "ONNX",
            ".onnx",
            ("tensorflow", "torch"),
            ("onnx", "onnxruntime", "tf2onnx", "onnxscript"),
            "onnx",
        ),
        Format(
            "tf_saved_model",
            "SavedModel",
            ".saved_model",
            ("tensorflow",),
            ("tensorflow",),
            "tensorflow",
        ),
        Format("litert", "LiteRT", ".tflite", ("tensorflow",), ("ai_edge_litert",), "litert"),
        Format(
            "openvino",
            "OpenVINO",
            ".xml",
            ("tensorflow", "torch"),
            ("openvino",),
            "openvino",
            more=(".bin",),
            int8_writers=(),
            no_int8="it computes Keras' int8 layers wrongly (off by 0.11 in a probability). "
            "Quantise the file with OpenVINO's own tool, NNCF",
        ),
        Format(
            "torch",
            "torch.export",
            ".pt2",
            ("torch",),
            ("torch",),
            "torch",
            int8_writers=(),
            no_int8="the file gets larger (2.25 MiB for 1.62 of mixer_ti4). Quantise the file with "
            "torchao",
        ),
    )
}


def format_of(path: str | os.PathLike) -> str | None:
    """The key of the format that a file has by its name, or `None`."""
    suffix = pathlib.Path(path).suffix
    return next((name for name, row in FORMATS.items() if row.suffix == suffix), None)


def format_named(name: str, quantize: str) -> Format:
    """The row of a format that can be written so.

    Raises:
        ValueError: there is none of this name, or not in this quantisation.
    """
    if name not in FORMATS:
        raise ValueError(f"`format` must be one of {', '.join(FORMATS)}. Received: {name!r}")
    if quantize not in QUANTIZE:
        raise ValueError(f"`quantize` must be one of {', '.join(QUANTIZE)}. Received: {quantize!r}")
    row = FORMATS[name]
    if quantize == "int8" and row.no_int8:
        able = ", ".join(other.name for other in FORMATS.values() if not other.no_int8)
        raise ValueError(f"{row.title} is not written in int8: {row.no_int8}; or choose {able}.")
    return row
