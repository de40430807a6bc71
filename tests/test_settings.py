"""A run computes the same, whatever Keras is set to; a layout belongs to its model."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, data, evaluation, models, profiling, serving, training
from keras_mixer.data.pipeline import evaluation_image, image_size
from keras_mixer.export import metadata
from keras_mixer.models import shuffled

FLOATX = ["float16", "bfloat16", "float32"]
if keras.backend.backend() != "jax":  # Which has no float64, unless it is told to.
    FLOATX.append("float64")
RECIPE = training.Recipe(
    *("mine", "a test"),
    weights=None,
    optimizer="adamw",
    batch_size=4,
    steps=3,
    warmup_steps=1,
    evaluations=1,
    ema=0.5,
    crop="resize",
    evaluation_crop="resize",
)


@pytest.fixture
def images(rng):
    pixels = rng.integers(0, 256, (12, 8, 12, 3), dtype="uint8")
    return data.from_arrays((pixels, np.arange(12) % 3))


@pytest.fixture
def configured():
    """Sets what `keras.json` sets."""
    before = keras.config.floatx(), keras.config.epsilon()

    def configure(floatx="float32", epsilon=1e-7, policy=None):
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        keras.config.set_dtype_policy(policy or floatx)

    yield configure
    configure(*before)


def trained(tiny, images, recipe=RECIPE):
    return training.finetune(tiny, images, recipe, verbose=0)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_run_computes_the_same_under_any_setting(tiny, images, configured, loss):
    recipe = RECIPE.replace(loss=loss)
    expected = trained(tiny, images, recipe)
    scores = evaluation.predict(expected.model, images.test, verbose=0)
    for floatx, epsilon in [(floatx, 1e-7) for floatx in FLOATX] + [("float32", 0.1)]:
        configured(floatx, epsilon)
        found = trained(tiny, images, recipe)
        assert found.history == expected.history, (floatx, epsilon)
        np.testing.assert_array_equal(
            evaluation.predict(found.model, images.test, verbose=0), scores
        )
        assert (keras.config.floatx(), keras.config.epsilon()) == (floatx, epsilon)
        assert keras.config.dtype_policy().name == floatx


def test_a_model_that_gives_probabilities(tiny, images, configured):
    """Their loss has `epsilon` in it."""
    losses = []
    for floatx, epsilon in (("float32", 1e-7), ("float16", 1e-7), ("float32", 0.1)):
        configured(floatx, epsilon, policy="float32")
        model = Mixer(tiny, weights=None, classes=3, seed=0)
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        model.get_layer("head").bias.assign([0.0, 20.0, -20.0])
        losses.append(training.finetune(model, images, RECIPE, verbose=0).history["loss"])
    assert losses[1] == losses[2] == losses[0]


@pytest.mark.parametrize("floatx", FLOATX)
def test_a_saved_model_is_what_it_was(tiny, images, configured, tmp_path, floatx):
    model = trained(tiny, images).model
    expected = evaluation.predict(model, images.test, verbose=0)
    model.save(tmp_path / "m.keras")
    configured(floatx)
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(evaluation.predict(again, images.test, verbose=0), expected)


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("float32", "float32"), ("mixed_bfloat16", "float32"), (FLOATX[-1], FLOATX[-1])],
)
def test_the_input_is_as_fine_as_the_weights(tiny, configured, policy, dtype):
    configured("float16", policy=policy)
    assert Mixer(tiny, weights=None).inputs[0].dtype == dtype


def test_weights_too_coarse_to_train(tiny, images, configured):
    configured("float16")
    with pytest.raises(ValueError, match=r"holds its weights in float16, .* mixed_bfloat16"):
        training.finetune(Mixer(tiny, weights=None, classes=3), images, RECIPE)


@pytest.mark.parametrize("name", ["max_epochs", "max_steps_per_epoch"])
def test_a_training_that_keras_would_cut_short(tiny, images, name):
    setter = getattr(keras.config, f"set_{name}")
    setter(1)
    try:
        with pytest.raises(ValueError, match=f"{name}=1.*KERAS_{name.upper()}"):
            trained(tiny, images)
    finally:
        setter(None)


def test_settings_are_told():
    found = profiling.global_settings()
    assert found["image_data_format"] == "channels_last"
    assert found["products"]


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_a_layout_belongs_to_its_model(tiny, images, tmp_path, layout):
    """What was trained under one is evaluated, predicted, exported and served under the other."""
    keras.config.set_image_data_format(layout)
    model = trained(tiny, images).model
    expected = evaluation.predict(model, images.test, crop="resize", verbose=0)
    picture = images.test.image(0)
    row = evaluation_image(picture, (8, 12), "resize", model)
    described = metadata.describe(model, "onnx", "none", False, "resize", None, "a test")
    model.save(tmp_path / "m.keras")

    other = {"channels_first": "channels_last", "channels_last": "channels_first"}[layout]
    keras.config.set_image_data_format(other)
    again = keras.models.load_model(tmp_path / "m.keras")
    assert image_size(again) == (8, 12)
    found = evaluation.predict(again, images.test, crop="resize", verbose=0)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(evaluation_image(picture, (8, 12), "resize", again), row)
    assert metadata.describe(again, "onnx", "none", False, "resize", None, "a test") == described
    classifier = serving.Classifier(again, crop="resize")
    (first,) = classifier.classify([picture], top=1)
    assert first[0].probability == pytest.approx(expected[0].max(), abs=1e-6)
    found = training.finetune(again, images, RECIPE, verbose=0).history
    keras.config.set_image_data_format(layout)
    assert found == training.finetune(model, images, RECIPE, verbose=0).history


def test_a_shuffled_or_convolutional_model_keeps_its_layout(tiny, images, tmp_path):
    keras.config.set_image_data_format("channels_first")
    model = trained(tiny, images).model
    for kind in (models.as_convnet(model), shuffled(model, "pixels")):
        expected = evaluation.predict(kind, images.test, verbose=0)
        kind.save(tmp_path / "m.keras")
        keras.config.set_image_data_format("channels_last")
        again = keras.models.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(
            evaluation.predict(again, images.test, verbose=0), expected, atol=1e-6
        )
        keras.config.set_image_data_format("channels_first")
