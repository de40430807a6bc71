"""The weights of a Mixer as pictures: of its token mixing and of its stem."""

import keras
import numpy as np

from keras_mixer.layers import MixerLayer, Patches
from keras_mixer.specs import grid_of
from keras_mixer.visualize.order import sort_units


def token_mixing_units(model: keras.Model, block: int, sort: bool = True) -> np.ndarray:
    """The incoming weights of each hidden unit of a token-mixing MLP, over the grid of tokens.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 3.5, Figure 5, and appendix D.

    Args:
        model: a functional model with one `Patches` and `MixerLayer`s whose token mixing all
            channels share.
        block: which `MixerLayer`, from 0.
        sort: whether they come in the order of `sort_units`; else in that of the kernel.

    Returns:
        `(units, rows, columns)` in float64.

    Raises:
        ValueError: `model` is no such model, or has no such block.
    """
    blocks = mixer_blocks(model)
    if block not in range(len(blocks)):
        raise ValueError(
            f"`block` must be one of the {len(blocks)} of {model.name}, 0 to {len(blocks) - 1}. "
            f"Received: {block!r}"
        )
    patches = _patches_of(model)
    last = patches.data_format == "channels_last"
    shape = patches.input.shape
    rows, columns = grid_of(shape[1:3] if last else shape[2:4], patches.patch_size)
    kernel = blocks[block].token_mixing.dense_0.kernel
    if len(kernel.shape) != 2 or kernel.shape[0] != rows * columns:
        raise ValueError(
            f"{blocks[block].name} of {model.name} mixes tokens with a kernel of shape "
            f"{tuple(kernel.shape)}; to be shown it must be ({rows * columns}, units), one for all "
            f"channels, with a row for each of {rows}x{columns} tokens. Choose another block."
        )
    kernel = keras.ops.convert_to_numpy(kernel).astype("float64")
    units = kernel.T.reshape(-1, rows, columns)
    return units[sort_units(units)] if sort else units


def stem_units(model: keras.Model) -> np.ndarray:
    """The weights of each unit of the stem as an RGB patch.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 3.5, Figure 6, and appendix D.

    Args:
        model: a functional model of RGB images with one `Patches` and a dense layer `stem`.

    Returns:
        `(hidden_size, patch_height, patch_width, 3)` in float64, in the order of the kernel.

    Raises:
        ValueError: `model` is no such model.
    """
    height, width = _patches_of(model).patch_size
    stems = [layer for layer in model.layers if layer.name == "stem"]
    shapes = [tuple(layer.kernel.shape) for layer in stems if isinstance(layer, keras.layers.Dense)]
    if not shapes or shapes[0][0] != height * width * 3:
        raise ValueError(
            f"{model.name} must have a dense layer `stem` with a kernel ({height * width * 3}, "
            f"units), one row for each number of an RGB patch of {height}x{width} pixels. "
            f"Received: {shapes[0] if shapes else 'no such layer'}"
        )
    # A column holds patch row, patch column, channel, whatever the layout of the images.
    kernel = keras.ops.convert_to_numpy(stems[0].kernel).astype("float64")
    return kernel.T.reshape(-1, height, width, 3)


def mixer_blocks(model: keras.Model) -> list[MixerLayer]:
    """The mixer layers of a model, in order.

    Raises:
        ValueError: there are none.
    """
    blocks = [layer for layer in model.layers if isinstance(layer, MixerLayer)]
    if not blocks:
        raise ValueError(f"{model.name} has no `MixerLayer`. Pass a Mixer.")
    return blocks


def _patches_of(model: keras.Model) -> Patches:
    patches = [layer for layer in model.layers if isinstance(layer, Patches)]
    if len(patches) != 1:
        raise ValueError(
            f"{model.name} has {len(patches)} `Patches` layers and must have one. Pass a Mixer."
        )
    return patches[0]
