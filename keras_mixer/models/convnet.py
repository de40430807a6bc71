"""A Mixer written as a convolutional network."""

import itertools
import re

import keras

from keras_mixer.layers import MixerLayer, Patches, SharedDepthwiseConv2D
from keras_mixer.models.mixer import MixerModel

_LETTERS = {
    keras.layers.InputLayer: "i",
    keras.layers.Rescaling: "r",
    Patches: "p",
    keras.layers.Dense: "d",
    MixerLayer: "m",
    keras.layers.LayerNormalization: "n",
    keras.layers.GlobalAveragePooling1D: "g",
    keras.layers.GlobalMaxPooling1D: "g",
}
_CHAIN = re.compile("ir?pdm+n(gd?)?")
_POOLING = {
    keras.layers.GlobalAveragePooling1D: keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D: keras.layers.GlobalMaxPooling2D,
}


def as_convnet(model: keras.Model) -> MixerModel:
    """The same function as a network of convolutions, with the weights of `model`.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 1, sees a Mixer as a convolutional network
    of a very special kind. On maps (rows, columns, channels): the stem is a P x P convolution of
    stride P; channel mixing is 1 x 1 convolutions; token mixing is depthwise convolutions of full
    receptive field whose kernel all channels share, from the tokens to D_S hidden units and from
    these to the tokens. There are as many parameters. It is for inference: dropout and stochastic
    depth have no place in it.

    Args:
        model: a Mixer of this package, with or without head, pooling and preprocessing; adapters
            are merged.

    Returns:
        A new functional model from the same images to the same output; without pooling, that is
        the map of tokens, `(batch, rows, columns, hidden_size)`.

        Cut or cloned it does not know which pixels it takes; see `preprocess_input`.

    Raises:
        ValueError: `model` has other layers than a Mixer or in another order, an ablation of token
            mixing, or quantised weights.

    Example:

    >>> convnet = keras_mixer.models.as_convnet(model)
    """
    _check(model)
    images = model.inputs[0]
    x = inputs = keras.Input(images.shape[1:], dtype=images.dtype, name=model.layers[0].name)
    for before, layer in itertools.pairwise(model.layers):
        x = _as_convolutions(layer, before, x)
    convnet = MixerModel(inputs, x, name=f"{model.name}_convnet")
    convnet.mixer_weights = getattr(model, "mixer_weights", None)
    return convnet


def _check(model):
    letters = "".join(_LETTERS.get(type(layer), "?") for layer in model.layers)
    chain = _CHAIN.fullmatch(letters) and all(
        behind.input is layer.output for layer, behind in itertools.pairwise(model.layers)
    )
    if not chain or model.outputs != [model.layers[-1].output]:
        raise ValueError(
            f"{model.name} is not a Mixer: `Patches`, a stem, `MixerLayer`s, a normalisation and, "
            "if any, pooling and a head, one behind the other. Its layers: "
            + ", ".join(layer.name for layer in model.layers)
        )
    for layer in model.layers:
        if isinstance(layer, MixerLayer) and not layer.plain:
            raise ValueError(
                f"{layer.name} of {model.name} has an ablation of token mixing, so it is not a "
                'convolution of one kernel. Build the model with `token_mixing="shared"` and no '
                "`pyramid`."
            )


def _as_convolutions(layer, before, x):
    """What `layer`, which stands behind `before`, computes of the map `x`."""
    if isinstance(layer, Patches):
        if layer.data_format == "channels_last":
            return x
        return keras.layers.Permute((2, 3, 1), dtype=layer.dtype_policy, name="channels_last")(x)
    if isinstance(before, Patches):
        return _conv(layer, x, layer.name, before.patch_size)
    if isinstance(layer, MixerLayer):
        return _mixer_layer(layer, x)
    if isinstance(layer, keras.layers.LayerNormalization):
        return _norm(layer, x, layer.name)
    config = layer.get_config()
    if isinstance(layer, keras.layers.Dense):
        return _with_weights(keras.layers.Dense.from_config(config), layer, x)
    return _POOLING.get(type(layer), type(layer)).from_config(config)(x)


def _mixer_layer(layer, x):
    """`layer` on the map `x`; the convolutions are named by its path."""
    grid = x.shape[1:3]

    def mix(mlp, norm, first, second):
        path = f"{layer.name}_{mlp.name}"
        y = _norm(norm, x, f"{layer.name}_{norm.name}")
        y = first(mlp.dense_0, y, f"{path}_dense_0")
        y = keras.ops.gelu(y, approximate=mlp.gelu_approximate)
        y = second(mlp.dense_1, y, f"{path}_dense_1")
        return keras.layers.Add(dtype=mlp.dtype_policy, name=f"{path}_add")([x, y])

    def to_hidden(dense, y, name):
        return _depthwise(dense, y, name, (dense.units, 1))

    def to_tokens(dense, y, name):
        return _depthwise(dense, y, name, grid)

    x = mix(layer.token_mixing, layer.layer_norm_0, to_hidden, to_tokens)
    return mix(layer.channel_mixing, layer.layer_norm_1, _conv, _conv)


def _conv(dense, x, name, patch_size=(1, 1)):
    """`dense` on every patch of the map `x`, flattened: a convolution with that stride."""
    conv = keras.layers.Conv2D(
        dense.units,
        patch_size,
        strides=patch_size,
        data_format="channels_last",
        dtype=dense.dtype_policy,
        name=name,
    )
    return _with_weights(conv, dense, x)


def _depthwise(dense, x, name, grid):
    """`dense` on the whole map of each channel; its units become a map of `grid`."""
    conv = SharedDepthwiseConv2D(grid, dtype=dense.dtype_policy, name=name)
    return _with_weights(conv, dense, x)


def _norm(norm, x, name):
    copy = keras.layers.LayerNormalization(epsilon=norm.epsilon, dtype=norm.dtype_policy, name=name)
    y = copy(x)
    _assign(copy.gamma, norm.gamma)
    _assign(copy.beta, norm.beta)
    return y


def _with_weights(layer, dense, x):
    """Calls `layer` on `x` and gives it the weights of `dense`, the kernel in its own shape."""
    if dense.quantization_mode is not None:
        raise ValueError(
            f"{dense.path} is quantised to {dense.quantization_mode}. `as_convnet` takes the model "
            "as it was before."
        )
    y = layer(x)
    _assign(layer.kernel, dense.kernel)
    _assign(layer.bias, dense.bias)
    return y


def _assign(variable, value):
    # A copy, for on JAX a step of one model may take the memory of its arrays.
    variable.assign(keras.ops.copy(keras.ops.reshape(value, variable.shape)))
