"""A model against the independent reference, in float64 NumPy, of the published equations."""

import keras
import numpy as np
import pytest
import reference

import keras_mixer

TOLERANCE = 2e-5  # of the largest logit; float32 against float64


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("mixer_ti4", (32, 32)),
        ("mixer_ti4", (24, 40)),
        ("mixer_s16", (96, 96)),
        ("mixer_s16", (64, 112)),
        ("mixer_b32", (224, 224)),
        ("mixer_b32", (160, 96)),
    ],
)
@pytest.mark.parametrize("approximate", [True, False])
def test_logits(name, size, approximate, rng, randomize):
    spec = keras_mixer.SPECS[name]
    model = keras_mixer.Mixer(
        spec,
        weights=None,
        input_shape=(*size, 3),
        classes=20,
        classifier_activation=None,
        gelu_approximate=approximate,
    )
    randomize(model)
    images = rng.uniform(-1, 1, (2, *size, 3))
    expected = reference.mixer_logits(
        images, reference.weights_of(model), spec.patch_size, approximate
    )
    actual = keras.ops.convert_to_numpy(model(images.astype("float32")))
    assert np.abs(expected).max() > 0.1
    assert np.abs(actual - expected).max() < TOLERANCE * np.abs(expected).max()


def test_tolerance_can_tell_the_wrong_gelu_and_epsilon(rng, randomize):
    spec = keras_mixer.SPECS["mixer_ti4"]
    model = keras_mixer.Mixer(spec, weights=None, classes=20, classifier_activation=None)
    randomize(model)
    images = rng.uniform(-1, 1, (2, 32, 32, 3))
    weights = reference.weights_of(model)
    right = reference.mixer_logits(images, weights, spec.patch_size)
    for wrong in (
        reference.mixer_logits(images, weights, spec.patch_size, approximate=False),
        reference.mixer_logits(images, weights, spec.patch_size, epsilon=1e-3),
    ):
        assert np.abs(wrong - right).max() > 2 * TOLERANCE * np.abs(right).max()


def test_softmax_is_the_default(rng, randomize, tiny):
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=5))
    images = rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")
    scores = model.predict(images, verbose=0)
    logits = reference.mixer_logits(images, reference.weights_of(model), (4, 4))
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_channels_first_gives_the_same_logits(rng, randomize, tiny):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow on a CPU takes channels last only")
    last = randomize(keras_mixer.Mixer(tiny, weights=None, classes=5))
    images = rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")
    expected = last.predict(images, verbose=0)
    keras.config.set_image_data_format("channels_first")
    first = keras_mixer.Mixer(tiny, weights=None, classes=5)
    assert first.input_shape == (None, 3, 8, 12)
    first.set_weights(last.get_weights())
    actual = first.predict(images.transpose(0, 3, 1, 2), verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
