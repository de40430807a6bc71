"""The order in which units are looked at: from coarse to fine, each beside its inverse."""

import numpy as np


def mean_frequency(units) -> np.ndarray:
    """How fine the pattern of each unit is.

    The mean of the spatial frequency over the unit's two-dimensional discrete Fourier transform,
    weighted with its power; a frequency is the length of (down, across), each within [-1/2, 1/2]
    cycles a token. The mean weight of a unit counts too, with frequency 0.

    Args:
        units: weights `(units, rows, columns)`.

    Returns:
        `(units,)`, in cycles a token: 0 for a constant unit, one of zeros among them; at most
        `sqrt(1/2)`, for a chessboard.

    Raises:
        ValueError: `units` has another number of axes.
    """
    units = np.asarray(units, "float64")
    if units.ndim != 3:
        raise ValueError(
            f"`units` must be (units, rows, columns). Received an array of shape {units.shape}"
        )
    down, across = (np.fft.fftfreq(side) for side in units.shape[1:])
    power = np.abs(np.fft.fft2(units)) ** 2
    weighted = (power * np.hypot(down[:, None], across)).sum(axis=(1, 2))
    total = power.sum(axis=(1, 2))
    return np.divide(weighted, total, out=np.zeros(len(units)), where=total > 0)


def sort_units(units) -> np.ndarray:
    """The order of the paper's pictures: low frequency first, each followed by its inverse.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 3.5, Figure 5. The paper does not say how
    it measures either; here it is done greedily: the unit of the lowest `mean_frequency` that has
    no place yet, then the one among the rest whose weights have the least cosine with its own,
    that is, come nearest to its own with the opposite sign. Of equals the first one goes first.

    Args:
        units: weights `(units, rows, columns)`.

    Returns:
        The indices of the units in that order, `(units,)`.

    Raises:
        ValueError: `units` has another number of axes.
    """
    coarse_to_fine = np.argsort(mean_frequency(units), kind="stable")
    vectors = np.asarray(units, "float64").reshape(len(coarse_to_fine), -1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    left = np.ones(len(vectors), bool)
    order = []
    for unit in coarse_to_fine:
        if not left[unit]:
            continue
        left[unit] = False
        order.append(unit)
        if left.any():
            inverse = np.argmin(np.where(left, vectors @ vectors[unit], np.inf))
            left[inverse] = False
            order.append(inverse)
    return np.array(order, int)
