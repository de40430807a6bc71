"""Each operation beside its definition in NumPy."""

import math

import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import randaugment
from keras_mixer.data.randaugment import GREY, OPERATIONS

pytestmark = pytest.mark.once


@pytest.fixture
def image(rng):
    """Low contrast, so that stretching shows; not square, so that axes show."""
    return rng.integers(20, 200, (24, 36, 3), dtype="uint8")


class Coin:
    """A generator whose coin always falls on one side."""

    def __init__(self, heads=True, places=(0, 0)):
        self.heads = heads
        self.places = iter(places)

    def random(self):
        return 0.0 if self.heads else 0.9

    def integers(self, high):
        return next(self.places)


def apply(name, image, magnitude, rng=None):
    changed = OPERATIONS[name](Image.fromarray(image), magnitude / 10, rng or Coin())
    return np.asarray(changed)


def grey(image):
    """Luma of ITU-R 601-2, as PIL states it."""
    weights = np.array([299, 587, 114]) / 1000
    return (image.astype("float64") @ weights)[..., None]


def blend(other, image, magnitude):
    factor = 1.8 * magnitude / 10 + 0.1
    return np.clip(other + factor * (image.astype("float64") - other), 0, 255)


def smoothed(image):
    """PIL's SMOOTH: the mean of 3x3 with weight 5 in the middle; the border stays as it is."""
    wide = image.astype("float64")
    total = sum(
        wide[1 + i : wide.shape[0] - 1 + i, 1 + j : wide.shape[1] - 1 + j]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    )
    result = wide.copy()
    result[1:-1, 1:-1] = (total + 4 * wide[1:-1, 1:-1]) / 13
    return result


def equalized(image):
    """Each value becomes the rank of its pixels, spread over [0, 255]."""
    result = np.empty_like(image)
    for channel in range(3):
        values = image[..., channel]
        counts = np.bincount(values.ravel(), minlength=256)
        step = (counts.sum() - counts[counts > 0][-1]) // 255
        below = np.concatenate([[0], np.cumsum(counts)[:-1]])
        result[..., channel] = np.minimum(255, (below + step // 2) // step)[values]
    return result


REFERENCES = {
    "autocontrast": lambda x, m: (
        (x.astype("float64") - x.min((0, 1))) * 255 / (x.max((0, 1)) - x.min((0, 1)))
    ),
    "equalize": lambda x, m: equalized(x),
    "invert": lambda x, m: 255 - x,
    "posterize": lambda x, m: (
        x >> (8 - bits) << (8 - bits) if (bits := min(8, max(1, int(0.4 * m)))) else x
    ),
    "solarize": lambda x, m: np.where(x >= 25.6 * m // 1, 255 - x, x),
    "solarize_add": lambda x, m: np.where(x < 128, np.minimum(255, x.astype(int) + int(11 * m)), x),
    "color": lambda x, m: blend(grey(x), x, m),
    "contrast": lambda x, m: blend(np.rint(np.rint(grey(x)).mean()), x, m),
    "brightness": lambda x, m: blend(0.0, x, m),
    "sharpness": lambda x, m: blend(smoothed(x), x, m),
}
BLENDS = {"color", "contrast", "brightness", "sharpness"}


@pytest.mark.parametrize("magnitude", [1, 5, 9, 15, 30])
@pytest.mark.parametrize("name", REFERENCES)
def test_colours_agree_with_their_definition(name, magnitude, image):
    image = np.tile(image, (8, 8, 1))  # More pixels than values, as equalising needs.
    expected = REFERENCES[name](image, magnitude)
    # PIL rounds the picture it blends with to whole levels, then the blend.
    factor = 1.8 * magnitude / 10 + 0.1
    allowed = 1 + abs(1 - factor) + 1e-6 if name in BLENDS else name == "autocontrast"
    assert np.abs(apply(name, image, magnitude).astype(float) - expected).max() <= allowed


def moved(image, source):
    """Each place takes the pixel that `source(x, y)` names, grey from outside; in float64."""
    result = np.empty_like(image)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            x, y = source(column + 0.5, row + 0.5)
            inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
            result[row, column] = image[int(y), int(x)] if inside else GREY
    return result


def turned(angle, width, height):
    cos, sin = math.cos(angle), math.sin(angle)

    def source(x, y):
        x, y = x - width / 2, y - height / 2
        return cos * x + sin * y + width / 2, cos * y - sin * x + height / 2

    return source


@pytest.mark.parametrize("heads", [True, False])
@pytest.mark.parametrize("magnitude", [2, 10, 30])
def test_moves_agree_with_their_definition(magnitude, heads, image):
    sign, share = 1 if heads else -1, magnitude / 10
    height, width = image.shape[:2]
    sources = {
        "rotate": turned(sign * share * math.pi / 6, width, height),
        "shear_x": lambda x, y: (x + sign * 0.3 * share * y, y),
        "shear_y": lambda x, y: (x, y + sign * 0.3 * share * x),
        "translate_x": lambda x, y: (x + sign * share * width * 100 / 224, y),
        "translate_y": lambda x, y: (x, y + sign * share * height * 100 / 224),
    }
    for name, source in sources.items():
        result = apply(name, image, magnitude, Coin(heads))
        differing = (result != moved(image, source)).any(-1).mean()
        assert differing < 0.01, name  # Places on the very edge of a pixel may round either way.


def test_translation_at_224_pixels_is_that_of_the_paper():
    ramp = np.tile(np.arange(224, dtype="uint8")[None, :, None], (224, 1, 3))
    np.testing.assert_array_equal(apply("translate_x", ramp, 10)[:, :124], ramp[:, 100:])


@pytest.mark.parametrize(("magnitude", "reach"), [(0.1, 0), (10, 40), (30, 120)])
def test_cutout_greys_a_box_about_its_centre(magnitude, reach):
    image = np.zeros((224, 224, 3), "uint8")
    cut = apply("cutout", image, magnitude, Coin(places=(100, 30)))
    expected = image.copy()
    expected[max(0, 30 - reach) : 30 + reach, max(0, 100 - reach) : 100 + reach] = 128
    np.testing.assert_array_equal(cut, expected)


def test_every_operation_has_a_reference():
    moves = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y", "cutout"}
    assert set(OPERATIONS) == set(REFERENCES) | moves


@pytest.mark.parametrize("magnitude", [0, 0.5, 10, 17, 30])
def test_range_and_type_at_every_magnitude(magnitude, image, rng):
    for operation in OPERATIONS.values():
        changed = np.asarray(operation(Image.fromarray(image), magnitude / 10, rng))
        assert changed.dtype == np.uint8
        assert changed.shape == image.shape


def test_magnitude_zero_and_no_layers_leave_the_picture_alone(image, rng):
    picture = Image.fromarray(image)
    for _ in range(20):
        assert randaugment.randaugment(picture, 2, 0, rng) is picture
    assert randaugment.randaugment(picture, 0, 10, rng) is picture


def test_layers_draw_each_operation_equally_often(monkeypatch, image, rng):
    drawn = []
    spies = {
        name: lambda image, strength, rng, name=name: drawn.append((name, strength)) or image
        for name in OPERATIONS
    }
    monkeypatch.setattr(randaugment, "OPERATIONS", spies)
    for _ in range(800):
        randaugment.randaugment(Image.fromarray(image), 2, 15, rng)
    names, strengths = zip(*drawn, strict=True)
    counts = [names.count(name) for name in spies]
    assert sum(counts) == 1600
    assert set(strengths) == {1.5}
    assert min(counts) > 50  # 100 expected, standard deviation 9.7
    assert max(counts) < 150
