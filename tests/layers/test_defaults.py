"""Each layer by itself with nothing but its widths, beside the NumPy reference; and its draws."""

import keras
import numpy as np
import pytest
import reference
from chance import half, independent

from keras_mixer import Mixer, MixerLayer, MixerSpec, MlpBlock, Patches, StochasticDepth
from keras_mixer.layers import TokenMixing

S, C = 6, 8
FORMS = {"shared": {}, "untied": {}, "grouped": {"groups": 2}, "views": {"groups": 2}}


def randomized(layer, rng):
    """The layer with kernels such that the two forms of GELU differ much."""
    layer.build((None, S, C))
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def output(layer, x, **kwargs):
    return keras.ops.convert_to_numpy(layer(x.astype("float32"), **kwargs))


def mixed(form, x, weights, name, approximate=True):
    """Token mixing of `x` (batch, S, C) by a form, in the words of appendix A.1, as one product."""
    if form == "shared":
        return reference.mlp(x.swapaxes(1, 2), weights, name, approximate).swapaxes(1, 2)
    if form == "untied":
        channels = [
            reference.mlp(x[:, :, c], {k: w[c] for k, w in own.items()}, name, approximate)
            for c, own in ((c, {k: w for k, w in weights.items() if name in k}) for c in range(C))
        ]
        return np.stack(channels, axis=-1)
    if form == "views":
        x = x @ weights[f"{name}/views/kernel"]
    y = np.empty_like(x)
    for k in range(C // 2):  # Two neighbouring channels are one vector.
        pair = x[:, :, 2 * k : 2 * k + 2].reshape(len(x), -1)
        y[:, :, 2 * k : 2 * k + 2] = reference.mlp(pair, weights, name, approximate).reshape(
            len(x), S, 2
        )
    return y


def assert_is(found, expected, other):
    """As near as float32 is, where the other form of GELU is at least thirty times as far."""
    far = np.abs(expected - other).max()
    assert np.abs(found - expected).max() < far / 30


@pytest.mark.parametrize("training", [False, True])
def test_an_mlp_by_itself(training, rng):
    layer = randomized(MlpBlock(64, name="m"), rng)
    x, weights = rng.normal(size=(4, S, C)), reference.weights_of(layer)
    both = (reference.mlp(x, weights, "m", approximate) for approximate in (True, False))
    assert_is(output(layer, x, training=training), *both)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_token_mixing_by_itself(form, training, rng):
    layer = randomized(TokenMixing(64, form=form, name="t", **FORMS[form]), rng)
    x, weights = rng.normal(size=(4, S, C)), reference.weights_of(layer)
    both = (mixed(form, x, weights, "t", approximate) for approximate in (True, False))
    assert_is(output(layer, x, training=training), *both)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1.0, 1e-3])  # Where epsilon shows.
def test_a_mixer_layer_by_itself(form, training, scale, rng):
    options = {} if form == "shared" else {"token_mixing": form, **FORMS[form]}
    layer = randomized(MixerLayer(64, 64, name="l", **options), rng)
    x, weights = scale * rng.normal(size=(4, S, C)), reference.weights_of(layer)

    def expected(approximate, epsilon=1e-6):
        def norm(x, which):
            gamma, beta = (weights[f"l/layer_norm_{which}/{part}"] for part in ("gamma", "beta"))
            return reference.layer_norm(x, gamma, beta, epsilon)

        u = x + mixed(form, norm(x, 0), weights, "l/token_mixing", approximate)
        return u + reference.mlp(norm(u, 1), weights, "l/channel_mixing", approximate)

    found = output(layer, x, training=training)
    assert_is(found, expected(True), expected(False))
    if scale < 1:
        assert_is(found, expected(True), expected(True, 1e-5))


def test_a_model_of_nothing_but_its_architecture(rng):
    """Softmax, the tanh form, epsilon 1e-6, on oblong patches of an oblong image."""
    spec = MixerSpec("oblong", (2, 3), 2, 8, 16, 16, (6, 12))
    model = Mixer(spec, weights=None, classes=3)
    for variable in model.trainable_variables:
        small = variable.path.startswith("head")  # So that no class is certain.
        variable.assign(rng.normal(0, 0.2 if small else 1, variable.shape))
    images, weights = rng.uniform(-1, 1, (4, 6, 12, 3)), reference.weights_of(model)

    def expected(approximate):
        scores = reference.mixer_logits(images, weights, (2, 3), approximate)
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    assert_is(model.predict(images.astype("float32"), verbose=0), expected(True), expected(False))


def test_patches_by_one_number_of_pixels(rng):
    images = rng.normal(size=(2, 4, 10, 3))
    found = output(Patches(2), images)
    np.testing.assert_array_equal(found, reference.patches(images, 2, 2).astype("float32"))


def test_stochastic_depth_by_itself_does_nothing_at_rate_zero(rng):
    x = rng.normal(size=(4, S, C)).astype("float32")
    np.testing.assert_array_equal(output(StochasticDepth(0), x, training=True), x)


IMAGES = 200


@pytest.fixture(scope="module")
def skipped():
    """Which MLPs were skipped: `(step, layer, kind of mixing, image)`.

    In layers whose token mixing adds 1 to everything and whose channel mixing adds 10, both twice
    as much where they are not skipped, by the rate of a half.
    """
    layers = [MixerLayer(3, 3, stochastic_depth=0.5, seed=seed) for seed in (7, 8, 9)]
    for layer in layers:
        layer.build((None, S, C))
        for mlp, added in ((layer.token_mixing, 1), (layer.channel_mixing, 10)):
            mlp.dense_1.kernel.assign(np.zeros(mlp.dense_1.kernel.shape))
            mlp.dense_1.bias.assign(np.full(mlp.dense_1.bias.shape, added))
    x = np.random.default_rng(0).normal(size=(IMAGES, S, C))
    found = np.empty((12, len(layers), 2, IMAGES), int)
    for step in range(12):
        for i, layer in enumerate(layers):
            added = output(layer, x, training=True) - x
            np.testing.assert_allclose(added, added[:, :1, :1].repeat(S, 1).repeat(C, 2), atol=1e-4)
            tens, ones = np.divmod(np.rint(added[:, 0, 0]).astype(int), 20)
            assert set(ones) <= {0, 2}
            found[step, i] = ones // 2, tens
    return found


def test_each_image_skips_each_mlp_of_each_layer_at_each_step_by_itself(skipped):
    for axis, what in enumerate(("step", "layer", "mixing", "image")):
        assert independent(skipped, axis), what
    assert half(skipped.sum(), skipped.size)
    assert np.abs(skipped.mean(axis=3) - 0.5).max() < 5 * 0.5 / np.sqrt(IMAGES)


def test_the_layers_of_a_model_have_draws_of_their_own():
    """Of rates that grow from nothing at the first MLP to the whole at the last one."""
    spec = MixerSpec("deep", 4, 4, 8, 3, 3, (4, 8))
    layers = [
        layer
        for layer in Mixer(spec, weights=None, stochastic_depth=0.7, seed=3).layers
        if isinstance(layer, MixerLayer)
    ]
    depths = [depth for layer in layers for depth in (layer.token_depth, layer.channel_depth)]
    np.testing.assert_allclose([depth.rate for depth in depths], 0.7 * np.arange(8) / 7)
    x = np.ones((500, 1))
    kept = np.array([output(depth, x, training=True)[:, 0] > 0 for depth in depths[1:]])
    for depth, own in zip(depths[1:], kept, strict=True):
        spread = np.sqrt(depth.rate * (1 - depth.rate) / 500)
        assert abs(own.mean() - (1 - depth.rate)) < 5 * spread
    for one in range(7):
        for other in range(one):
            both, alone = (kept[one] & kept[other]).mean(), kept[one].mean() * kept[other].mean()
            assert abs(both - alone) < 5 * np.sqrt(alone / 500)


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_after_the_gelu_and_after_the_second_product_are_drawn_apart(rate):
    """Of a second product that changes nothing: what both keep is kept, and rescaled twice."""
    layer = MlpBlock(C, dropout=rate, seed=2)
    layer.build((None, S, C))
    layer.dense_0.kernel.assign(np.zeros((C, C)))
    layer.dense_0.bias.assign(np.full(C, 3.0))
    layer.dense_1.kernel.assign(np.eye(C))
    y = output(layer, np.zeros((200, S, C)), training=True)
    kept, numbers = y != 0, y.size
    np.testing.assert_allclose(y[kept], reference.gelu(3.0) / (1 - rate) ** 2, rtol=1e-4)
    share = (1 - rate) ** 2
    assert abs(kept.mean() - share) < 5 * np.sqrt(share * (1 - share) / numbers)
    for axis in range(3):
        assert independent(kept, axis)
    assert independent(
        np.stack([kept, output(layer, np.zeros((200, S, C)), training=True) != 0]), 0
    )
