"""Batches are functions of their number, and every image is seen."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import keras_mixer
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
    return TrainingBatches(split, 4, (8, 12), **{"batch_size": 5, "steps": 40, **kwargs})


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
        (
            {"crop": "middle"},
            "`crop` must be one of resize, random_crop, inception_crop, affine. Received: 'middle'",
        ),
        ({"mixup": -0.1}, "`mixup` must be at least 0. Received: -0.1"),
        ({"cutmix": -1}, "`cutmix` must be at least 0. Received: -1"),
        ({"randaugment": (2, 31)}, "a magnitude from 0 to 30. Received: .2, 31."),
        ({"shard": (2, 2)}, "`shard` must be .number, count.*Received: .2, 2."),
        ({"shard": (0, 2)}, "`batch_size` = 5 a multiple of count"),
        ({"split": Split([], np.zeros(0, int), [])}, "There are no images"),
    ],
)
def test_bad_arguments(split, kwargs, message):
    with pytest.raises(ValueError, match=message):
        training(**{"split": split, **kwargs})


@pytest.mark.parametrize(
    ("batch_size", "parts", "shard"),
    [(5, 2, (0, 1)), (6, 2, (-1, 2)), (6, 2, (2, 2)), (6, 2, (0, 4)), (6, 3, (0, 2))],
)
def test_parts_that_do_not_divide_a_batch(split, batch_size, parts, shard):
    with pytest.raises(ValueError, match=rf"`batch_size` = {batch_size} .* `parts` = {parts}"):
        EvaluationBatches(split, 4, (8, 12), batch_size, parts=parts, shard=shard)


def test_image_size(tiny):
    assert image_size(Mixer(tiny, weights=None)) == (8, 12)
    for shape in ((8, 12, 1), (8, 12, 4)):
        with pytest.raises(ValueError, match="the pictures here are RGB"):
            image_size(Mixer(tiny, weights=None, input_shape=shape))
    flat, image = keras.Input((3,)), keras.Input((None, 12, 3))
    for inputs in (image, flat, [keras.Input((8, 12, 3))] * 2):
        with pytest.raises(ValueError, match="with a known height and width"):
            image_size(keras.Model(inputs, inputs))


def everything(split, **kwargs):
    """Batches of six with every kind of randomness."""
    options = {"crop": "inception_crop", "randaugment": (2, 9), "mixup": 0.3, "cutmix": 1.0}
    return TrainingBatches(split, 4, (8, 12), 6, **{"steps": 40, "seed": 5, **options, **kwargs})


@pytest.fixture
def noise(rng):
    pictures = [rng.integers(0, 256, (30, 20, 3), dtype="uint8") for _ in range(23)]
    return Split(pictures, np.arange(23) % 4, [str(i) for i in range(23)])


def test_everything_random_depends_on_seed_and_number_alone(noise):
    forward = [everything(noise)[i] for i in range(12)]
    again = everything(noise)
    for i in (11, 3, 0, 7):
        for one, other in zip(again[i], forward[i], strict=True):
            np.testing.assert_array_equal(one, other)
    x, y = everything(noise, seed=6)[0]
    assert not np.array_equal(x, forward[0][0])
    assert not np.array_equal(y, forward[0][1])


def test_parts_of_hosts_are_the_batch_of_one(noise):
    whole = everything(noise)
    parts = [everything(noise, shard=(number, 3)) for number in range(3)]
    for i in (0, 5):
        for kind in (0, 1):
            together = np.concatenate([part[i][kind] for part in parts])
            np.testing.assert_array_equal(together, whole[i][kind])


def test_mixing_pairs_each_image_with_the_one_before_it(noise):
    plain = training(noise, batch_size=6, flip=False)
    mixed = training(noise, batch_size=6, flip=False, mixup=1.0)
    (x, y), (x_mixed, y_mixed) = plain[2], mixed[2]
    weight = y_mixed[y > 0].max()  # Where the two have one class, it is 1.
    weight = min(w for w in y_mixed.max(1)) if weight == 1 else y_mixed[y > 0].min()
    np.testing.assert_allclose(y_mixed, weight * y + (1 - weight) * np.roll(y, 1, 0), atol=1e-6)
    np.testing.assert_allclose(x_mixed, weight * x + (1 - weight) * np.roll(x, 1, 0), atol=1e-6)
    assert 0.5 <= weight < 1


def test_interpolation_follows_the_weights(rng):
    picture = rng.integers(0, 256, (90, 70, 3), dtype="uint8")
    split = Split([picture], np.zeros(1, int), ["picture"])

    def image(weights):
        return EvaluationBatches(split, 4, (8, 12), 1, crop="resize", weights=weights)[0][0]

    record = keras_mixer.weights.find("imagenet", "mixer_b16")
    bicubic, aliased = (
        dataclasses.replace(record, **change)
        for change in ({"interpolation": "bicubic"}, {"antialias": False})
    )
    np.testing.assert_array_equal(image(record), image(None))
    assert record.antialias
    for other in (bicubic, aliased):
        assert np.abs(image(other) - image(record)).max() > 0.01  # more than one grey level


def test_a_bad_picture_stops_the_training_by_name(noise, tiny, tmp_path):
    """Whatever thread or framework it is that reads."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    split = Split([*noise.pictures[:9], str(bad)], noise.labels[:10], [*noise.names[:9], str(bad)])
    model = Mixer(tiny, weights=None, classes=4)
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(Exception, match=r"Cannot read .*bad.jpg: not a picture"):
        model.fit(training(split), steps_per_epoch=8, epochs=5, shuffle=False, verbose=0)


def test_decoded_batches_in_memory_are_few(noise):
    """However slow the training is, no more is decoded than a few batches ahead."""
    started = []

    class Watched(TrainingBatches):
        def _picture(self, epoch, index):
            started.append(index)
            return super()._picture(epoch, index)

    batches = Watched(noise, 4, (8, 12), 5, steps=40)
    batches[0]
    time.sleep(0.3)
    assert len(started) == 15  # This one and two ahead.


def test_cached_pictures_are_the_same(image_folder):
    split = keras_mixer.data.load(image_folder).train
    cached = split.cached()
    assert all(isinstance(picture, np.ndarray) for picture in cached.pictures)
    assert cached.fingerprint() == split.fingerprint()
    for i in range(len(split)):
        np.testing.assert_array_equal(cached.image(i), split.image(i))


def test_two_readers_at_once_get_the_same_batches(noise):
    """As when a framework restarts its iterator while the old one still runs."""
    batches, alone = everything(noise), everything(noise)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(batches.__getitem__, [0, 1, 2, 0, 3, 1, 4, 2, 0, 5, 5, 3] * 5))
    for number, (x, y) in zip([0, 1, 2, 0, 3, 1, 4, 2, 0, 5, 5, 3] * 5, found, strict=True):
        np.testing.assert_array_equal(x, alone[number][0])
        np.testing.assert_array_equal(y, alone[number][1])


def test_equal_parts_hold_every_image_once():
    """Seven images in batches of four, for two devices of each of two hosts."""
    pictures = [np.full((4, 4, 3), i, "uint8") for i in range(7)]
    split = Split(pictures, np.arange(7) % 3, [str(i) for i in range(7)])
    hosts = [
        EvaluationBatches(split, 3, (4, 4), 4, crop="resize", parts=4, shard=(number, 2))
        for number in range(2)
    ]
    x, y, weights = (
        np.concatenate([host[batch][i] for batch in range(2) for host in hosts]) for i in range(3)
    )
    assert [len(host[1][0]) for host in hosts] == [2, 2]
    np.testing.assert_array_equal(y.sum(axis=1), [1] * 7 + [0])
    np.testing.assert_array_equal(y[:7].argmax(axis=1), np.arange(7) % 3)
    np.testing.assert_allclose(weights, [8 / 7] * 7 + [0])
    np.testing.assert_array_equal(x[7], np.zeros((4, 4, 3)))
    # The mean of anything over all rows, so weighted, is that over the images.
    np.testing.assert_allclose((weights * np.arange(8)).mean(), np.arange(7).mean(), rtol=1e-6)
