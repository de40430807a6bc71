"""Whether draws are as likely as they should be. Each bound is five standard deviations."""

import numpy as np


def even(counts):
    """Whether each of some outcomes came as often as the others, by chi-square.

    Its mean is the degrees of freedom, its variance twice as much.
    """
    counts = np.asarray(counts, "float64")
    expected = counts.sum() / counts.size
    assert expected >= 5, "too few draws to tell"
    freedom = counts.size - 1
    return ((counts - expected) ** 2 / expected).sum() < freedom + 5 * np.sqrt(2 * freedom)


def half(heads, draws):
    """Whether a fair coin may have fallen so."""
    return abs(heads - draws / 2) < 5 * np.sqrt(draws) / 2


def same_mean(one, other):
    """Whether two samples may be of one distribution, by their means."""
    one, other = np.asarray(one, "float64"), np.asarray(other, "float64")
    deviation = np.sqrt(one.var() / len(one) + other.var() / len(other))
    return abs(one.mean() - other.mean()) < 5 * deviation


def numbered(outcomes, axes):
    """Each outcome as a number: equal arrays along all but the first `axes` axes get the same."""
    shape = outcomes.shape[:axes]
    flat = np.ascontiguousarray(outcomes).reshape(int(np.prod(shape)), -1)
    return np.unique(flat, axis=0, return_inverse=True)[1].reshape(shape)


def independent(numbers, axis):
    """Whether neighbours along an axis are equal as often as two draws of their frequencies."""
    numbers = np.moveaxis(np.asarray(numbers), axis, 0)
    equal = numbers[1:] == numbers[:-1]
    _, counts = np.unique(numbers, return_counts=True)
    chance = ((counts / numbers.size) ** 2).sum()
    assert chance < 0.9, "hardly anything is drawn"
    spread = np.sqrt(equal.size * chance * (1 - chance))
    return abs(equal.sum() - equal.size * chance) < 5 * spread + 1
