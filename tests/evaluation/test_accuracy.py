"""Accuracy against scikit-learn, on more images than whole batches hold."""

import keras
import numpy as np
import pytest
from runs.judged import judged
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
    expected = metrics.confusion_matrix(split.labels, scores.argmax(1), labels=labels)
    np.testing.assert_array_equal(result.confusion, expected)
    np.testing.assert_array_equal(result.predicted, scores.argmax(1))
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


def test_a_tie_counts_as_wrong():
    """In each figure; and what is not a number earns nothing."""
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.4, 0.6], [np.nan, np.nan]])
    labels = np.array([0, 1, 1, 0])
    assert evaluation.predicted_classes(probabilities, labels).tolist() == [1, 0, 1, 1]
    result = evaluation.score(probabilities, labels)
    assert result.top_1 == 1 / 4
    assert result.confusion.tolist() == [[0, 2], [1, 1]]
    assert np.isnan(result.calibration.error)


def test_not_a_number_is_not_among_the_five_highest():
    probabilities = np.full((2, 6), 1 / 6)
    probabilities[:, 0] = [np.nan, 1]
    assert evaluation.score(probabilities, np.array([0, 0])).top_5 == 0.5
    assert evaluation.score(probabilities, np.array([1, 0])).top_1 == 0.5


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("classes", [3, 7, 200])
def test_score_is_sklearns(rng, classes, kind):
    _, probabilities = judged(rng, classes, 500, skill=1.0)
    probabilities = probabilities.astype(kind)
    labels = rng.integers(0, classes, 500)
    every = np.arange(classes)
    result = evaluation.score(probabilities, labels)
    guess = probabilities.argmax(1)
    assert result.top_1 == pytest.approx(metrics.accuracy_score(labels, guess))
    normal = probabilities / probabilities.sum(1, keepdims=True)  # As scikit-learn wants them.
    assert result.loss == pytest.approx(metrics.log_loss(labels, normal, labels=every), rel=1e-6)
    matrix = metrics.confusion_matrix(labels, guess, labels=every)
    np.testing.assert_array_equal(result.confusion, matrix)
    if classes > 5:
        top_5 = metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every)
        assert result.top_5 == pytest.approx(top_5)


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
