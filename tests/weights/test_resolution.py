"""Weights of one image size on another."""

import numpy as np
import pytest

from keras_mixer import SPECS, Mixer
from keras_mixer.weights.resolution import expand_mlp, interpolate_mlp


def save(model, path):
    model.save(path)
    return path


@pytest.mark.parametrize(("tall", "wide"), [(2, 2), (1, 3), (3, 2)])
def test_expanded_logits_are_the_mean_over_the_tiles(tiny, tall, wide, rng, randomize, tmp_path):
    """Appendix C of https://arxiv.org/abs/2105.01601: a copy of the token MLP for each tile."""
    small = randomize(Mixer(tiny, weights=None, classes=5, classifier_activation=None))
    path = save(small, tmp_path / "small.keras")
    large = Mixer(
        tiny, weights=path, input_shape=(8 * tall, 12 * wide, 3), classifier_activation=None
    )
    images = rng.uniform(-1, 1, (3, 8 * tall, 12 * wide, 3)).astype("float32")
    tiles = [
        images[:, 8 * i : 8 * i + 8, 12 * j : 12 * j + 12] for i in range(tall) for j in range(wide)
    ]
    expected = np.mean([small.predict(tile, verbose=0) for tile in tiles], axis=0)
    np.testing.assert_allclose(large.predict(images, verbose=0), expected, atol=2e-5, rtol=1e-4)


def test_expanded_size_of_b16_at_448_pixels():
    """About 87.0M parameters with 1000 classes."""
    import dataclasses

    spec = dataclasses.replace(SPECS["mixer_b16"], tokens_mlp_dim=4 * 384)
    assert round(spec.parameters(image_size=(448, 448)) / 1e6, 1) == 87.0


def test_expansion_keeps_the_mean_of_the_old_mlp(rng):
    mlp = (rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 4)), rng.normal(size=4))
    w0, b0, w1, b1 = expand_mlp(mlp, (2, 2), (4, 4))
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
    for old, new in zip(mlp, interpolate_mlp(mlp, (2, 3), (2, 3)), strict=True):
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
