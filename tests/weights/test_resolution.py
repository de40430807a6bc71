"""Weights of one image size on another."""

import dataclasses

import numpy as np
import pytest

from keras_mixer import SPECS, Mixer, MixerB16, change_resolution
from keras_mixer.weights.resolution import expand, interpolate

PARTS = ("dense_0/kernel", "dense_0/bias", "dense_1/kernel", "dense_1/bias")


def apply(rule, mlp, old, new):
    return [rule(part, array, old, new) for part, array in zip(PARTS, mlp, strict=True)]


def save(model, path):
    model.save(path)
    return path


@pytest.mark.parametrize("way", ["file", "file to the architecture's own size", "memory"])
@pytest.mark.parametrize(("tall", "wide"), [(2, 2), (3, 3), (1, 2), (3, 2)])
def test_expanded_logits_are_the_mean_over_the_tiles(
    tiny, tall, wide, way, rng, randomize, tmp_path
):
    """Appendix C of https://arxiv.org/abs/2105.01601: a copy of the token MLP for each tile."""
    small = randomize(Mixer(tiny, weights=None, classes=5, classifier_activation=None))
    size = (8 * tall, 12 * wide)
    if way != "memory":
        spec = tiny if way == "file" else dataclasses.replace(tiny, image_size=size)
        path = save(small, tmp_path / "small.keras")
        large = Mixer(spec, weights=path, input_shape=(*size, 3), classifier_activation=None)
    else:
        large = change_resolution(small, size)
    images = rng.uniform(-1, 1, (3, 8 * tall, 12 * wide, 3)).astype("float32")
    tiles = [
        images[:, 8 * i : 8 * i + 8, 12 * j : 12 * j + 12] for i in range(tall) for j in range(wide)
    ]
    expected = np.mean([small.predict(tile, verbose=0) for tile in tiles], axis=0)
    np.testing.assert_allclose(large.predict(images, verbose=0), expected, atol=2e-5, rtol=1e-4)


def test_expansion_keeps_the_mean_of_the_old_mlp(rng):
    mlp = (rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 4)), rng.normal(size=4))
    w0, b0, w1, b1 = apply(expand, mlp, (2, 2), (4, 4))
    assert (w0.shape, b0.shape, w1.shape, b1.shape) == ((16, 12), (12,), (12, 16), (16,))
    assert np.count_nonzero(w0) == 4 * 12
    # Token (0, 2) of the large grid is token (0, 0) of the second tile.
    np.testing.assert_array_equal(w0[2, 3:6], mlp[0][0])


def test_interpolation_answers_a_constant_image_alike(tiny, randomize, tmp_path):
    small = randomize(Mixer(tiny, weights=None, classes=5, classifier_activation=None))
    path = save(small, tmp_path / "small.keras")
    # Equal tokens stay equal under linear interpolation only where the outputs are smooth; on
    # constant biases the answer is exactly the old one.
    for i in range(2):
        block = small.get_layer(f"mixer_block_{i}").token_mixing.dense_1
        block.kernel.assign(np.repeat(block.kernel.numpy()[:, :1], 6, axis=1))
        block.bias.assign(np.full(6, 0.3))
    save(small, path)
    other = Mixer(
        tiny,
        weights=path,
        input_shape=(20, 28, 3),
        classifier_activation=None,
        resolution="interpolate",
    )
    old = small.predict(np.full((1, 8, 12, 3), 0.4, "float32"), verbose=0)
    new = other.predict(np.full((1, 20, 28, 3), 0.4, "float32"), verbose=0)
    np.testing.assert_allclose(new, old, atol=1e-5)


def test_interpolation_to_the_same_grid_changes_nothing(rng):
    mlp = (rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=(3, 6)), rng.normal(size=6))
    for old, new in zip(mlp, apply(interpolate, mlp, (2, 3), (2, 3)), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-12)


def test_sizes_that_expansion_cannot_reach(tiny, tmp_path):
    path = save(Mixer(tiny, weights=None), tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"2x3 tokens and this image has\s+3x3.*interpolate"):
        Mixer(tiny, weights=path, input_shape=(12, 12, 3))


def test_a_bare_weights_file_of_unknown_grid(tiny, tmp_path):
    model = Mixer(tiny, weights=None, input_shape=(4, 20, 3))
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="does not say on how many rows and columns"):
        Mixer(tiny, weights=tmp_path / "m.weights.h5")
    same = Mixer(tiny, weights=tmp_path / "m.weights.h5", input_shape=(4, 20, 3))
    assert same.load_report.fresh == ()


def test_expanded_b16(rng):
    """The real shapes once, all twelve layers: about 87.0M parameters with 1000 classes."""
    small = MixerB16(weights=None, classifier_activation=None)
    for variable in small.trainable_variables:
        variable.assign(rng.normal(0, 0.05, variable.shape))
    large = change_resolution(small, (448, 448))
    assert large.get_layer("mixer_block_1").token_mixing.dense_0.kernel.shape == (784, 1536)
    assert round(large.count_params() / 1e6, 1) == 87.0
    images = rng.uniform(-1, 1, (1, 448, 448, 3)).astype("float32")
    tiles = np.concatenate(
        [images[:, i : i + 224, j : j + 224] for i in (0, 224) for j in (0, 224)]
    )
    expected = small.predict(tiles, verbose=0).mean(axis=0)
    got = large.predict(images, verbose=0)[0]
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


def test_parameters_at_448():
    """About 280.5M for L/16 with 1000 classes."""
    import dataclasses

    spec = dataclasses.replace(SPECS["mixer_l16"], tokens_mlp_dim=4 * 512)
    assert round(spec.parameters(image_size=(448, 448)) / 1e6, 1) == 280.5


def test_change_resolution_keeps_the_rest(tiny, randomize, rng):
    model = randomize(
        Mixer(tiny, weights=None, classes=5, include_preprocessing=True, stochastic_depth=0.2)
    )
    model.compile("sgd", "mse")
    before = model.get_weights()
    large = change_resolution(model, (16, 24))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert type(large) is type(model)
    assert [layer.name for layer in large.layers] == [layer.name for layer in model.layers]
    assert (
        large.get_layer("mixer_block_1").stochastic_depth
        == model.get_layer("mixer_block_1").stochastic_depth
    )
    assert large.output_shape == (None, 5)
    same = change_resolution(large, (16, 24))
    x = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    np.testing.assert_allclose(same.predict(x, verbose=0), large.predict(x, verbose=0), atol=1e-6)


def test_change_resolution_says_what_it_cannot_do(tiny):
    import keras

    model = Mixer(tiny, weights=None)
    with pytest.raises(ValueError, match=r"2x3 tokens and this image has 3x3, not a whole number"):
        change_resolution(model, (12, 12))
    assert change_resolution(model, (12, 12), "interpolate").input_shape == (None, 12, 12, 3)
    with pytest.raises(ValueError, match="13x12 pixels is not a whole number of 4x4 patches"):
        change_resolution(model, (13, 12))
    with pytest.raises(ValueError, match="`resolution` must be one of"):
        change_resolution(model, (16, 24), "tile")
    inputs = keras.Input((8,))
    with pytest.raises(ValueError, match="0 `Patches` layers"):
        change_resolution(keras.Model(inputs, keras.layers.Dense(2)(inputs)), (16, 24))
    tokens = model.get_layer("pre_head_layer_norm").output
    flat = keras.layers.Dense(2, name="flat")(keras.layers.Flatten()(tokens))
    with pytest.raises(ValueError, match=r"flat/kernel of .* has shape .* at 8x12 pixels"):
        change_resolution(keras.Model(model.input, flat), (16, 24))


def test_every_unit_answers_equal_tokens_as_before(rng):
    """Interpolated units, on tokens that are all alike, hand-checked by the sum of their kernel."""
    kernel = rng.normal(size=(6, 3))
    resized = interpolate("dense_0/kernel", kernel, (2, 3), (5, 4))
    np.testing.assert_allclose(resized.sum(axis=0), kernel.sum(axis=0), rtol=1e-12)
    outwards = interpolate("dense_1/bias", np.full(6, 0.7), (2, 3), (5, 4))
    np.testing.assert_allclose(outwards, np.full(20, 0.7), rtol=1e-12)
