"""Bringing token-mixing weights to another grid of tokens. Pure NumPy."""

import dataclasses
import math

import numpy as np

from keras_mixer.specs import MixerSpec
from keras_mixer.weights.formats import Weights

RESOLUTIONS = ("expand", "interpolate")
Grid = tuple[int, int]
Mlp = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


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
            `"expand"`, or the weights' own grid cannot be told.
    """
    kernel = weights.arrays.get("mixer_block_0/token_mixing/dense_0/kernel")
    if kernel is None or kernel.ndim != 2:
        return weights, spec  # The strict assignment says what is wrong.
    new = spec.grid(image_size)
    old = weights.grid or _infer_grid(len(kernel), spec, new, weights.origin)
    arrays = dict(weights.arrays)
    if old != new:
        expand = resolution == "expand"
        if expand and (new[0] % old[0] or new[1] % old[1]):
            raise ValueError(
                f"{weights.origin} was trained on {old[0]}x{old[1]} tokens and this image has "
                f"{new[0]}x{new[1]}, not a whole number of times as many rows and columns. Pass "
                "an `input_shape` that is a multiple, or "
                '`resolution="interpolate"`.'
            )
        change = expand_mlp if expand else interpolate_mlp
        for i in range(spec.num_layers):
            names = [
                f"mixer_block_{i}/token_mixing/dense_{j}/{leaf}"
                for j in (0, 1)
                for leaf in ("kernel", "bias")
            ]
            if all(name in arrays for name in names):
                k0, b0, k1, b1 = (arrays[name] for name in names)
                mlp = change((k0, b0, k1, b1), old, new)
                arrays.update(zip(names, mlp, strict=True))
    if new != spec.grid():
        width = arrays["mixer_block_0/token_mixing/dense_0/kernel"].shape[1]
        spec = dataclasses.replace(spec, tokens_mlp_dim=width)
    return dataclasses.replace(weights, arrays=arrays, grid=new), spec


def _infer_grid(tokens: int, spec: MixerSpec, new: Grid, origin: str) -> Grid:
    """The grid behind a number of tokens, where a file does not say."""
    for grid in (new, spec.grid(), (math.isqrt(tokens),) * 2):
        if grid[0] * grid[1] == tokens:
            return grid
    raise ValueError(
        f"{origin} was trained on {tokens} tokens, but does not say on how many rows and columns. "
        "Build the model at its own size, or load its `.keras` file."
    )


def expand_mlp(mlp: Mlp, old: Grid, new: Grid) -> Mlp:
    """The paper's rule (appendix C): every tile of the image has its own copy of the token MLP.

    The larger grid is cut into tiles of the old one; the kernels become block-diagonal with rows
    and columns permuted to raster order, the biases are repeated. On K tiles the model's logits
    equal the mean of the old model's logits over the tiles.

    Args:
        mlp: `(kernel_0 (S, D), bias_0 (D,), kernel_1 (D, S), bias_1 (S,))`.
        old: rows and columns of S tokens.
        new: rows and columns of K * S tokens.

    Returns:
        The same with K * S tokens and a hidden width of K * D.
    """
    kernel_0, bias_0, kernel_1, bias_1 = mlp
    (rows, columns), (tall, wide) = old, (new[0] // old[0], new[1] // old[1])
    tiles, hidden = tall * wide, len(bias_0)

    def block_diagonal(kernel):
        blocks = np.zeros((tall, rows, wide, columns, tiles, hidden), kernel.dtype)
        kernel = kernel.reshape(rows, columns, hidden)
        for tile in range(tiles):
            blocks[tile // wide, :, tile % wide, :, tile] = kernel
        return blocks.reshape(tiles * rows * columns, tiles * hidden)

    return (
        block_diagonal(kernel_0),
        np.tile(bias_0, tiles),
        block_diagonal(kernel_1.T).T,
        np.tile(bias_1.reshape(rows, columns), (tall, wide)).ravel(),
    )


def interpolate_mlp(mlp: Mlp, old: Grid, new: Grid) -> Mlp:
    """Resamples each token-mixing unit, taken as a picture on the grid of tokens.

    The new MLP is: bring the tokens to the old grid, apply the old MLP, bring its output to the
    new grid, each with antialiased linear interpolation. The response to a constant image is
    therefore unchanged, and so is the hidden width.

    Args:
        mlp: `(kernel_0 (S, D), bias_0 (D,), kernel_1 (D, S), bias_1 (S,))`.
        old: rows and columns of S tokens.
        new: rows and columns of S' tokens.

    Returns:
        The same with S' tokens.
    """
    kernel_0, bias_0, kernel_1, bias_1 = mlp

    def resample(source, target):
        return np.kron(
            _linear_interpolation(source[0], target[0]),
            _linear_interpolation(source[1], target[1]),
        )

    to_old, to_new = resample(new, old), resample(old, new)
    changed = (to_old.T @ kernel_0, bias_0, kernel_1 @ to_new.T, to_new @ bias_1)
    return tuple(a.astype(b.dtype) for a, b in zip(changed, mlp, strict=True))


def _linear_interpolation(source: int, target: int) -> np.ndarray:
    """The `(target, source)` matrix of antialiased linear interpolation; its rows sum to one."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(centres[:, None] - np.arange(source))
    weights = np.maximum(0.0, 1.0 - distance / max(scale, 1.0))
    return weights / weights.sum(axis=1, keepdims=True)
