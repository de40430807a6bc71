"""What a model gives: logits or probabilities."""

import keras
import numpy as np
import pytest

from keras_mixer.training.losses import gives_logits

layers = keras.layers


def of(*tail):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), *tail])


def ensemble(activation):
    inputs = keras.Input((4,))
    parts = [keras.Sequential([keras.Input((4,)), layers.Dense(3, activation)]) for _ in range(2)]
    return keras.Model(inputs, layers.Average()([part(inputs) for part in parts]))


@pytest.mark.parametrize(
    ("make", "logits"),
    [
        (lambda: of(), True),
        (lambda: of(layers.Dense(3, "linear")), True),
        (lambda: of(layers.Activation("linear", dtype="float32")), True),
        (lambda: of(layers.Dropout(0.5)), True),
        (lambda: keras.Sequential([keras.Input((4,)), of()]), True),
        (lambda: ensemble(None), True),
        (lambda: keras.Sequential([layers.Dense(3)]), True),  # Not built yet.
        (lambda: keras.Sequential([keras.Sequential([layers.Dense(3)])]), True),
        (lambda: keras.Sequential([layers.Dense(3, "softmax")]), False),
        (lambda: keras.Sequential([layers.Dense(3), keras.Sequential([layers.Softmax()])]), False),
        (lambda: of(layers.Dense(3, "softmax")), False),
        (lambda: of(layers.Activation("softmax")), False),
        (lambda: of(layers.Softmax()), False),
        (lambda: of(layers.Softmax(), layers.Activation("linear", dtype="float32")), False),
        (lambda: of(layers.Softmax(), layers.Reshape((3,)), layers.Dropout(0.5)), False),
        (lambda: keras.Sequential([keras.Input((4,)), of(layers.Softmax())]), False),
        (lambda: ensemble("softmax"), False),
    ],
)
def test_logits_and_probabilities_are_told_apart(make, logits):
    model = make()
    assert gives_logits(model) is logits
    scores = model.predict(np.random.default_rng(0).normal(0, 5, (8, 4)), verbose=0)
    shares = np.allclose(scores.sum(axis=-1), 1, atol=1e-5) and scores.min() >= 0
    assert bool(shares) is not logits  # As the numbers are.
