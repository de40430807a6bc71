"""From pixels to what a Mixer expects."""

import sys

import numpy as np


def preprocess_input(x):
    """Maps pixels in [0, 255] to floats in [-1, 1], `x / 127.5 - 1`, as the official code does.

    Works on NumPy arrays and on tensors of any framework, whatever the Keras backend, so also
    inside a `tf.data` pipeline under JAX or PyTorch. The input is never changed.

    Args:
        x: images of any shape with values in [0, 255], integer or floating, RGB where there are
            three channels; an array, a tensor or a Keras tensor.

    Returns:
        The same kind of array or tensor; float32 for integers, else of the input's own type.

    Raises:
        ValueError: `x` is neither an array nor a tensor.
    """
    if hasattr(x, "__array_interface__") or isinstance(x, list | tuple | int | float):
        x = np.asarray(x)
        return (x if x.dtype.kind == "f" else x.astype("float32")) / 127.5 - 1.0
    if not hasattr(x, "dtype"):
        raise ValueError(f"`x` must be an array or a tensor of pixels. Received: {type(x)!r}")
    if "float" not in str(x.dtype):
        x = _float32(x)
    return x / 127.5 - 1.0


def _float32(x):
    """`x` cast by the framework that it belongs to."""
    framework = type(x).__module__.partition(".")[0]
    if framework == "tensorflow":
        return sys.modules["tensorflow"].cast(x, "float32")
    if framework == "torch":
        return x.float()
    if framework == "keras":
        return sys.modules["keras"].ops.cast(x, "float32")
    return x.astype("float32")
