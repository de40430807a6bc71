"""Each form of token mixing against its definition in NumPy float64, one vector at a time."""

import keras
import numpy as np
import pytest
import reference

from keras_mixer import MixerLayer
from keras_mixer.layers import SharedDepthwiseConv2D, TokenMixing

S, C, D, G = 6, 8, 5, 4
FORMS = {"shared": None, "untied": None, "grouped": G, "views": G}
each_form = pytest.mark.parametrize("form", FORMS)
each_length = pytest.mark.parametrize("tokens", [None, 3])


def make(form, tokens=None, **kwargs):
    return TokenMixing(D, form=form, groups=FORMS[form], tokens=tokens, name="t", **kwargs)


def randomized(layer, rng, shape=(None, S, C)):
    layer.build(shape)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def output(layer, x):
    return keras.ops.convert_to_numpy(layer(x.astype("float32")))


def definition(form, x, weights, tokens):
    """Token mixing of one sample `x` (S, C), from the definitions of appendix A.1."""
    y = np.empty((tokens, C))
    if form in ("shared", "untied"):
        for c in range(C):
            own = {path: w[c] if form == "untied" else w for path, w in weights.items()}
            y[:, c] = reference.mlp(x[:, c], own, "t")
        return y
    if form == "views":
        # View g is a linear function to C / G numbers, the columns g, g + G, ... of the kernel.
        views = [x @ weights["t/views/kernel"][:, g::G] for g in range(G)]
    else:
        # Number k of them is channel k G + g.
        views = [x[:, g::G] for g in range(G)]
    for k in range(C // G):
        vector = np.array([views[g][s, k] for s in range(S) for g in range(G)])
        mixed = reference.mlp(vector, weights, "t")
        for s in range(tokens):
            for g in range(G):
                y[s, k * G + g] = mixed[s * G + g]
    return y


@each_form
@each_length
def test_equals_its_definition(form, tokens, rng):
    layer = randomized(make(form, tokens), rng)
    x = rng.normal(size=(2, S, C))
    weights = reference.weights_of(layer)
    expected = np.stack([definition(form, one, weights, tokens or S) for one in x])
    np.testing.assert_allclose(output(layer, x), expected, rtol=1e-4, atol=1e-4)


@each_form
@each_length
def test_parameters(form, tokens):
    layer = make(form, tokens)
    layer.build((None, S, C))
    out = tokens or S
    group = FORMS[form] or 1
    mlp = (group * S * D + D) + (D * group * out + group * out)
    expected = {"untied": C * mlp, "views": mlp + G * (C * (C // G))}.get(form, mlp)
    assert layer.count_params() == expected


def test_untied_with_equal_mlps_is_shared(rng):
    shared, untied = randomized(make("shared"), rng), randomized(make("untied"), rng)
    for one, each in zip(shared.trainable_variables, untied.trainable_variables, strict=True):
        each.assign(np.stack([one.numpy()] * C))
    x = rng.normal(size=(2, S, C))
    np.testing.assert_allclose(output(untied, x), output(shared, x), rtol=1e-5, atol=1e-5)


def test_groups_of_one_channel_are_shared(rng):
    shared = randomized(make("shared"), rng)
    grouped = randomized(TokenMixing(D, form="grouped", groups=1), rng)
    grouped.set_weights(shared.get_weights())
    x = rng.normal(size=(2, S, C))
    np.testing.assert_allclose(output(grouped, x), output(shared, x), rtol=1e-6, atol=1e-6)


def test_views_of_the_channels_themselves_are_grouped(rng):
    grouped, views = randomized(make("grouped"), rng), randomized(make("views"), rng)
    views.views.kernel.assign(np.eye(C))
    for name in ("dense_0", "dense_1"):
        getattr(views, name).set_weights(getattr(grouped, name).get_weights())
    x = rng.normal(size=(2, S, C))
    np.testing.assert_allclose(output(views, x), output(grouped, x), rtol=1e-6, atol=1e-6)


def test_a_group_is_neighbouring_channels(rng):
    layer = randomized(make("grouped"), rng)
    x = rng.normal(size=(1, S, C))
    changed = x.copy()
    changed[:, 0, G - 1] += 1  # The last channel of the first group.
    differs = np.abs(output(layer, changed) - output(layer, x)).max(axis=(0, 1)) > 1e-6
    assert differs.tolist() == [True] * G + [False] * (C - G)


def test_each_untied_mlp_starts_lecun_normal():
    layer = TokenMixing(64, form="untied")
    layer.build((None, 16, 32))
    for dense, inputs in ((layer.dense_0, 16), (layer.dense_1, 64)):
        assert abs(dense.kernel.numpy().std() * inputs**0.5 - 1) < 0.03
        assert not dense.bias.numpy().any()


@each_form
def test_a_mixer_layer_of_fewer_tokens_has_no_residual_around_token_mixing(form, rng):
    layer = MixerLayer(
        D, 7, token_mixing=form, groups=FORMS[form], tokens=3, stochastic_depth=(0, 0.5), name="l"
    )
    randomized(layer, rng)
    layer.channel_mixing.dense_1.kernel.assign(np.zeros((7, C)))
    layer.channel_mixing.dense_1.bias.assign(np.zeros(C))
    x = rng.normal(size=(2, S, C))
    normed = output(layer.layer_norm_0, x)
    assert layer.compute_output_shape((None, S, C)) == (None, 3, C)
    np.testing.assert_allclose(output(layer, x), output(layer.token_mixing, normed), atol=1e-5)


@pytest.mark.parametrize("form", ["untied", "views"])
def test_dropout_and_a_seed(form, rng):
    x = rng.normal(size=(4, S, C)).astype("float32")

    def run(seed):
        keras.utils.set_random_seed(0)
        layer = make(form, dropout=0.5, seed=seed)
        return keras.ops.convert_to_numpy(layer(x, training=True))

    first = run(3)
    np.testing.assert_array_equal(first, run(3))
    assert not np.array_equal(first, run(4))
    assert 0.4 < (first == 0).mean() < 0.6


def test_a_shared_depthwise_convolution_equals_a_dense_layer_on_each_channel(rng):
    layer = randomized(SharedDepthwiseConv2D((2, 5)), rng, (None, 3, 2, 4))
    assert layer.kernel.shape == (3, 2, 1, 10)  # Kept once, not for each channel.
    x = rng.normal(size=(2, 3, 2, 4))
    kernel, bias = (np.array(w.numpy(), "float64") for w in (layer.kernel, layer.bias))
    expected = np.empty((2, 2, 5, 4))
    for c in range(4):
        units = x[..., c].reshape(2, 6) @ kernel.reshape(6, 10) + bias
        expected[..., c] = units.reshape(2, 2, 5)
    np.testing.assert_allclose(output(layer, x), expected, rtol=1e-5, atol=1e-5)


def test_quantised(rng):
    """Near the exact result, and not it: the products are those of int8 then."""
    layer = randomized(make("shared"), rng)
    x = rng.normal(size=(2, S, C))
    exact = output(layer, x)
    for dense in (layer.dense_0, layer.dense_1):
        dense.quantize("int8")
    error = np.abs(output(layer, x) - exact).max() / np.abs(exact).max()
    assert 0 < error < 0.05


def test_a_policy_for_each_product(rng):
    """Each Dense computes in its own precision, as Keras lets it."""
    whole, mixed = (randomized(make("shared"), np.random.default_rng(1)) for _ in range(2))
    mixed.dense_0.dtype_policy = "mixed_bfloat16"
    x = rng.normal(size=(2, S, C))
    exact = output(whole, x)
    error = np.abs(output(mixed, x) - exact).max() / np.abs(exact).max()
    assert 0 < error < 0.05


def test_lora(rng):
    layer = randomized(make("shared"), rng)
    x = rng.normal(size=(2, S, C))
    merged = make("shared")
    merged.build((None, S, C))
    merged.set_weights(layer.get_weights())
    dense = layer.dense_0
    dense.enable_lora(2)
    a, b = rng.normal(size=(S, 2)), rng.normal(size=(2, D))
    dense.lora_kernel_a.assign(a)
    dense.lora_kernel_b.assign(b)
    merged.dense_0.kernel.assign(keras.ops.convert_to_numpy(merged.dense_0.kernel) + a @ b)
    np.testing.assert_allclose(output(layer, x), output(merged, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TokenMixing(4, form="tied"), "one of 'shared', 'untied', 'grouped', 'views'"),
        (lambda: MixerLayer(4, 4, token_mixing="tied"), "Received: 'tied'"),
        (lambda: TokenMixing(4, form="grouped"), "`groups` must be .* Received: None"),
        (lambda: TokenMixing(4, form="views", groups=0), "`groups` must be .* Received: 0"),
        (lambda: TokenMixing(4, groups=2), "for the token mixing 'grouped' or 'views' alone"),
        (lambda: TokenMixing(4, tokens=0), "`tokens` must be a positive integer"),
        (lambda: TokenMixing(4)(keras.Input((6, None))), "known number of tokens and channels"),
        (
            lambda: TokenMixing(4, form="grouped", groups=3)(keras.Input((6, 8))),
            "`groups` must divide the number of channels, 8. Received: groups=3",
        ),
        (
            lambda: TokenMixing(4, tokens=6)(keras.Input((6, 8))),
            "below the number of tokens of the input, 6. Received: tokens=6",
        ),
        (
            lambda: MixerLayer(4, 4, stochastic_depth=0.1, tokens=3),
            r"pass `stochastic_depth=\(0, rate\)`. Received: stochastic_depth=0.1",
        ),
        (lambda: SharedDepthwiseConv2D((3, 0)), "`grid` must be a positive integer or a pair"),
        (
            lambda: SharedDepthwiseConv2D((3, 1))(keras.Input((None, 2, 4))),
            "known number of rows and columns",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
