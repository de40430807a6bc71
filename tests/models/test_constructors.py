"""One harness that every constructor passes, and the arguments they share."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import SPECS, Mixer

CONSTRUCTORS = {
    name: getattr(keras_mixer, name)
    for name in (
        "MixerS32",
        "MixerS16",
        "MixerS8",
        "MixerB32",
        "MixerB16",
        "MixerL32",
        "MixerL16",
        "MixerH14",
    )
}
each_constructor = pytest.mark.parametrize("name", CONSTRUCTORS)


@pytest.fixture
def shallow(monkeypatch):
    """The constructors with two layers instead of up to 32, so that each can run for real."""
    import dataclasses

    for name, spec in SPECS.items():
        if name != "mixer_ti4":
            monkeypatch.setitem(SPECS, name, dataclasses.replace(spec, num_layers=2))


def spec_of(name):
    return SPECS[f"mixer_{name[5:].lower()}"]


def small_shape(name, channels=3):
    patch = spec_of(name).patch_size[0]
    return (2 * patch, 3 * patch, channels)


@each_constructor
def test_signature(name):
    expected = list(inspect.signature(Mixer).parameters.values())[1:]
    assert list(inspect.signature(CONSTRUCTORS[name]).parameters.values()) == expected
    assert "`keras_mixer.Mixer`" in CONSTRUCTORS[name].__doc__


def test_signature_is_that_of_keras_applications():
    theirs = list(inspect.signature(keras.applications.ResNet50).parameters)
    ours = list(inspect.signature(keras_mixer.MixerB16).parameters)
    assert ours[: len(theirs)] == theirs


def test_every_paper_spec_has_a_constructor():
    assert {f"mixer_{name[5:].lower()}" for name in CONSTRUCTORS} == set(SPECS) - {
        "mixer_xs4",
        "mixer_ti4",
    }


@each_constructor
def test_builds_its_own_spec(name):
    with keras.StatelessScope(initialize_variables=False):
        model = CONSTRUCTORS[name](weights=None)
    spec = spec_of(name)
    assert model.name == spec.name
    assert model.count_params() == spec.parameters()
    assert model.input_shape == (None, *spec.image_size, 3)
    assert model.output_shape == (None, 1000)
    blocks = [f"mixer_block_{i}" for i in range(spec.num_layers)]
    layers = ["patches", "stem", *blocks, "pre_head_layer_norm", "avg_pool", "head"]
    assert [layer.name for layer in model.layers][1:] == layers
    keras.utils.clear_session()


@each_constructor
@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_headless(name, pooling, shallow, rng):
    shape = small_shape(name)
    model = CONSTRUCTORS[name](include_top=False, weights=None, pooling=pooling, input_shape=shape)
    hidden = spec_of(name).hidden_size
    expected = (None, 6, hidden) if pooling is None else (None, hidden)
    assert model.output_shape == expected
    x = rng.uniform(-1, 1, (2, *shape)).astype("float32")
    y = model.predict(x, verbose=0)
    if pooling:
        tokens = keras.Model(model.input, model.get_layer("pre_head_layer_norm").output)
        every = tokens.predict(x, verbose=0)
        pooled = every.mean(1) if pooling == "avg" else every.max(1)
        np.testing.assert_allclose(y, pooled, atol=1e-5)


@each_constructor
@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_and_save_and_load(name, channels, shallow, tmp_path, rng, randomize):
    shape = small_shape(name, channels)
    make = CONSTRUCTORS[name]
    model = randomize(make(weights=None, input_shape=shape, classes=3))
    x = rng.uniform(-1, 1, (2, *shape)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-6)
    for file in ("m.keras", "m.weights.h5"):
        again = make(weights=tmp_path / file, input_shape=shape)
        assert again.output_shape == (None, 3)  # the weights' own number of classes
        np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-6)


@each_constructor
def test_input_tensor(name, shallow, rng):
    shape = small_shape(name)
    pixels = keras.Input(shape, name="pixels")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0)(pixels)
    model = CONSTRUCTORS[name](weights=None, input_tensor=scaled, classes=4)
    assert model.input is pixels
    assert model.predict(rng.uniform(0, 255, (2, *shape)), verbose=0).shape == (2, 4)


def test_head_starts_at_zero_in_full_precision(tiny):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = Mixer(tiny, weights=None, classes=5)
    scores = model.predict(np.ones((2, 8, 12, 3), "float32"), verbose=0)
    assert scores.dtype == "float32"
    np.testing.assert_array_equal(scores, np.float32(0.2))


def test_stochastic_depth_grows_linearly_over_the_mlps(tiny):
    model = Mixer(tiny, weights=None, stochastic_depth=0.3)
    rates = [
        rate
        for i in range(2)
        for block in [model.get_layer(f"mixer_block_{i}")]
        for rate in (block.token_depth.rate, block.channel_depth.rate)
    ]
    np.testing.assert_allclose(rates, [0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("rate", [0.1, 0.12, 0.43, 0.47])
def test_the_last_rate_of_stochastic_depth_is_the_one_asked_for(tiny, rate):
    """To the last bit: a training compares it with its recipe's."""
    for layers in (2, 4):
        spec = dataclasses.replace(tiny, num_layers=layers)
        model = Mixer(spec, weights=None, stochastic_depth=rate)
        assert model.get_layer(f"mixer_block_{layers - 1}").channel_depth.rate == rate


def test_features_can_be_cut_at_any_block(tiny):
    model = Mixer(tiny, weights=None)
    features = keras.Model(model.input, model.get_layer("mixer_block_0").output)
    assert features.output_shape == (None, 6, 8)


def test_integers_are_refused_unless_the_model_preprocesses(tiny, rng, randomize):
    pixels = rng.integers(0, 256, (2, 8, 12, 3), dtype="uint8")
    model = randomize(Mixer(tiny, weights=None, classes=3))
    with pytest.raises(ValueError, match="received uint8 pixels"):
        model(pixels)
    expected = model.predict(keras_mixer.preprocess_input(pixels), verbose=0)
    inside = Mixer(tiny, weights=None, classes=3, include_preprocessing=True)
    inside.set_weights(model.get_weights())
    for given in (pixels, pixels.astype("float32")):
        np.testing.assert_allclose(inside.predict(given, verbose=0), expected, atol=1e-6)


def test_inputs_that_keras_adjusts(tiny, rng):
    """What is called layer by layer gives what Keras' walk through the graph gives."""
    model = Mixer(tiny, weights=None, classes=3)
    randomized = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(randomized)
    pixels = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    graph = keras.Model(model.input, model.output)
    expected = keras.ops.convert_to_numpy(graph(pixels))
    tensor = keras.ops.convert_to_tensor(pixels)
    half = keras.ops.cast(tensor, "float16")
    for given in (pixels, tensor, half):
        found = keras.ops.convert_to_numpy(model(given))
        np.testing.assert_allclose(found, expected, atol=1e-2 if given is half else 1e-6)
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        listed = model([tensor])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(listed), expected, atol=1e-6)
    gray = Mixer(tiny, weights=None, classes=3, input_shape=(8, 12, 1))
    gray.get_layer("head").kernel.assign(rng.normal(size=(8, 3)))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(gray(tensor[..., 0])),
        keras.ops.convert_to_numpy(gray(tensor[..., :1])),
    )


def test_layers_keep_the_arguments_that_they_were_called_with(tiny, rng):
    images = keras.Input((8, 12, 3))
    dropped = keras.layers.Dropout(0.5, seed=1)(images, training=True)
    model = Mixer(tiny, weights=None, input_tensor=dropped, include_top=False)
    x = rng.uniform(size=(2, 8, 12, 3)).astype("float32")
    first, second = (keras.ops.convert_to_numpy(model(x)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


def test_training_reaches_the_layers(tiny, rng):
    model = Mixer(tiny, weights=None, include_top=False, dropout=0.5, seed=0)
    x = rng.uniform(size=(2, 8, 12, 3)).astype("float32")
    plain, again, dropped = (
        keras.ops.convert_to_numpy(model(x, training=mode)) for mode in (False, False, True)
    )
    np.testing.assert_array_equal(plain, again)
    assert np.abs(plain - dropped).max() > 1e-3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pooling": "sum"}, '`pooling` must be None, "avg" or "max"'),
        ({"classes": 0}, "`classes` must be a positive integer"),
        ({"input_shape": (9, 12, 3)}, "9x12 pixels is not a whole number of 4x4 patches"),
        ({"input_shape": (None, None, 3)}, "three positive integers"),
        ({"input_shape": (8, 12)}, "three positive integers"),
        ({"resolution": "stretch"}, "`resolution` must be one of 'expand', 'interpolate'"),
        ({"input_tensor": np.zeros((1, 8, 12, 3))}, "must be a Keras tensor"),
        ({"weights": "imagenet"}, "never published for tiny"),
        ({"weights": "imagenot"}, "Unknown weights='imagenot'. Did you mean 'imagenet'?"),
    ],
)
def test_bad_arguments(tiny, kwargs, message):
    with pytest.raises(ValueError, match=message):
        Mixer(tiny, **{"weights": None, **kwargs})


def test_input_tensor_and_shape_that_disagree(tiny):
    with pytest.raises(
        ValueError, match=r"has shape \(8, 12, 3\) and `input_shape` is \(8, 8, 3\)"
    ):
        Mixer(tiny, weights=None, input_tensor=keras.Input((8, 12, 3)), input_shape=(8, 8, 3))


def test_unpublished_weights_list_what_exists():
    with pytest.raises(ValueError, match=r"published for mixer_h14, but for mixer_b16, mixer_l16;"):
        keras_mixer.MixerH14()
    with pytest.raises(ValueError, match="never published for mixer_l32"):
        keras_mixer.MixerL32(weights="imagenet21k")
    with pytest.raises(ConnectionError, match=r"KERAS_MIXER_OFFLINE is set.*place the file\s+at"):
        keras_mixer.MixerB16()


def test_a_number_of_classes_of_numpy(tiny):
    labels = np.array([0, 2, 1])
    assert Mixer(tiny, weights=None, classes=labels.max() + 1).output_shape == (None, 3)


def test_a_quantized_model_is_not_saved_for_nobody_could_load_it(tiny, tmp_path):
    model = Mixer(tiny, weights=None, classes=2)
    with pytest.warns(UserWarning, match="does not have a `quantize` method"):
        model.quantize("int8")
    with pytest.raises(ValueError, match=r"tiny was quantized, .* Save it before"):
        model.save(tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()
