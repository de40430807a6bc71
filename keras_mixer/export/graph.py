"""What is written: a model from floats to its scores, or from pixels to probabilities."""

import warnings

import keras
import numpy as np

from keras_mixer.preprocessing import scale_and_offset
from keras_mixer.training.losses import gives_logits


def pixels_to_input(model: keras.Model) -> tuple[float, float]:
    """Scale and offset that take pixels in [0, 255] to what a model expects."""
    return scale_and_offset(model)


def in_float32(model: keras.Model) -> keras.Model:
    """A copy that was never compiled and computes in float32, whatever the model computes in."""
    copy = type(model).from_config(_in_float32(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config):
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return config


def quantized(model: keras.Model) -> keras.Model:
    """A copy whose products are of int8, by Keras: weights by output, inputs by row as they come.

    The weights' scales are fixed, those of the inputs are found in each call.
    """
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    with warnings.catch_warnings():
        # Layers without products; Keras names each.
        warnings.filterwarnings("ignore", message=".*does not have a `quantize` method")
        copy.quantize("int8")
    return copy


def graph(model: keras.Model, preprocessing: bool) -> keras.Model:
    """The model as it is written, on an input of its own.

    Args:
        model: gives `(batch, classes)`.
        preprocessing: whether it takes uint8 pixels and gives probabilities; else it takes the
            floats, and gives the scores, that the model takes and gives.
    """
    shape = model.input_shape[1:]
    if not preprocessing:
        images = keras.Input(shape, dtype=model.inputs[0].dtype, name="images")
        return _called(keras.Model(images, model(images, training=False), name=model.name))
    scale, offset = pixels_to_input(model)
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(scale, offset=offset, dtype="float32", name="from_pixels")(pixels)
    x = model(x, training=False)
    if gives_logits(model):
        x = keras.layers.Softmax(dtype="float32", name="probabilities")(x)
    return _called(keras.Model(pixels, x, name=model.name))


def _called(model: keras.Model) -> keras.Model:
    """The model, which Keras exports only after a call."""
    (tensor,) = model.inputs
    model(np.zeros((1, *tensor.shape[1:]), tensor.dtype), training=False)
    return model
