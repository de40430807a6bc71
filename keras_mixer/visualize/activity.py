"""How strongly the units of token mixing answer to a picture."""

import keras
import numpy as np
from keras import ops

from keras_mixer.visualize.units import mixer_blocks


def unit_activity(model: keras.Model, images: np.ndarray, block: int) -> np.ndarray:
    """The activation of each hidden unit of a token-mixing MLP, averaged over the channels.

    Of MLP-Mixer, https://arxiv.org/abs/2105.01601, section 2, equation 1, it is the mean over i of
    `gelu(W1 norm(X)[:, i] + b1)`: every channel passes the same units. That mean is this package's
    measure; the paper shows the weights alone.

    Args:
        model: as in `token_mixing_units`.
        images: as the model takes them, `(batch, ...)`.
        block: which `MixerLayer`, from 0.

    Returns:
        `(batch, units)` in float64, in the order of the kernel; no lower than -0.17, GELU's least.

    Raises:
        ValueError: there is no such block, or its channels do not share one MLP.
    """
    blocks = mixer_blocks(model)
    if block not in range(len(blocks)):
        raise ValueError(
            f"`block` must be one of the {len(blocks)} of {model.name}, 0 to {len(blocks) - 1}. "
            f"Received: {block!r}"
        )
    layer = blocks[block]
    mixing = layer.token_mixing
    if mixing.form != "shared":
        raise ValueError(
            f"{layer.name} of {model.name} has {mixing.form} token mixing; its units are those of "
            "one channel or group, and none is shown."
        )
    tokens = keras.Model(model.input, layer.input)(images, training=False)
    columns = ops.transpose(layer.layer_norm_0(tokens), (0, 2, 1))  # b s c -> b c s
    hidden = ops.gelu(mixing.dense_0(columns), approximate=mixing.gelu_approximate)
    return ops.convert_to_numpy(ops.mean(hidden, axis=1)).astype("float64")
