"""The bridge to tf.data, where TensorFlow is installed."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, data

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tests/cross covers the other backends"
)


def batches(steps=7):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (9, 13, 3), dtype="uint8") for _ in range(23)]
    split = data.Split(pictures, np.arange(23) % 4, [str(i) for i in range(23)])
    return data.TrainingBatches(split, 4, (8, 12), 5, steps=steps, mixup=0.3)


def test_the_same_batches_in_the_same_order():
    dataset = data.to_tf_data(batches())
    assert int(dataset.cardinality()) == 7
    assert dataset.element_spec[0].shape.as_list() == [None, 8, 12, 3]
    own = batches()
    for i, (x, y) in enumerate(dataset):
        np.testing.assert_array_equal(x.numpy(), own[i][0])
        np.testing.assert_array_equal(y.numpy(), own[i][1])
    assert i == 6


def test_fit_is_the_same_with_either(tiny):
    losses = []
    for convert in (lambda batches: batches, data.to_tf_data):
        keras.utils.set_random_seed(0)
        model = Mixer(tiny, weights=None, classes=4)
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        history = model.fit(convert(batches()), shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]
