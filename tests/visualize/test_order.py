"""Frequencies and the order of units, worked by hand and by a Fourier sum written out."""

import cmath
import math

import numpy as np
import pytest

from keras_mixer.visualize import mean_frequency, sort_units

pytestmark = pytest.mark.once

ROWS, COLUMNS = 6, 10
Y, X = np.indices((ROWS, COLUMNS))


def wave(down, across, phase=0.0):
    """A cosine of so many periods over the grid."""
    return np.cos(2 * np.pi * (down * Y / ROWS + across * X / COLUMNS) + phase)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (np.full((ROWS, COLUMNS), -3.0), 0),
        (np.zeros((ROWS, COLUMNS)), 0),
        (wave(1, 0, 0.3), 1 / 6),
        (wave(0, 4, 1.0), 4 / 10),
        (wave(0, 6), 4 / 10),  # Beyond half a cycle a token a wave looks like a longer one.
        (wave(2, 3, 0.5), math.hypot(2 / 6, 3 / 10)),
        (wave(3, 5), math.sqrt(1 / 2)),
        # A cosine of amplitude a has the power of a mean of a / sqrt(2).
        (math.sqrt(1 / 2) + wave(1, 0), 1 / 12),
    ],
)
def test_the_frequency_of_waves(unit, expected):
    np.testing.assert_allclose(mean_frequency(unit[None]), [expected], atol=1e-12)


def test_the_frequency_is_that_of_a_fourier_sum(rng):
    units = rng.normal(size=(3, 4, 5))
    for unit, got in zip(units, mean_frequency(units), strict=True):
        total = weighted = 0.0
        for u in range(4):
            for v in range(5):
                value = sum(
                    unit[y, x] * cmath.exp(-2j * math.pi * (u * y / 4 + v * x / 5))
                    for y in range(4)
                    for x in range(5)
                )
                down, across = min(u, 4 - u) / 4, min(v, 5 - v) / 5
                total += abs(value) ** 2
                weighted += abs(value) ** 2 * math.hypot(down, across)
        assert got == pytest.approx(weighted / total, rel=1e-12)


def test_low_frequencies_come_first_each_with_its_inverse():
    units = np.array(
        [
            wave(2, 3),  # 0: finest
            -5 * wave(1, 0),  # 1: its inverse 4 comes later, and a length does not matter
            np.ones((ROWS, COLUMNS)),  # 2: coarsest
            -wave(2, 3),  # 3
            wave(1, 0),  # 4
            -np.ones((ROWS, COLUMNS)),  # 5
        ]
    )
    assert sort_units(units).tolist() == [2, 5, 1, 4, 0, 3]
    assert sort_units(units[:5]).tolist() == [2, 0, 1, 4, 3]


def test_an_inverse_is_nearest_in_angle():
    base = wave(1, 0)
    units = np.array([base, -base + 9 * wave(0, 3), -0.1 * base + 0.01 * wave(0, 3), base])
    assert sort_units(units).tolist() == [0, 2, 3, 1]


def test_of_equals_the_first_one_goes_first():
    assert sort_units(np.zeros((5, 3, 2))).tolist() == [0, 1, 2, 3, 4]


def test_every_unit_has_one_place(rng):
    units = rng.normal(size=(33, 5, 7))
    assert sorted(sort_units(units)) == list(range(33))


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match=r"must be \(units, rows, columns\).*\(4, 3\)"):
        sort_units(np.zeros((4, 3)))
