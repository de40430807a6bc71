"""A small model, alone and behind a server."""

import numpy as np
import pytest
from served import LABELS, build, encoded, served

import keras_mixer
from keras_mixer import serving


@pytest.fixture(scope="session")
def model():
    """One that no server runs: a model is for one thread at a time."""
    return build()


@pytest.fixture(scope="session")
def own_model():
    """The same one for the servers, which run it in turn: compiled once."""
    return build()


@pytest.fixture
def classifier(own_model):
    return serving.Classifier(own_model, LABELS, crop="resize_crop")


@pytest.fixture
def picture(rng):
    """Makes files of noise, each another one."""
    return lambda: encoded(rng.integers(0, 256, (20, 30, 3), dtype="uint8"))


@pytest.fixture
def alone(model):
    """What the model says of each of some pictures, without a server."""

    def predict(pictures):
        names = [str(i) for i in range(len(pictures))]
        split = keras_mixer.data.Split(pictures, np.zeros(len(pictures), int), names)
        return keras_mixer.evaluation.predict(model, split, crop="resize_crop", verbose=0)

    return predict


@pytest.fixture(scope="module")
def client():
    """Of a server with small limits."""
    classifier = serving.Classifier(build(), LABELS, crop="resize_crop")
    limits = {"max_bytes": 200_000, "max_pixels": 1_000_000, "max_batch": 8}
    with served(classifier, **limits) as one:
        yield one
