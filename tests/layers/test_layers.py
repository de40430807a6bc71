"""One harness that every public layer passes, and what each of them alone promises."""

import keras
import numpy as np
import pytest
import reference

from keras_mixer import MixerLayer, MlpBlock, Patches, StochasticDepth
from keras_mixer.layers import SharedDepthwiseConv2D, TokenMixing
from keras_mixer.layers.dense import Dense
from keras_mixer.layers.initial import LecunNormal

LAYERS = {
    "Patches": (lambda **kw: Patches((2, 3), **kw), (4, 6, 3), (4, 18)),
    "MlpBlock": (lambda **kw: MlpBlock(5, 0.1, False, seed=1, **kw), (7, 4), (7, 4)),
    "StochasticDepth": (lambda **kw: StochasticDepth(0.3, seed=1, **kw), (7, 4), (7, 4)),
    "MixerLayer": (
        lambda **kw: MixerLayer(5, 6, 0.1, (0.1, 0.2), False, 1e-3, seed=1, **kw),
        (7, 4),
        (7, 4),
    ),
    "TokenMixing": (
        lambda **kw: TokenMixing(5, 0.1, False, form="views", groups=2, tokens=3, **kw),
        (7, 4),
        (3, 4),
    ),
    "SharedDepthwiseConv2D": (
        lambda **kw: SharedDepthwiseConv2D((3, 2), **kw),
        (4, 5, 3),
        (3, 2, 3),
    ),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


@each_layer
def test_config_round_trip(name):
    make, shape, _ = LAYERS[name]
    layer = make(name="mine")
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    x = np.ones((2, *shape), "float32")
    layer(x)
    again(x)
    assert [w.path for w in again.weights] == [w.path for w in layer.weights]
    saved = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(saved).get_config() == config


@pytest.mark.parametrize(
    "kind", [Dense, LecunNormal, *(type(make()) for make, *_ in LAYERS.values())]
)
def test_what_files_hold_has_a_name_of_its_own(kind):
    """Keras finds it by that name, wherever the class moves."""
    assert keras.saving.get_registered_name(kind) == f"keras_mixer>{kind.__name__}"


@pytest.mark.parametrize("name", ["MlpBlock", "StochasticDepth", "MixerLayer", "TokenMixing"])
def test_nothing_is_drawn_unless_in_training(name, rng):
    make, shape, _ = LAYERS[name]
    layer = make()
    x = rng.normal(size=(64, *shape)).astype("float32")
    by_default, outside, inside = (
        keras.ops.convert_to_numpy(layer(x, **how))
        for how in ({}, {"training": False}, {"training": True})
    )
    np.testing.assert_array_equal(by_default, outside)
    assert not np.array_equal(inside, outside)


@each_layer
def test_shape_inference_symbolic_and_eager(name, rng):
    make, shape, out = LAYERS[name]
    layer = make()
    assert layer.compute_output_shape((None, *shape)) == (None, *out)
    assert layer(keras.Input(shape)).shape == (None, *out)
    for batch in (1, 5):  # any batch, on the layer built on an unknown one
        x = rng.normal(size=(batch, *shape)).astype("float32")
        y = keras.ops.convert_to_numpy(layer(x))
        assert y.shape == (batch, *out)
        assert np.isfinite(y).all()


@each_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_one_fit_step_under_each_precision(name, policy, rng):
    keras.config.set_dtype_policy(policy)
    make, shape, _ = LAYERS[name]
    layer = make()
    inputs = keras.Input(shape)
    outputs = keras.layers.Dense(1, dtype="float32")(keras.layers.Flatten()(layer(inputs)))
    model = keras.Model(inputs, outputs)
    assert layer.compute_dtype == keras.config.dtype_policy().compute_dtype
    assert keras.backend.standardize_dtype(layer(inputs).dtype) == layer.compute_dtype
    model.compile("sgd", "mse")
    before = [np.array(w.numpy()) for w in layer.trainable_variables]
    x = rng.normal(size=(6, *shape)).astype("float32")
    loss = model.train_on_batch(x, np.ones((6, 1), "float32"))
    assert np.isfinite(loss)
    after = [np.array(w.numpy()) for w in layer.trainable_variables]
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(changed)
    assert all(
        keras.backend.standardize_dtype(w.dtype) == "float32" for w in layer.trainable_variables
    )


@each_layer
def test_save_and_load_in_a_model(name, tmp_path, rng):
    make, shape, _ = LAYERS[name]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, make()(inputs))
    x = rng.normal(size=(3, *shape)).astype("float32")
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["MlpBlock", "StochasticDepth", "MixerLayer", "TokenMixing"])
def test_a_mask_of_the_tokens_is_handed_on_where_they_stay(name):
    make, shape, out = LAYERS[name]
    assert make().supports_masking is (shape == out)
    assert MixerLayer(5, 6, tokens=3).supports_masking is False
    assert TokenMixing(5).supports_masking is True


@pytest.mark.parametrize(
    ("shape", "patch"), [((4, 6, 3), 2), ((6, 4, 1), (3, 2)), ((9, 5, 2), (3, 5))]
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_patches_equal_the_reference(shape, patch, data_format, rng):
    images = rng.normal(size=(2, *shape)).astype("float32")
    layer = Patches(patch, data_format)
    given = images if data_format == "channels_last" else images.transpose(0, 3, 1, 2)
    y = keras.ops.convert_to_numpy(layer(given))
    np.testing.assert_array_equal(y, reference.patches(images, *layer.patch_size))
    assert layer.compute_output_shape(given.shape) == y.shape


def test_patches_of_unknown_image_size():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, Patches(4)(inputs))
    assert model.output_shape == (None, None, 48)
    for height, width in ((8, 12), (4, 4)):
        assert model(np.zeros((1, height, width, 3))).shape == (1, height * width // 16, 48)


@pytest.mark.parametrize(
    "call", [lambda p: p(np.zeros((1, 30, 32, 3))), lambda p: p(keras.Input((30, 32, 3)))]
)
def test_patches_that_do_not_divide_name_both_sizes(call):
    with pytest.raises(ValueError, match=r"30x32 pixels is not a whole number of 16x8 patches"):
        call(Patches((16, 8)))


@pytest.mark.parametrize("approximate", [True, False])
@pytest.mark.parametrize("epsilon", [1e-6, 1e-3])
def test_mixer_layer_equals_the_reference(approximate, epsilon, rng):
    layer = MixerLayer(5, 6, gelu_approximate=approximate, epsilon=epsilon, name="l")
    layer.build((None, 7, 4))
    for w in layer.trainable_variables:
        w.assign(rng.normal(size=w.shape))
    x = rng.normal(size=(3, 7, 4))
    expected = reference.mixer_layer(x, reference.weights_of(layer), "l", approximate, epsilon)
    actual = keras.ops.convert_to_numpy(layer(x.astype("float32")))
    np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="elsewhere a trace is what calls")
@pytest.mark.parametrize(("remat", "training", "calls"), [(0, 1, 1), (1, 1, 2), (1, 0, 1)])
def test_an_mlp_is_computed_again_with_remat_while_training(remat, training, calls, rng):
    layer = MixerLayer(5, 6, remat=bool(remat))
    layer.build((None, 7, 4))
    done = []
    again = layer.channel_mixing.dense_0.call
    layer.channel_mixing.dense_0.call = lambda *args, **kw: done.append(1) or again(*args, **kw)
    x = keras.ops.convert_to_tensor(rng.normal(size=(3, 7, 4)).astype("float32"))
    layer(x, training=bool(training)).sum().backward()
    assert len(done) == calls


def test_the_two_forms_of_gelu_can_be_told_apart(rng):
    x = rng.normal(size=(1, 7, 4))
    assert np.abs(reference.gelu(x) - reference.gelu(x, approximate=False)).max() > 1e-4


def test_stochastic_depth_drops_whole_samples_and_rescales():
    y = keras.ops.convert_to_numpy(
        StochasticDepth(0.25, seed=3)(np.ones((4000, 2, 3), "float32"), training=True)
    )
    per_sample = y.reshape(4000, -1)
    assert (per_sample == per_sample[:, :1]).all()
    assert set(np.unique(per_sample[:, 0].round(5))) == {0.0, np.float32(1.33333)}
    # 4000 draws: standard deviation of the share kept is 0.0068; five of them.
    assert abs((per_sample[:, 0] > 0).mean() - 0.75) < 0.034


def test_stochastic_depth_is_the_identity_outside_training():
    x = np.arange(12.0, dtype="float32").reshape(3, 4)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(StochasticDepth(0.9)(x)), x)


def test_a_seed_repeats_and_streams_differ(rng):
    x = rng.normal(size=(64, 7, 4)).astype("float32")

    def run(seed):
        keras.utils.set_random_seed(0)
        layer = MixerLayer(5, 6, 0.1, stochastic_depth=0.5, seed=seed)
        return keras.ops.convert_to_numpy(layer(x, training=True)), layer

    a, layer = run(5)
    np.testing.assert_array_equal(a, run(5)[0])
    assert not np.array_equal(a, run(6)[0])
    states = [np.array(v.numpy()) for v in layer.non_trainable_variables]
    assert len({tuple(s.tolist()) for s in states}) == len(states) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patches(0), "`patch_size` must be a positive integer"),
        (lambda: Patches(4, "nchw"), "`data_format` must be"),
        (lambda: Patches((4, 0)), "`patch_size` must be a positive integer"),
        (lambda: Patches((4, 4, 4)), "`patch_size` must be a positive integer"),
        (lambda: StochasticDepth(1.0), "`rate` must be at least 0 and below 1. Received: 1.0"),
        (lambda: MlpBlock(4, dropout=-0.1), "`dropout` must be at least 0 and below 1"),
        (lambda: MlpBlock(0), "`mlp_dim` must be a positive integer"),
        (lambda: MlpBlock(4, dropout=1.0), "`dropout` must be at least 0 and below 1"),
        (lambda: StochasticDepth(-0.1), "`rate` must be at least 0 and below 1"),
        (lambda: MixerLayer(4, 4)(keras.Input((None, 4))), "known number of tokens and channels"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
