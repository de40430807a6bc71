"""Rows that fill up the last batch for several devices change no figure."""

import numpy as np
import pytest

from keras_mixer import Mixer, data, evaluation
from keras_mixer.data import EvaluationBatches
from keras_mixer.distribution.place import Distribution
from keras_mixer.evaluation import predictions
from keras_mixer.training import Recipe, linear_probe
from keras_mixer.training.losses import Top1, make_loss

IMAGES = 23  # In batches of eight the last one has seven.


@pytest.fixture
def pictures(rng):
    images = rng.integers(0, 256, (IMAGES, 8, 12, 3), dtype="uint8")
    labels = np.array([0, 1, 2, 0, 1] * 5)[:IMAGES]
    return data.from_arrays((images, labels), (images, labels))


@pytest.fixture
def model(tiny, randomize):
    return randomize(Mixer(tiny, weights=None, classes=3, classifier_activation=None))


@pytest.fixture(params=[2, 4, 8])
def cut_in_parts(request, monkeypatch):
    """As on so many devices."""

    def cut():
        for module in (predictions, linear_probe):
            monkeypatch.setattr(module, "current", lambda: Distribution(replicas=request.param))

    return cut


@pytest.mark.parametrize("batch_size", [5, 8])
def test_predictions(model, pictures, batch_size, cut_in_parts):
    how = {"crop": "resize", "batch_size": batch_size, "verbose": 0}
    expected = evaluation.predict(model, pictures.test, **how)
    cut_in_parts()
    found = evaluation.predict(model, pictures.test, **how)
    assert found.shape == (IMAGES, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_head_from_linear_regression(model, pictures, cut_in_parts):
    def head():
        linear_probe.start_from_linear_probe(model, pictures, crop="resize", batch_size=8)
        return [np.array(weight) for weight in model.get_layer("head").get_weights()]

    expected = head()
    cut_in_parts()
    for one, other in zip(head(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_figures_of_a_round(model, pictures, loss):
    """What `fit` says of the validation set is what is computed of its images."""
    recipe = Recipe("mine", "a test", loss=loss)
    model.compile(loss=make_loss(recipe), weighted_metrics=[], metrics=[Top1(name="top_1")])

    def figures(parts):
        batches = EvaluationBatches(pictures.test, 3, (8, 12), 8, crop="resize", parts=parts)
        return model.evaluate(batches, return_dict=True, verbose=0)

    whole = figures(1)
    scores = evaluation.predict(model, pictures.test, crop="resize", verbose=0)
    right = (scores.argmax(axis=1) == pictures.test.labels).mean()
    assert 0 < right < 1
    assert whole["top_1"] == pytest.approx(right)
    for parts in (2, 4, 8):
        assert figures(parts) == pytest.approx(whole, rel=1e-5)
