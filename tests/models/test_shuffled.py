"""Disorder of pixels, and the Mixer that does not see it."""

import keras
import numpy as np
import pytest
import reference

from keras_mixer import Mixer, MixerSpec
from keras_mixer.layers import ShufflePixels
from keras_mixer.models import build_by_name, permute_weights, shuffled

SPEC = MixerSpec("oblong", (2, 4), 3, 16, 10, 24, (8, 12))


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")


def test_patches_and_the_pixels_within_them(images):
    layer = ShufflePixels("patches", (2, 4), seed=3)
    mixed = keras.ops.convert_to_numpy(layer(images))
    patches, pixels = layer.orders((8, 12))
    assert sorted(patches) == list(range(12))
    assert sorted(pixels) == list(range(8))
    assert (np.diff(patches) != 1).any()
    before, after = (reference.patches(x, 2, 4).reshape(3, 12, 8, 3) for x in (images, mixed))
    for place, patch in enumerate(patches):
        for spot, pixel in enumerate(pixels):
            np.testing.assert_array_equal(after[:, place, spot], before[:, patch, pixel])


@pytest.mark.parametrize("how", ["patches", "pixels"])
def test_channels_first_are_shuffled_alike(how, images):
    last = keras.ops.convert_to_numpy(ShufflePixels(how, (2, 4), seed=3)(images))
    keras.config.set_image_data_format("channels_first")
    first = ShufflePixels(how, (2, 4), seed=3)(images.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(first), last.transpose(0, 3, 1, 2))


def test_by_default_a_patch_is_a_pixel():
    layer = ShufflePixels("patches")
    assert (layer.patch_size, layer.seed) == ((1, 1), 0)
    assert [len(order) for order in layer.orders((8, 12))] == [96, 1]


def test_all_pixels(images):
    layer = ShufflePixels("pixels", seed=3)
    mixed = keras.ops.convert_to_numpy(layer(images))
    _, order = layer.orders((8, 12))
    np.testing.assert_array_equal(mixed.reshape(3, 96, 3), images.reshape(3, 96, 3)[:, order])
    other = ShufflePixels("pixels", seed=4)
    assert (other.orders((8, 12))[1] != order).any()


def test_the_order_is_in_the_saved_model(images, randomize, tmp_path):
    model = shuffled(randomize(Mixer(SPEC, weights=None, classes=5)), "patches", (2, 4), seed=7)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_a_mixer_with_permuted_weights_gives_the_same_logits(images, randomize):
    """Exactly: in float64 up to the order of the sums, and in float32 within its rounding."""
    model = randomize(Mixer(SPEC, weights=None, classes=5, classifier_activation=None))
    weights = reference.weights_of(model)
    before = keras.ops.convert_to_numpy(model(images))
    permute_weights(model, seed=11)
    after = keras.ops.convert_to_numpy(shuffled(model, "patches", (2, 4), seed=11)(images))
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()

    exact = reference.mixer_logits(images, weights, (2, 4))
    mixed = keras.ops.convert_to_numpy(ShufflePixels("patches", (2, 4), 11)(images))
    permuted = reference.mixer_logits(mixed, reference.weights_of(model), (2, 4))
    np.testing.assert_allclose(permuted, exact, rtol=0, atol=1e-13 * np.abs(exact).max())

    # Without the permutation, or with another one, they differ.
    assert np.abs(keras.ops.convert_to_numpy(model(images)) - before).max() > 1e-2
    wrong = keras.ops.convert_to_numpy(shuffled(model, "patches", (2, 4), seed=12)(images))
    assert np.abs(wrong - before).max() > 1e-2


def test_wrong_arguments():
    with pytest.raises(
        ValueError, match=r'`how` must be "patches" or "pixels"\. Received: \'all\''
    ):
        ShufflePixels("all")
    with pytest.raises(ValueError, match=r"not a whole number of 5x5 patches"):
        ShufflePixels("patches", 5).build((None, 8, 12, 3))
    untied = Mixer(SPEC, weights=None, classes=5, token_mixing="untied")
    with pytest.raises(ValueError, match=r"oblong is not a plain Mixer"):
        permute_weights(untied)
    with pytest.raises(ValueError, match=r"is not a plain Mixer"):
        permute_weights(build_by_name("keras.applications:MobileNetV2", classes=2))
