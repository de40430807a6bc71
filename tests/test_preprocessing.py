import keras
import numpy as np
import pytest

from keras_mixer import Mixer, evaluation, preprocess_input
from keras_mixer.data import Split
from keras_mixer.weights import find

PIXELS = np.array([[0, 51, 127, 128, 255]])
EXPECTED = np.array([[-1.0, -0.6, -0.00392157, 0.00392157, 1.0]])  # x / 127.5 - 1 by hand


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_arrays(dtype):
    x = PIXELS.astype(dtype)
    y = preprocess_input(x)
    np.testing.assert_allclose(y, EXPECTED, atol=1e-7)
    assert y.dtype == (dtype if "float" in dtype else "float32")
    np.testing.assert_array_equal(x, PIXELS)  # the input is as it was


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_tensors_of_the_backend(dtype):
    y = preprocess_input(keras.ops.convert_to_tensor(PIXELS.astype(dtype)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), EXPECTED, atol=1e-6)


def test_keras_tensor():
    x = keras.Input((5,), dtype="uint8")
    model = keras.Model(x, preprocess_input(x))
    np.testing.assert_allclose(model.predict(PIXELS, verbose=0), EXPECTED, atol=1e-6)


def test_lists():
    np.testing.assert_allclose(preprocess_input([0, 255]), [-1.0, 1.0])


def test_what_is_no_image():
    with pytest.raises(ValueError, match="must be an array or a tensor"):
        preprocess_input("cat.jpg")


@pytest.fixture
def theirs(tiny):
    """A model that takes pixels in [0, 1], as one that began from MIIL's weights."""
    model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)
    model.mixer_weights = find("imagenet_miil", "mixer_b16")
    return model


def copies(model, path):
    """Other models with the same beginning, by how they were made of it."""
    cut = keras.Model(model.input, model.get_layer("mixer_block_0").output)
    yield "cut", cut
    yield "cloned", keras.models.clone_model(model)
    yield "within another", keras.Sequential([keras.Input((8, 12, 3)), model])
    x = keras.layers.RandomFlip()(inputs := keras.Input((8, 12, 3)))
    yield "cut, within two others", keras.Sequential([keras.Model(inputs, cut(x))])
    yield (
        "in a wrapper",
        keras.Sequential([keras.Input((5, 8, 12, 3)), keras.layers.TimeDistributed(model)]),
    )
    cut.save(path)
    yield "cut and saved", keras.saving.load_model(path)


def test_parts_and_copies_of_a_model_take_the_same_pixels(tiny, theirs, tmp_path):
    for how, model in copies(theirs, tmp_path / "m.keras"):
        np.testing.assert_allclose(preprocess_input(PIXELS, model), PIXELS / 255, err_msg=how)
    for how, model in copies(Mixer(tiny, weights=None), tmp_path / "n.keras"):
        np.testing.assert_allclose(
            preprocess_input(PIXELS, model), EXPECTED, atol=1e-7, err_msg=how
        )
    for how, model in copies(
        Mixer(tiny, weights=None, include_preprocessing=True), tmp_path / "o.keras"
    ):
        np.testing.assert_array_equal(preprocess_input(PIXELS, model), PIXELS, err_msg=how)


def test_parts_that_take_other_pixels_are_refused(tiny, theirs):
    inputs = keras.Input((8, 12, 3))
    ours = Mixer(tiny, weights=None, classes=2, classifier_activation=None, name="ours")
    ours.mixer_weights = find("imagenet", "mixer_b16")
    raw = Mixer(tiny, weights=None, classes=2, include_preprocessing=True, name="raw")
    for one, other in ((theirs, ours), (raw, ours), (theirs, raw)):
        both = keras.Model(inputs, one(inputs) + other(inputs), name="both")
        with pytest.raises(ValueError, match="both has parts that take other pixels: x / "):
            preprocess_input(PIXELS, both)


def test_parts_that_each_prepare_the_same_pixels_are_judged(tiny, rng, randomize):
    parts = [
        randomize(
            Mixer(tiny, weights=None, classes=2, include_preprocessing=True, name=f"part_{i}")
        )
        for i in range(2)
    ]
    parts[0].mixer_weights = find("imagenet_miil", "mixer_b16")
    parts[1].mixer_weights = find("imagenet", "mixer_b16")
    inputs = keras.Input((8, 12, 3))
    model = keras.Model(inputs, keras.layers.Average()([part(inputs) for part in parts]))
    pixels = rng.integers(0, 256, (3, 8, 12, 3), dtype="uint8")
    split = Split(list(pixels), np.zeros(3, int), list("abc"))
    found = evaluation.predict(model, split, crop="resize", verbose=0)
    expected = np.mean([part.predict(pixels.astype("float32"), verbose=0) for part in parts], 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_record_that_is_none_is_an_error(tiny):
    model = Mixer(tiny, weights=None)
    model.get_layer("patches").record = {"std": 1.0, "colour": "red"}
    with pytest.raises(ValueError, match=r"tiny does not say how its pixels are prep.*colour"):
        preprocess_input(PIXELS, model)


def test_a_record_of_another_kind_of_layer_is_none():
    class Noted(keras.layers.Layer):
        def call(self, x):
            return x

    noted = Noted()
    noted.record = {"loss": 0.5}
    model = keras.Sequential([keras.Input((5,)), noted])
    np.testing.assert_allclose(preprocess_input(PIXELS, model), EXPECTED, atol=1e-7)


def test_a_layer_of_ones_own_that_is_called_preprocessing(tiny):
    flip = keras.Sequential([keras.layers.RandomFlip()], name="preprocessing")
    body = Mixer(tiny, weights=None, classes=2)
    model = keras.Sequential([keras.Input((8, 12, 3)), flip, body])
    np.testing.assert_allclose(preprocess_input(PIXELS, model), EXPECTED, atol=1e-7)


def test_transfer_learning_is_judged_on_the_right_pixels(tiny, rng, randomize):
    """The usual pattern: a body that prepares pixels itself, and a head of one's own."""
    body = Mixer(tiny, weights=None, include_top=False, pooling="avg", include_preprocessing=True)
    layers = keras.layers
    for head in ([layers.Dense(3, "softmax")], [layers.Dense(3), layers.Softmax()]):
        model = randomize(keras.Sequential([keras.Input((8, 12, 3)), body, *head]))
        pixels = rng.integers(0, 256, (5, 8, 12, 3), dtype="uint8")
        split = Split(list(pixels), np.zeros(5, int), list("abcde"))
        found = evaluation.predict(model, split, crop="resize", verbose=0)
        expected = model.predict(pixels.astype("float32"), verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_prepares_pixels_in_float32_whatever_it_computes_in(tiny):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = Mixer(tiny, weights=None, include_preprocessing=True)
    prepare = keras.Model(model.input, model.get_layer("preprocessing").output)
    pixels = np.tile(np.arange(96, dtype="float32").reshape(1, 8, 12, 1) + 100, (1, 1, 1, 3))
    prepared = prepare.predict(pixels, verbose=0)
    np.testing.assert_allclose(prepared, pixels / 127.5 - 1, atol=1e-6)
