"""Pictures as they come have the predictions of `predict`."""

import itertools
import os

import keras
import numpy as np
import pytest
from PIL import Image

from keras_mixer import Mixer, evaluation
from keras_mixer.data import Found, Split, Walk
from keras_mixer.evaluation import predict_stream


@pytest.fixture
def model(tiny, randomize):
    return randomize(Mixer(tiny, weights=None, classes=5))


def split_of(paths):
    return Split(paths, np.zeros(len(paths), int), paths)


@pytest.mark.parametrize(
    ("crop", "batch_size"), [("resize", 8), ("resize_crop", 20), ("resmall_crop", 64)]
)
def test_equal_to_predict(model, image_folder, crop, batch_size):
    """Whether the last batch is filled up, or whole, or the only one."""
    paths = [found.path for found in Walk([image_folder])]
    assert len(paths) == 20
    batches = list(predict_stream(model, Walk([image_folder]), crop=crop, batch_size=batch_size))
    assert [len(batch.files) for batch in batches] == [
        min(batch_size, 20 - i) for i in range(0, 20, batch_size)
    ]
    assert [found.path for batch in batches for found in batch.files] == paths
    expected = evaluation.predict(model, split_of(paths), crop=crop, batch_size=7, verbose=0)
    found = np.concatenate([batch.probabilities for batch in batches])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert {problem for batch in batches for problem in batch.problems} == {None}


def test_channels_first(tiny, randomize, image_folder):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no convolutions of channels first on CPUs")
    keras.config.set_image_data_format("channels_first")
    model = randomize(Mixer(tiny, weights=None, classes=5))
    paths = [found.path for found in Walk([image_folder])]
    (batch,) = predict_stream(model, Walk([image_folder]))
    expected = evaluation.predict(model, split_of(paths), verbose=0)
    np.testing.assert_allclose(batch.probabilities, expected, rtol=0, atol=1e-6)


def test_bad_pictures_keep_their_place(model, image_folder):
    content = (image_folder / "red" / "1.png").read_bytes()
    (image_folder / "red" / "cut.png").write_bytes(content[: len(content) // 2])
    (image_folder / "red" / "empty.jpg").write_bytes(b"")
    os.mkfifo(image_folder / "red" / "pipe.jpg")
    good, bad, seen = [], {}, []
    for batch in predict_stream(model, Walk([image_folder]), batch_size=4):
        for found, problem, scores in zip(
            batch.files, batch.problems, batch.probabilities, strict=True
        ):
            seen.append(found.path)
            if problem is None:
                good.append((found.path, scores))
            else:
                bad[os.path.basename(found.path)] = problem
                assert np.isnan(scores).all()
    assert seen == [found.path for found in Walk([image_folder])]
    assert bad == {
        "cut.png": "image file is truncated",
        "empty.jpg": "not a picture of a known format",
        "pipe.jpg": "not a regular file",
    }
    paths, scores = zip(*good, strict=True)
    expected = evaluation.predict(model, split_of(list(paths)), verbose=0)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)


def test_a_file_that_went_away_or_is_closed(model, image_folder):
    path = image_folder / "red" / "1.png"
    (batch,) = predict_stream(model, [Found(str(path) + "x"), Found(str(path))])
    assert batch.problems == ["no such file", None]


class Shapes(keras.layers.Layer):
    """Notes the shapes that it is called with: once for each that is compiled, or always."""

    seen: tuple = ()

    def call(self, x):
        self.seen = (*self.seen, tuple(x.shape))
        return x


def test_one_shape_is_computed(image_folder):
    """So nothing is compiled again, also going on with what is less than a batch."""
    for files, options, shape in (
        (Walk([image_folder]), {"batch_size": 8}, (8, 4, 4, 3)),
        (itertools.islice(Walk([image_folder]), 3), {"batch_size": 8}, (3, 4, 4, 3)),
        (
            itertools.islice(Walk([image_folder]), 3),
            {"batch_size": 8, "always_full": True},
            (8, 4, 4, 3),
        ),
    ):
        layer = Shapes()
        x = keras.Input((4, 4, 3))
        y = keras.layers.GlobalAveragePooling2D()(layer(x))
        model = keras.Model(x, y)
        layer.seen = ()
        list(predict_stream(model, files, **options))
        assert set(layer.seen) == {shape}


def test_numbers_that_are_not_finite(image_folder):
    x = keras.Input((4, 4, 3))
    y = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(x, keras.ops.log(y))  # Of what is in [-1, 1].
    Image.new("RGB", (4, 4), (255, 255, 255)).save(image_folder / "white.png")
    files = [Found(str(image_folder / name)) for name in ("white.png", "red/1.png")]
    (batch,) = predict_stream(model, files)
    assert batch.problems == [None, "the model gives numbers that are not finite"]
    np.testing.assert_allclose(batch.probabilities[0], 1 / 3, atol=1e-6)
    assert np.isnan(batch.probabilities[1]).all()


def test_files_are_taken_as_they_are_needed(model, image_folder):
    """A few batches ahead of an endless stream, and no more."""
    taken = []

    def endless():
        for i in itertools.count():
            taken.append(i)
            yield Found(str(image_folder / "red" / f"{i % 10}.{'png' if i % 2 else 'jpg'}"))

    stream = predict_stream(model, endless(), batch_size=2)
    for _ in range(5):
        next(stream)
    assert len(taken) <= 2 * (5 + 3)
    stream.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "middle"}, "`crop` must be one of resize, .* Received: 'middle'"),
        ({"batch_size": 0}, "`batch_size` must be at least 1. Received: 0"),
    ],
)
def test_wrong_options_before_anything_is_read(model, options, message):
    with pytest.raises(ValueError, match=message):
        predict_stream(model, iter([]), **options)
