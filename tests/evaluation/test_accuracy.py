"""Accuracy against scikit-learn, on more images than whole batches hold."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from keras_mixer import Mixer, evaluation, preprocess_input
from keras_mixer.data import Split


@pytest.fixture
def split(rng):
    pictures = [rng.integers(0, 256, (8, 12, 3), dtype="uint8") for _ in range(23)]
    return Split(pictures, rng.integers(0, 7, 23), [str(i) for i in range(23)])


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_evaluate(split, tiny, randomize, activation):
    model = randomize(Mixer(tiny, weights=None, classes=8, classifier_activation=activation))
    result = evaluation.evaluate(model, split, crop="resize", batch_size=5, verbose=0)
    scores = model.predict(preprocess_input(np.stack(split.pictures)), verbose=0).astype("float64")
    if activation is None:
        scores = np.exp(scores)
    scores /= scores.sum(1, keepdims=True)
    labels = list(range(8))
    assert result.images == 23
    assert result.top_1 == pytest.approx(metrics.accuracy_score(split.labels, scores.argmax(1)))
    assert result.top_5 == pytest.approx(
        metrics.top_k_accuracy_score(split.labels, scores, k=5, labels=labels)
    )
    assert result.loss == pytest.approx(
        metrics.log_loss(split.labels, scores, labels=labels), rel=1e-4
    )
    for label in labels:
        own = split.labels == label
        if own.any():
            expected = (scores[own].argmax(1) == label).mean()
            assert result.per_class[label] == pytest.approx(expected)
        else:
            assert np.isnan(result.per_class[label])


def test_constant_scores_earn_nothing(split, tiny):
    result = evaluation.evaluate(
        Mixer(tiny, weights=None, classes=8), split, crop="resize", verbose=0
    )
    assert (result.top_1, result.top_5) == (0.0, 0.0)
    assert result.loss == pytest.approx(np.log(8))


def test_any_keras_model(split):
    inputs = keras.Input((8, 12, 3))
    outputs = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(inputs))
    result = evaluation.evaluate(keras.Model(inputs, outputs), split, crop="resize", verbose=0)
    assert result.images == 23


def test_more_labels_than_classes(split, tiny):
    with pytest.raises(ValueError, match=r"A label is 6 and tiny has 3 classes"):
        evaluation.evaluate(Mixer(tiny, weights=None, classes=3), split, verbose=0)


def test_up_to_five_classes_have_no_top_5(split, tiny):
    split = Split(split.pictures, split.labels % 5, split.names)
    assert evaluation.evaluate(Mixer(tiny, weights=None, classes=5), split, verbose=0).top_5 is None
