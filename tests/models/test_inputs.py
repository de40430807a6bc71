"""What a model refuses to be handed, in any container and by any road, and that it stays whole."""

import re

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, MixerLayer, MixerSpec, MlpBlock, Patches, models
from keras_mixer.layers import SharedDepthwiseConv2D, ShufflePixels, TokenMixing
from keras_mixer.training import SGD

SIZE = (8, 12, 3)
LABELS = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
ROADS = {
    "call": lambda model, x: model(x),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "test_on_batch": lambda model, x: model.test_on_batch(x, LABELS),
    "fit": lambda model, x: model.fit(x, LABELS, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, LABELS),
}
KINDS = {"mixer": lambda model: model, "convnet": models.as_convnet}


class Batches(keras.utils.PyDataset):
    """A data set whose items cannot be seen before Keras asks for them."""

    def __init__(self, *items):
        super().__init__()
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        if isinstance(self.items[i], Exception):
            raise self.items[i]
        return self.items[i], LABELS


DATA_SETS = {
    "predict": lambda model, x: model.predict(x, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, verbose=0),
    "fit": lambda model, x: model.fit(x, verbose=0),
}


@pytest.fixture
def build(randomize):
    tiny = MixerSpec("tiny", 4, 1, 4, 3, 6, SIZE[:2])

    def build(kind="mixer", **options):
        model = KINDS[kind](randomize(Mixer(tiny, weights=None, classes=3, **options)))
        optimizer = SGD(0.01, momentum=0.9, use_ema=True)
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


@pytest.fixture
def floats(rng):
    return rng.uniform(-1, 1, (4, *SIZE)).astype("float32")


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (4, *SIZE), dtype="uint8")


def refused(model, road, x, message):
    with pytest.raises(ValueError, match=message) as caught:
        road(model, x)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def whole(model, floats, expected, path):
    """Whether a model predicts as before, trains, and saves."""
    np.testing.assert_allclose(model.predict(floats, verbose=0), expected, atol=1e-6)
    model.fit(floats, LABELS, verbose=0)
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_allclose(
        again.predict(floats, verbose=0), model.predict(floats, verbose=0), atol=1e-6
    )


CONTAINERS = {
    "array": lambda model, x: x,
    "list": lambda model, x: [x],
    "tuple": lambda model, x: (x,),
    "dictionary": lambda model, x: {model.layers[0].name: x},
    "nested": lambda model, x: [[(x,)]],
    "tensor": lambda model, x: keras.ops.convert_to_tensor(x),
    "list of tensors": lambda model, x: [keras.ops.convert_to_tensor(x)],
}


@pytest.mark.parametrize("road", ROADS)
def test_integers_are_refused_in_any_container(build, pixels, floats, tmp_path, road):
    model = build()
    expected = model.predict(floats, verbose=0)
    for container in CONTAINERS.values():
        x = container(model, pixels)
        refused(model, ROADS[road], x, "tiny received uint8 pixels.*include_preprocessing=True")
    for kind in ("int32", "int64", "bool"):
        refused(model, ROADS[road], pixels.astype(kind), f"tiny received {kind} pixels")
    whole(model, floats, expected, tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("road", "kind"),
    [*((road, "mixer") for road in ROADS), ("call", "convnet"), ("predict", "convnet")],
)
def test_images_of_another_shape_are_refused(build, floats, tmp_path, road, kind):
    model = build(kind)
    expected = model.predict(floats, verbose=0)
    for shape in [(4, 12, 8, 3), (4, 8, 16, 3), (4, 3, 8, 12), (4, 8, 12, 1), (4, 8, 12), SIZE]:
        refused(
            model,
            ROADS[road],
            np.zeros(shape, "float32"),
            rf"received images of shape \({shape[0]}, .*and takes \(None, 8, 12, 3\)",
        )
    whole(model, floats, expected, tmp_path / "m.keras")


REFUSED = r"received (uint8|images )|no such file|incompatible"
if keras.backend.backend() == "tensorflow":  # A later batch of another shape ends in its words.
    REFUSED += (
        r"|of shape \(4, 8, 16, 3\) where an element of shape \(None, 8, 12, 3\) was expected"
    )


@pytest.mark.parametrize("road", DATA_SETS)
def test_a_model_is_whole_after_a_data_set_that_was_refused(build, floats, pixels, tmp_path, road):
    """Whatever ends a call: what the model refuses, or what the data set raises, late or early."""
    wide = np.zeros((4, 8, 16, 3), "float32")
    for batches in (
        (pixels,),
        (wide,),
        (OSError("no such file"),),
        (floats, OSError("no such file")),
        (floats, floats, wide),
    ):
        model = build()
        DATA_SETS[road](model, Batches(floats))
        # TensorFlow makes errors of its own of those of a data set.
        with pytest.raises(Exception, match=REFUSED):
            DATA_SETS[road](model, Batches(*batches))
        expected = model.predict(floats, verbose=0)
        assert np.isfinite(expected).all()
        whole(model, floats, expected, tmp_path / "m.keras")


def test_the_first_call_of_a_model_may_be_refused(build, floats, pixels, tmp_path):
    """Before the optimizer and the metrics have variables."""
    for road in DATA_SETS.values():
        model = build()
        with pytest.raises(Exception, match="received uint8"):
            road(model, Batches(pixels))
        whole(model, floats, model.predict(floats, verbose=0), tmp_path / "m.keras")


def test_training_that_was_done_stays(build, floats):
    """What is raised late does not take back the steps before it."""
    model, other = build(), build()
    other.set_weights(model.get_weights())
    with pytest.raises(Exception, match="no such file"):
        model.fit(Batches(floats, floats, OSError("no such file")), shuffle=False, verbose=0)
    assert np.abs(model.get_weights()[0] - other.get_weights()[0]).max() > 0


def test_validation_data_is_seen_before_training(build, floats, pixels):
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError, match="received uint8"):
        model.fit(floats, LABELS, validation_data=(pixels, LABELS), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("road", ROADS)
def test_a_model_that_prepares_takes_anything(build, pixels, road, recwarn):
    model = build(include_preprocessing=True)
    for x in (pixels, pixels.astype("int32"), pixels.astype("float32")):
        ROADS[road](model, x)
    assert not [w for w in recwarn if "raw pixels" in str(w.message)]


@pytest.mark.parametrize("road", [road for road in ROADS if road != "call"])
def test_floats_that_look_like_pixels_are_warned_of(build, pixels, floats, road, recwarn):
    model = build()
    for x in (floats, floats * 3, np.zeros_like(floats), np.round(floats), pixels / 127.5 - 1.0):
        ROADS[road](model, x.astype("float32"))
    assert not [w for w in recwarn if "raw pixels" in str(w.message)]
    with pytest.warns(UserWarning, match=r"whole numbers up to \d+, as raw pixels.*preprocess_inp"):
        ROADS[road](model, pixels.astype("float32"))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_an_integer_input_around_a_model(build, dtype):
    """Seen when the outer model is built."""
    images = keras.Input(SIZE, dtype=dtype)
    with pytest.raises(ValueError, match=f"received {dtype} pixels"):
        build()(images)
    assert build(include_preprocessing=True)(images).shape == (None, 3)


@pytest.mark.parametrize("wrap", ["sequential", "functional"])
def test_wrappers_of_a_model_that_prepares(build, pixels, wrap):
    """What guides recommend: the outer model may be handed bytes or floats."""
    model = build(include_preprocessing=True)
    expected = model.predict(pixels, verbose=0)
    images = keras.Input(SIZE)
    outer = (
        keras.Sequential([images, model])
        if wrap == "sequential"
        else keras.Model(images, model(images))
    )
    for x in (pixels, pixels.astype("float32")):
        np.testing.assert_allclose(outer.predict(x, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "good", "bad"),
    [
        (lambda: MixerLayer(4, 4), (2, 6, 8), [(2, 8, 6), (2, 6, 9), (2, 6), (2, 6, 8, 1)]),
        (lambda: TokenMixing(4), (2, 6, 8), [(2, 8, 6), (2, 5, 8), (2, 6, 9), (2, 6)]),
        (lambda: MlpBlock(4), (2, 6, 8), [(2, 8, 6), (2, 6, 9), (2, 6)]),
        (lambda: Patches(4), (2, 8, 12, 3), [(2, 8, 13, 3), (2, 3, 8, 12), (8, 12, 3)]),
        (lambda: Patches(4, "channels_first"), (2, 3, 8, 12), [(2, 8, 12, 3), (3, 8, 12)]),
        (lambda: SharedDepthwiseConv2D(2), (2, 3, 4, 8), [(2, 4, 3, 8), (2, 3, 5, 8), (3, 4, 8)]),
        (lambda: ShufflePixels("pixels"), (2, 4, 6, 3), [(2, 6, 4, 3), (2, 4, 7, 3), (4, 6, 3)]),
    ],
)
def test_a_layer_refuses_another_shape(layer, good, bad):
    layer = layer()
    layer(np.zeros(good, "float32"))
    for shape in bad:
        told = rf"{re.escape(str(shape))}|whole number of 4x4"
        with pytest.raises(ValueError, match=told) as caught:
            layer(np.zeros(shape, "float32"))
        assert "\n" not in str(caught.value)
