"""Which weights of a model move: all, the head alone, or low-rank adapters."""

import math

import keras
import numpy as np

from keras_mixer.layers import MixerLayer


def head_of(model: keras.Model) -> keras.layers.Layer:
    """The last layer, in the last model of nested ones.

    Raises:
        ValueError: it has no weights.
    """
    last = model.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    if not last.weights:
        raise ValueError(
            f"The last layer of {model.name}, {last.name}, has no weights, so it is not a head "
            "that can be trained alone."
        )
    return last


def train_only(model: keras.Model, variables) -> None:
    """Lets just these variables move; compile the model afterwards."""
    moving = {id(variable) for variable in variables}
    for variable in model.weights:
        variable.trainable = id(variable) in moving


def add_lora(model: keras.Model, rank: int) -> None:
    """Adds adapters to both MLPs of each Mixer layer; these and the head are then what trains.

    Each kernel W becomes W + A B with `rank` columns in A, of which B begins at zero (Hu et al.
    2021, https://arxiv.org/abs/2106.09685), by `keras.layers.Dense.enable_lora`.

    Raises:
        ValueError: the model has adapters already, or a token-mixing MLP for each channel.
    """
    for layer in model.layers:
        if isinstance(layer, MixerLayer) and layer.token_mixing.form == "untied":
            raise ValueError(
                f"{layer.name} of {model.name} has a token-mixing MLP for each channel, whose "
                "kernels take no adapters. Train it whole, or build it with another `token_mixing`."
            )
    moving = list(head_of(model).weights)
    for dense in _mlp_layers(model):
        dense.enable_lora(rank)
        moving += [dense.lora_kernel_a, dense.lora_kernel_b]
    train_only(model, moving)


def merge_lora(model: keras.Model) -> keras.Model:
    """A plain model with the adapters of `model` multiplied into its kernels."""
    values = {v.path: v for v in model.weights}
    values |= {dense._kernel.path: dense.kernel for dense in _mlp_layers(model)}
    # As copies, for on JAX a step of one model may take the memory of its arrays.
    values = {path: np.array(keras.ops.convert_to_numpy(value)) for path, value in values.items()}
    plain = type(model).from_config(model.get_config())
    for variable in plain.weights:
        variable.assign(values[variable.path])
    return plain


def parameter_counts(model: keras.Model) -> tuple[int, int]:
    """How many numbers train, and how many there are, adapters included."""
    trainable, every = (
        sum(math.prod(variable.shape) for variable in variables)
        for variables in (model.trainable_variables, model.weights)
    )
    return trainable, every


def _mlp_layers(model: keras.Model) -> list:
    """The dense layers of the MLPs."""
    return [
        dense
        for layer in model.layers
        if isinstance(layer, MixerLayer)
        for mlp in (layer.token_mixing, layer.channel_mixing)
        for dense in (mlp.dense_0, mlp.dense_1)
    ]
