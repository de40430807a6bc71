"""Bringing token-mixing weights to another grid of tokens. Pure NumPy."""

import dataclasses
import math
import re

import numpy as np

from keras_mixer.specs import MixerSpec
from keras_mixer.weights.arrays import StoredArray
from keras_mixer.weights.formats import Weights

RESOLUTIONS = ("expand", "interpolate")
Grid = tuple[int, int]

_TOKEN_MIXING = re.compile(r"mixer_block_\d+/token_mixing/(dense_[01]/(?:kernel|bias))")
# What the axes of an array run over: tokens or hidden units.
_AXES = {
    "dense_0/kernel": ("tokens", "hidden"),
    "dense_0/bias": ("hidden",),
    "dense_1/kernel": ("hidden", "tokens"),
    "dense_1/bias": ("tokens",),
}


def check_resolution(resolution: str) -> None:
    """Raises a ValueError unless `resolution` is one of `RESOLUTIONS`."""
    if resolution not in RESOLUTIONS:
        raise ValueError(
            f"`resolution` must be one of {', '.join(map(repr, RESOLUTIONS))}. "
            f"Received: resolution={resolution!r}"
        )


def fit_to_image(
    weights: Weights, spec: MixerSpec, image_size: tuple[int, int], resolution: str
) -> tuple[Weights, MixerSpec]:
    """Weights for images of `image_size` pixels, and the spec with their `tokens_mlp_dim`.

    Raises:
        ValueError: the grids are not a whole number of times each other and `resolution` is
            `"expand"`, the weights' own grid cannot be told, or they are of an ablation of token
            mixing and of another size.
    """
    kernel = weights.arrays.get("mixer_block_0/token_mixing/dense_0/kernel")
    if kernel is None or len(kernel.shape) != 2:
        return weights, spec  # The strict assignment says what is wrong.
    new = spec.grid(image_size)
    old = weights.grid or _infer_grid(kernel.shape[0], spec, new, weights.origin)
    if old != new:
        check_plain(weights.arrays, old, weights.origin)
    arrays = change_grid(weights.arrays, old, new, resolution, weights.origin)
    if new != spec.grid() or old != new:
        width = arrays["mixer_block_0/token_mixing/dense_0/kernel"].shape[1]
        spec = dataclasses.replace(spec, tokens_mlp_dim=width)
    return dataclasses.replace(weights, arrays=arrays, grid=new), spec


def check_plain(arrays: dict[str, StoredArray], grid: Grid | None, origin: str) -> None:
    """Refuses the weights of an ablation of token mixing, where their shapes show it.

    Args:
        arrays: `{canonical name: array}`.
        grid: rows and columns of tokens they are for; `None` if that is not known.
        origin: what the arrays are, for the message.

    Raises:
        ValueError: a token-mixing MLP is not one for all channels, from the S tokens of all the
            others to S tokens.
    """
    views = any("/token_mixing/views/" in name for name in arrays)
    kernels = [  # All as (S, D).
        array.shape[::-1] if match[1] == "dense_1/kernel" else array.shape
        for name, array in arrays.items()
        if (match := _TOKEN_MIXING.fullmatch(name)) and match[1].endswith("kernel")
    ]
    tokens = {shape[0] for shape in kernels}
    if grid is not None:
        tokens.add(grid[0] * grid[1])
    if views or any(len(shape) != 2 for shape in kernels) or len(tokens) > 1:
        raise ValueError(
            f"{origin} does not have one token-mixing MLP for all channels and tokens in each "
            "layer. Weights like that keep their image size and the .keras format."
        )


def _infer_grid(tokens: int, spec: MixerSpec, new: Grid, origin: str) -> Grid:
    """The grid behind a number of tokens, where a file does not say."""
    for grid in (new, spec.grid(), (math.isqrt(tokens),) * 2):
        if grid[0] * grid[1] == tokens:
            return grid
    raise ValueError(
        f"{origin} was trained on {tokens} tokens, but does not say on how many rows and columns. "
        "Build the model at its own size, or load its `.keras` file."
    )


def change_grid(
    arrays: dict[str, StoredArray], old: Grid, new: Grid, resolution: str, origin: str
) -> dict[str, StoredArray]:
    """The arrays of a Mixer with its token-mixing MLPs on another grid of tokens.

    An array that is not of a token-mixing MLP on `old` is left as it is.

    Args:
        arrays: `{canonical name: array}`.
        old: rows and columns of tokens they are for.
        new: rows and columns of tokens wanted.
        resolution: `"expand"` or `"interpolate"`.
        origin: what the arrays are, for the message.

    Raises:
        ValueError: `"expand"` cannot lead from `old` to `new`.
    """
    if old == new:
        return arrays
    if resolution == "expand" and (new[0] % old[0] or new[1] % old[1]):
        raise ValueError(
            f"{origin} was trained on {old[0]}x{old[1]} tokens and this image has "
            f"{new[0]}x{new[1]}, not a whole number of times as many rows and columns. Pass a "
            'size that is a multiple, or `resolution="interpolate"`.'
        )
    rule = expand if resolution == "expand" else interpolate
    tokens = {"tokens": new[0] * new[1]}
    wider = new[0] * new[1] // (old[0] * old[1]) if resolution == "expand" else 1

    def change(name, array):
        match = _TOKEN_MIXING.fullmatch(name)
        if not match or len(array.shape) != len(_AXES[match[1]]):
            return array
        sizes = dict(zip(_AXES[match[1]], array.shape, strict=True))
        if sizes.get("tokens", old[0] * old[1]) != old[0] * old[1]:
            return array
        shape = (tokens.get(axis, wider * size) for axis, size in sizes.items())
        return array.map(lambda values: rule(match[1], values, old, new), shape)

    return {name: change(name, array) for name, array in arrays.items()}


def expand(part: str, array: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """The paper's rule (appendix C): every tile of the image has its own copy of the token MLP.

    The larger grid is cut into K tiles of the old one; the kernels become block-diagonal with rows
    and columns permuted to raster order, the biases are repeated. The model's logits then equal
    the mean of the old model's logits over the tiles.

    Args:
        part: `"dense_0/kernel"` (S, D), `"dense_0/bias"` (D,), `"dense_1/kernel"` (D, S) or
            `"dense_1/bias"` (S,).
        array: that part of the MLP.
        old: rows and columns of the S tokens.
        new: rows and columns of the K * S tokens.

    Returns:
        The part with K * S tokens and K * D hidden units.
    """
    (rows, columns), (tall, wide) = old, (new[0] // old[0], new[1] // old[1])
    tiles = tall * wide
    if part == "dense_0/bias":
        return np.tile(array, tiles)
    if part == "dense_1/bias":
        return np.tile(array.reshape(rows, columns), (tall, wide)).ravel()
    kernel = array if part == "dense_0/kernel" else array.T
    hidden = kernel.shape[1]
    blocks = np.zeros((tall, rows, wide, columns, tiles, hidden), kernel.dtype)
    for tile in range(tiles):
        blocks[tile // wide, :, tile % wide, :, tile] = kernel.reshape(rows, columns, hidden)
    blocks = blocks.reshape(tiles * rows * columns, tiles * hidden)
    return blocks if part == "dense_0/kernel" else blocks.T


def interpolate(part: str, array: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """Resamples each token-mixing unit, taken as a picture on the grid of tokens.

    The new MLP is: bring the tokens to the old grid, apply the old MLP, bring its output to the
    new grid, each with antialiased linear interpolation. So the hidden width stays, and every unit
    answers tokens that are all alike as it did before.

    Args:
        part: as in `expand`.
        array: that part of the MLP.
        old: rows and columns of the S tokens.
        new: rows and columns of S' tokens.

    Returns:
        The part with S' tokens.
    """
    if part == "dense_0/bias":
        return array
    source, target = (new, old) if part == "dense_0/kernel" else (old, new)
    resample = np.kron(
        _linear_interpolation(source[0], target[0]), _linear_interpolation(source[1], target[1])
    )
    if part == "dense_0/kernel":
        changed = resample.T @ array
    elif part == "dense_1/kernel":
        changed = array @ resample.T
    else:
        changed = resample @ array
    return changed.astype(array.dtype)


def _linear_interpolation(source: int, target: int) -> np.ndarray:
    """The `(target, source)` matrix of antialiased linear interpolation; its rows sum to one."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(centres[:, None] - np.arange(source))
    weights = np.maximum(0.0, 1.0 - distance / max(scale, 1.0))
    return weights / weights.sum(axis=1, keepdims=True)
