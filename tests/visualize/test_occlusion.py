"""Occlusion, on a model that looks at one place alone and on a Mixer, window by window."""

import keras
import numpy as np
import pytest
from PIL import Image

import keras_mixer
from keras_mixer.data import Split, UnreadableImageError
from keras_mixer.evaluation import predict
from keras_mixer.visualize import occlusion, occlusion_of
from keras_mixer.weights import records_named

LAYOUTS = ("channels_last", "channels_first")


def looks_at(place, activation=None):
    """A classifier whose class 1 has as logit the mean of the pixels of a place, class 0 has 0."""
    first = keras.config.image_data_format() == "channels_first"
    mask = np.zeros((8, 12, 3))
    mask[place] = 1 / np.ones((8, 12, 3))[place].size
    inputs = keras.Input((3, 8, 12) if first else (8, 12, 3))
    head = keras.layers.Dense(2, activation=activation)
    model = keras.Model(inputs, head(keras.layers.Reshape((-1,))(inputs)), name="spot")
    mask = mask.transpose(2, 0, 1) if first else mask
    head.kernel.assign(np.stack([0 * mask.ravel(), mask.ravel()], axis=1))
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_only_the_place_that_the_model_looks_at_counts(layout, activation):
    keras.config.set_image_data_format(layout)
    model = looks_at(np.s_[4:8, 4:8], activation)
    white = np.full((8, 12, 3), 255, "uint8")
    found = occlusion(model, white, window=4, crop="resize")
    covered = sigmoid(128 / 127.5 - 1)
    expected = np.zeros((2, 3))
    expected[1, 1] = sigmoid(1) - covered
    np.testing.assert_allclose(found.drops, expected, atol=1e-6)
    assert found.label == 1
    assert found.probability == pytest.approx(sigmoid(1), abs=1e-6)
    assert (found.window, found.stride) == ((4, 4), (4, 4))
    np.testing.assert_array_equal(found.image, white)
    other = occlusion(model, white, 0, window=4, crop="resize")
    np.testing.assert_allclose(other.drops, -expected, atol=1e-6)


def test_windows_that_overlap_and_do_not_reach_the_edge():
    """By a window of 4 x 6 each 2 down and 5 across, as much of the place as lies in it."""
    found = occlusion(
        looks_at(np.s_[4:8, 4:8]),
        np.full((8, 12, 3), 255, "uint8"),
        window=(4, 6),
        stride=(2, 5),
        crop="resize",
    )
    grey = 128 / 127.5 - 1
    shares = np.array([[0, 0], [4, 6], [8, 12]]) / 16
    expected = sigmoid(1) - sigmoid(shares * grey + 1 - shares)
    np.testing.assert_allclose(found.drops, expected, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "imagenet21k_miil"])
def test_a_mixer_is_covered_patch_by_patch(tiny, rng, randomize, layout, weights):
    """As by hand, with pixels as the weights ask for them."""
    keras.config.set_image_data_format(layout)
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=4))
    if weights is not None:
        model.mixer_weights = records_named(weights)[0]
    picture = rng.integers(0, 256, (8, 12, 3), dtype="uint8")

    images = [picture.copy() for _ in range(7)]
    for window, image in enumerate(images[1:]):
        row, column = window // 3, window % 3
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 128
    x = np.array(images) / 255 if weights else np.array(images) / 127.5 - 1
    x = x.transpose(0, 3, 1, 2) if layout == "channels_first" else x
    whole, *covered = model.predict(x.astype("float32"), verbose=0)

    found = occlusion(model, picture, crop="resize", batch_size=5)
    assert found.label == whole.argmax()
    drops = [whole[found.label] - row[found.label] for row in covered]
    np.testing.assert_allclose(found.drops, np.reshape(drops, (2, 3)), atol=1e-5)


def test_pixels_that_the_model_prepares_itself(tiny, rng, randomize):
    plain = randomize(keras_mixer.Mixer(tiny, weights=None, classes=4))
    inside = keras_mixer.Mixer(tiny, weights=None, classes=4, include_preprocessing=True)
    inside.set_weights(plain.get_weights())
    picture = rng.integers(0, 256, (8, 12, 3), dtype="uint8")
    drops = [occlusion(model, picture).drops for model in (plain, inside)]
    np.testing.assert_allclose(*drops, atol=1e-5)


@pytest.mark.parametrize("crop", ["resize", "resize_crop", "resmall_crop"])
def test_a_file_of_any_size_is_prepared_as_in_evaluation(tmp_path, tiny, rng, randomize, crop):
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=4))
    pixels = rng.integers(0, 256, (30, 21, 3), dtype="uint8")
    Image.fromarray(pixels).save(tmp_path / "image.png")
    found = occlusion(model, tmp_path / "image.png", crop=crop)
    expected = predict(model, Split([pixels], np.array([0]), ["image"]), crop=crop, verbose=0)
    assert found.image.shape == (8, 12, 3)
    assert found.probability == pytest.approx(expected.max(), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": 2}, "`label` must be a class of spot, 0 to 1. Received: 2"),
        ({"window": 9}, "`window` must be .* from 1 to the image's 8x12. Received: 9"),
        ({"window": (4, 0)}, r"`window` must be .* Received: \(4, 0\)"),
        ({"window": (4, 4, 4)}, r"`window` must be .* Received: \(4, 4, 4\)"),
        ({"window": 4, "stride": 0}, "`stride` must be .* Received: 0"),
        ({"window": 4, "stride": 1.5}, "`stride` must be .* Received: 1.5"),
        ({"window": 4, "crop": "centre"}, "`crop` must be one of resize, .* Received: 'centre'"),
        ({}, "spot has 0 `Patches` layers, not one, .* Pass `window`, in pixels"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        occlusion(looks_at(np.s_[:4, :4]), np.zeros((8, 12, 3), "uint8"), **arguments)


def test_a_model_without_classes_is_refused(tiny):
    model = keras_mixer.Mixer(tiny, weights=None, include_top=False)
    with pytest.raises(ValueError, match=r"tiny gives \(None, 6, 8\); a classifier, with"):
        occlusion(model, np.zeros((8, 12, 3), "uint8"))


def test_an_unreadable_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(UnreadableImageError, match=r"Cannot read .*bad.png: not a picture"):
        occlusion(looks_at(np.s_[:4, :4]), tmp_path / "bad.png", window=4)


def test_anything_that_gives_probabilities_is_watched_alike(tiny, rng, randomize):
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=4))
    picture = rng.integers(0, 256, (8, 12, 3), dtype="uint8")
    calls = []

    def probabilities(images):
        images = np.stack(list(images))
        calls.append(images)
        return model.predict((images / 127.5 - 1).astype("float32"), verbose=0)

    for label in (None, 2):
        expected = occlusion(model, picture, label, window=4, stride=2, crop="resize")
        found = occlusion_of(probabilities, picture, label, window=4, stride=2)
        assert found.label == expected.label
        np.testing.assert_allclose(found.drops, expected.drops, atol=1e-5)
    assert [images.shape for images in calls] == [(1 + 3 * 5, 8, 12, 3)] * 2
    with pytest.raises(ValueError, match=r"`window` must be .* from 1 to the image's 8x12"):
        occlusion_of(probabilities, picture, window=9)
