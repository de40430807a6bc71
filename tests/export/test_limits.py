"""How far an exported file may be from its model: exactly so far, and the least bit further."""

import itertools

import numpy as np
import pytest

from keras_mixer import Mixer, data, export
from keras_mixer.export.check import INT8_LOSS, SIZES, TOLERANCE, Comparison


def comparison(images=100, difference=0.0, agreement=1.0, keras_top_1=None, top_1=None):
    return Comparison(images, difference, agreement, keras_top_1, top_1, 1.0, 1.0)


@pytest.mark.parametrize("tolerance", [TOLERANCE, 0.1, 0.0])
def test_the_tolerance_itself_is_allowed(tolerance):
    for difference in (0.0, tolerance, np.nextafter(tolerance, -1)):
        assert comparison(difference=difference).problem(tolerance=tolerance) is None
    for difference in (np.nextafter(tolerance, 1), np.nan, np.inf):
        assert "differs by" in comparison(difference=difference).problem(tolerance=tolerance)


def test_the_tolerance_by_itself():
    assert comparison(difference=1e-4).problem() is None
    assert comparison(difference=1.0001e-4).problem() is not None
    assert comparison(difference=1.0).problem("int8") is None  # Whose scores are others.


@pytest.mark.parametrize("images", [1, 64, 1000])
def test_every_image_must_be_of_the_same_class(images):
    agreement = (images - 1) / images
    assert comparison(images).problem() is None
    assert "names the same class for" in comparison(images, agreement=agreement).problem()


@pytest.mark.parametrize("images", [100, 200, 700, 1000, 2900, 50_000])
def test_a_hundredth_of_the_top_1_is_too_much_and_an_image_less_is_not(images):
    """Whatever the top-1 is: 0.29 - 0.28 is below 0.01 in floating point."""
    hundredth = round(INT8_LOSS * images)
    assert hundredth * 100 == images
    for right, (lost, allowed) in itertools.product(
        range(hundredth + 1, images + 1, max(1, images // 100)),
        ((-1, True), (0, True), (hundredth - 1, True), (hundredth, False), (hundredth + 1, False)),
    ):
        if right - lost > images:
            continue  # More than there are.
        shares = right / images, (right - lost) / images
        found = comparison(images, keras_top_1=shares[0], top_1=shares[1], agreement=0.0)
        assert (found.problem("int8") is None) == allowed, (right, lost)


@pytest.mark.parametrize("images", [100, 200, 700, 1000, 2900, 50_000])
def test_without_labels_the_same_of_the_agreement(images):
    hundredth = images // 100
    for lost, allowed in ((0, True), (hundredth - 1, True), (hundredth, False)):
        found = comparison(images, agreement=(images - lost) / images)
        assert (found.problem("int8") is None) == allowed


@pytest.mark.parametrize("count", [*SIZES, max(SIZES) - 1, max(SIZES) + 1])
def test_every_size_of_a_batch_that_there_are_images_for_is_tried(count, tiny, rng):
    images = rng.integers(0, 256, (40, 8, 12, 3), dtype="uint8")
    split = data.from_arrays((images, np.arange(40) % 2)).train.subset(range(count))
    model, seen = Mixer(tiny, weights=None, classes=2), []

    def run(x):
        seen.append(len(x))
        return np.full((len(x), 2), 0.5)

    export.compare(model, run, split, crop="resize", batch_size=count)
    expected = [count, *(size for size in SIZES if size <= count)]
    assert seen[: len(expected)] == expected
    assert set(seen[len(expected) :]) == {1}
