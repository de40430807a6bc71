import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import transforms
from keras_mixer.data.transforms import Resampling

pytestmark = pytest.mark.once


def apply(function, image, *arguments):
    """What a function makes of a picture, both as arrays."""
    return np.asarray(function(Image.fromarray(image), *arguments))


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (30, 50, 3), dtype="uint8")


@pytest.mark.parametrize("crop", transforms.EVALUATION_CROPS)
@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (7, 7), (224, 224), (1, 90)])
@pytest.mark.parametrize("size", [(32, 32), (16, 40)])
def test_every_crop_gives_the_size(crop, shape, size, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype="uint8")
    assert apply(transforms.EVALUATION_CROPS[crop], image, size).shape == (*size, 3)
    for training in transforms.TRAINING_CROPS.values():
        assert apply(training, image, size, rng).shape == (*size, 3)


def ramp(height, width):
    """Red is the row, green the column."""
    rows, columns = np.mgrid[:height, :width].astype("uint8")
    return np.dstack([rows, columns, rows])


def test_resmall_crop_is_the_centre_at_one_scale():
    # 224 of 256: a picture of short side 256 is not resized.
    crop = apply(transforms.resmall_crop, np.repeat(ramp(256, 256), 1, axis=1), (224, 224))
    np.testing.assert_array_equal(crop, ramp(256, 256)[16:240, 16:240])
    wide = np.tile(ramp(256, 128), (1, 4, 1))
    np.testing.assert_array_equal(
        apply(transforms.resmall_crop, wide, (224, 224)), wide[16:240, 144:368]
    )


def test_resize_crop_squeezes_the_whole_width():
    wide = np.zeros((256, 512, 3), "uint8")
    wide[:, 256:] = 255  # the right half
    crop = apply(transforms.resize_crop, wide, (224, 224))
    assert (crop[:, :110] == 0).all()
    assert (crop[:, 114:] == 255).all()


def test_random_crop_is_a_window_of_the_resized_picture(rng):
    image = ramp(256, 256)
    tops = set()
    for _ in range(50):
        crop = apply(transforms.random_crop, image, (224, 224), rng)
        top, left = crop[0, 0, :2].astype(int)
        np.testing.assert_array_equal(crop, image[top : top + 224, left : left + 224])
        tops.add(int(top))
    assert min(tops) >= 0
    assert max(tops) <= 32
    assert len(tops) > 20


class Fixed:
    """Draws the middle of each range, but for the numbers given by their place."""

    def __init__(self, **draws):
        self.draws = {int(place[1:]): value for place, value in draws.items()}
        self.place = -1

    def uniform(self, low, high):
        self.place += 1
        assert low < high
        return self.draws.get(self.place, (low + high) / 2)


def test_affine_of_the_middle_of_every_range_changes_nothing():
    image = ramp(32, 48)
    np.testing.assert_array_equal(apply(transforms.affine, image, (32, 48), Fixed()), image)


def test_affine_moves_right_and_down_with_black_moving_in():
    image = 1 + ramp(32, 48)
    moved = apply(transforms.affine, image, (32, 48), Fixed(_3=6, _4=4))
    np.testing.assert_array_equal(moved[4:, 6:], image[:-4, :-6])
    assert not moved[:4].any()
    assert not moved[:, :6].any()


def test_affine_turns_about_the_centre():
    image = ramp(32, 32)
    turned = apply(transforms.affine, image, (32, 32), Fixed(_0=np.pi / 2))
    np.testing.assert_array_equal(turned[1:-1, 1:-1], np.rot90(image)[1:-1, 1:-1])


def test_affine_zooms_about_the_centre():
    image = np.zeros((32, 32, 3), "uint8")
    image[8:24, 8:24] = 255
    zoomed = apply(transforms.affine, image, (32, 32), Fixed(_1=2.0))
    assert zoomed[1:-1, 1:-1].mean() > 250


def test_affine_stays_in_its_ranges(rng):
    image = np.zeros((64, 64, 3), "uint8")
    image[28:36, 28:36] = 255
    centres = []
    for _ in range(200):
        moved = apply(transforms.affine, image, (64, 64), rng)[..., 0].astype(float)
        rows, columns = np.mgrid[:64, :64]
        centres.append([(moved * axis).sum() / moved.sum() - 31.5 for axis in (rows, columns)])
    reach = np.abs(centres).max(axis=0)
    assert (reach > 5).all()
    assert (reach < 6.5).all()  # a tenth of 64


def triangle_resize(image, size, antialias):
    """Bilinear resizing in float64, straight from its definition: a weighted mean a pixel.

    The weight of a pixel falls linearly with its distance from the place that is asked for, to
    zero at one pixel of the coarser grid (antialias) or of the picture (not).
    """
    for axis, want in enumerate(size):
        have = image.shape[axis]
        scale = have / want
        width = max(scale, 1.0) if antialias else 1.0
        places = (np.arange(want) + 0.5) * scale
        distance = np.abs(np.arange(have)[None] + 0.5 - places[:, None].clip(0.5, have - 0.5))
        weights = np.maximum(0, 1 - distance / width)
        weights /= weights.sum(axis=1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("shape", [(50, 75), (375, 500), (9, 31), (90, 20)])
def test_resize_agrees_with_its_definition_within_one_grey_level(shape, antialias, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype="uint8")
    how = Resampling("bilinear", antialias)
    resized = apply(transforms.resize, image, (24, 32), how)
    expected = triangle_resize(image.astype("float64"), (24, 32), antialias)
    assert np.abs(resized - expected).max() <= 1 + 1e-6


def test_without_antialias_fine_stripes_alias(rng):
    stripes = np.tile(np.array([0, 255], "uint8")[None, :, None], (64, 32, 3))
    averaged = apply(transforms.resize, stripes, (8, 8), Resampling(antialias=True))
    assert np.ptp(averaged[:, 1:-1].astype(int)) <= 40
    shifted = np.tile(np.array([0, 0, 255], "uint8")[None, :, None], (63, 21, 3))
    picked = apply(transforms.resize, shifted, (21, 21), Resampling(antialias=False))
    assert (picked == 0).all()  # The middle of each three.


def test_bicubic_is_another_kernel(rng):
    image = rng.integers(0, 256, (50, 70, 3), dtype="uint8")
    bilinear, bicubic = (
        apply(transforms.resize, image, (24, 32), Resampling(name))
        for name in ("bilinear", "bicubic")
    )
    assert np.abs(bilinear.astype(int) - bicubic).max() > 5
    expected = Image.fromarray(image).resize((32, 24), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(bicubic, np.asarray(expected))


def test_a_box_is_what_is_cut_out_and_resized(rng):
    image = rng.integers(0, 256, (40, 60, 3), dtype="uint8")
    inside = apply(transforms.resize, image, (20, 30), transforms.DEFAULT, (10, 5, 40, 25))
    np.testing.assert_array_equal(inside, image[5:25, 10:40])


def test_inception_crop_takes_boxes_of_the_stated_areas_and_shapes(rng, monkeypatch):
    boxes = []
    monkeypatch.setattr(
        transforms, "resize", lambda image, size, how, box=None: boxes.append(box) or image
    )
    image = Image.new("RGB", (400, 300))
    for _ in range(2000):
        transforms.inception_crop(image, (224, 224), rng)
    left, top, right, bottom = np.array(boxes).T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (right <= 400).all()
    assert (bottom <= 300).all()
    areas = (right - left) * (bottom - top) / (400 * 300)
    shapes = (right - left) / (bottom - top)
    assert 0.049 < areas.min() < 0.06
    assert 0.9 < areas.max() <= 1
    assert 0.73 < shapes.min() < 0.77
    assert 1.30 < shapes.max() < 1.36


def test_inception_crop_of_a_picture_that_no_box_fits(rng):
    line = rng.integers(0, 256, (1, 4000, 3), dtype="uint8")
    crop = apply(transforms.inception_crop, line, (8, 8), rng)
    np.testing.assert_array_equal(crop, apply(transforms.resize, line, (8, 8)))
