"""Batches are functions of their number, and every image is seen."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, preprocess_input
from keras_mixer.data import EvaluationBatches, Split, TrainingBatches
from keras_mixer.data.pipeline import image_size


@pytest.fixture
def split():
    """23 flat pictures; the value of each is ten times its number."""
    pictures = [np.full((8, 12, 3), 10 * i, "uint8") for i in range(23)]
    return Split(pictures, np.arange(23) % 4, [str(i) for i in range(23)])


def numbers(x):
    """Which pictures are in a batch."""
    return np.rint((x[:, 4, 6, 0] + 1) * 12.75).astype(int).tolist()


def training(split, **kwargs):
    return TrainingBatches(split, 4, (8, 12), 5, **{"steps": 40, **kwargs})


def test_each_pass_sees_every_image_once_in_a_new_order(split):
    batches = training(split)
    assert len(batches) == 40
    order = [n for i in range(40) for n in numbers(batches[i][0])]
    passes = [order[23 * e : 23 * (e + 1)] for e in range(8)]
    assert all(sorted(one) == list(range(23)) for one in passes)
    assert len({tuple(one) for one in passes}) == 8


def test_contents_of_a_batch(split):
    x, y = training(split)[3]
    assert x.dtype == y.dtype == np.float32
    assert x.shape == (5, 8, 12, 3)
    assert y.shape == (5, 4)
    assert (y.argmax(1) == np.array(numbers(x)) % 4).all()
    assert (y.sum(1) == 1).all()
    np.testing.assert_array_equal(x[0], preprocess_input(split.image(numbers(x)[0])))


def test_a_batch_depends_on_seed_and_number_alone(split, rng):
    split = Split(
        [rng.integers(0, 256, (9, 9, 3), dtype="uint8") for _ in range(23)],
        split.labels,
        split.names,
    )
    forward = [training(split, seed=7)[i][0] for i in range(12)]
    again = training(split, seed=7)
    for i in (11, 3, 0, 7):  # in any order, from any step
        np.testing.assert_array_equal(again[i][0], forward[i])
    assert not np.array_equal(training(split, seed=8)[0][0], forward[0])


def test_half_of_the_images_are_mirrored():
    ramp = np.tile(np.arange(12, dtype="uint8")[:, None], (8, 1, 3))
    split = Split([ramp] * 500, np.zeros(500, int), ["ramp"] * 500)

    def mirrored(flip):
        x = TrainingBatches(split, 4, (8, 12), 500, steps=1, flip=flip)[0][0]
        return int((x[:, 0, 0, 0] > x[:, 0, -1, 0]).sum())

    assert mirrored(False) == 0
    assert 194 < mirrored(True) < 306  # 250, five standard deviations of 11.2


def test_evaluation_counts_every_image_once_in_order(split):
    batches = EvaluationBatches(split, 4, (8, 12), 5, crop="resize")
    assert len(batches) == 5
    assert [len(batches[i][0]) for i in range(5)] == [5, 5, 5, 5, 3]
    assert [n for i in range(5) for n in numbers(batches[i][0])] == list(range(23))


def test_fit_takes_the_batches_in_their_order_on_this_backend(split, tiny):
    """Across epochs and through the batches that `fit` peeks at while building."""
    seen = []

    class Watched(TrainingBatches):
        def __getitem__(self, i):
            batch = super().__getitem__(i)
            seen.append(i)
            return batch

    batches = Watched(split, 4, (8, 12), 5, steps=12)
    model = Mixer(tiny, weights=None, classes=4)
    model.compile("sgd", "categorical_crossentropy")
    model.fit(batches, epochs=3, steps_per_epoch=4, shuffle=False, verbose=0)
    assert seen[-12:] == list(range(12))


def test_channels_first(split):
    keras.config.set_image_data_format("channels_first")
    assert training(split)[0][0].shape == (5, 3, 8, 12)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"crop": "middle"}, "`crop` must be one of random_crop, affine. Received: 'middle'"),
        ({"split": Split([], np.zeros(0, int), [])}, "There are no images"),
    ],
)
def test_bad_arguments(split, kwargs, message):
    with pytest.raises(ValueError, match=message):
        training(**{"split": split, **kwargs})


def test_image_size(tiny):
    assert image_size(Mixer(tiny, weights=None)) == (8, 12)
    for shape in ((8, 12, 1), (8, 12, 4)):
        with pytest.raises(ValueError, match="the pictures here are RGB"):
            image_size(Mixer(tiny, weights=None, input_shape=shape))
