"""The comparison, on functions whose error is known."""

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import data, export

pytestmark = pytest.mark.once


@pytest.fixture
def model(tiny, randomize):
    return randomize(keras_mixer.Mixer(tiny, weights=None, classes=10, classifier_activation=None))


@pytest.fixture
def split(rng):
    images = rng.integers(0, 256, (200, 8, 12, 3), dtype="uint8")
    return data.from_arrays((images, np.arange(200) % 10)).train.subset(range(64))


def scores_of(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False)).copy()


def compare(model, run, split, **how):
    return export.compare(model, run, split, crop="resize", **how)


def test_the_model_itself(model, split):
    found = compare(model, lambda x: scores_of(model, x), split)
    assert found.images == len(split)
    assert found.difference < 1e-5
    assert found.agreement == 1
    assert found.top_1 == found.keras_top_1
    assert found.seconds > 0
    assert found.problem() is None
    assert found.problem("int8") is None


def test_a_known_error(model, split):
    """A tenth of the largest logit, on one score of one image; and on a batch of three alone."""
    largest = np.abs(scores_of(model, compare_images(split))).max()
    for guilty in (lambda x: True, lambda x: len(x) == 3):

        def run(x, guilty=guilty):
            scores = scores_of(model, x)
            if guilty(x):
                scores[0, 0] += largest / 10
            return scores

        found = compare(model, run, split)
        assert found.difference == pytest.approx(0.1 * largest / max(1, largest), rel=1e-3)
        assert "differs by" in found.problem()
        assert found.problem(tolerance=0.2) is None or found.agreement < 1


def compare_images(split):
    pixels = np.stack([split.image(i) for i in range(len(split))])
    return keras_mixer.preprocess_input(pixels)


def test_another_class_is_a_problem(model, split):
    """Whatever the tolerance."""

    def run(x):
        scores = scores_of(model, x)
        return np.where(np.arange(10) == scores.argmin(axis=1)[:, None], scores.max() + 1, scores)

    found = compare(model, run, split)
    assert found.agreement == 0
    assert "names the same class for 0.00%" in found.problem(tolerance=1e9)
    assert "0.00%" in compare(model, run, split, labelled=False).problem("int8")


def test_what_is_not_a_number_is_a_problem(model, split):
    found = compare(model, lambda x: scores_of(model, x) * np.nan, split)
    assert "differs by nan" in found.problem()


def test_scores_of_another_shape(model, split):
    with pytest.raises(export.MismatchError, match="scores of shape"):
        compare(model, lambda x: scores_of(model, x)[:, :9], split)


def test_pixels_reach_the_file_as_they_were(model, split):
    """uint8, to the last bit."""
    seen = []

    def run(x):
        assert x.dtype == "uint8"
        seen.append(x)
        scores = scores_of(model, keras_mixer.preprocess_input(x))
        return keras.ops.convert_to_numpy(keras.ops.softmax(scores))

    found = compare(model, run, split, preprocessing=True)
    assert found.problem() is None
    pixels = np.stack([split.image(i) for i in range(len(split))])
    np.testing.assert_array_equal(np.concatenate(seen)[: len(split)], pixels)
