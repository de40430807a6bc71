import numpy as np
import pytest

from keras_mixer.data import transforms


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (30, 50, 3), dtype="uint8")


@pytest.mark.parametrize("crop", transforms.EVALUATION_CROPS)
@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (7, 7), (224, 224), (1, 90)])
@pytest.mark.parametrize("size", [(32, 32), (16, 40)])
def test_every_crop_gives_the_size(crop, shape, size, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype="uint8")
    assert transforms.EVALUATION_CROPS[crop](image, size).shape == (*size, 3)
    for training in transforms.TRAINING_CROPS.values():
        assert training(image, size, rng).shape == (*size, 3)


def ramp(height, width):
    """Red is the row, green the column."""
    rows, columns = np.mgrid[:height, :width].astype("uint8")
    return np.dstack([rows, columns, rows])


def test_resmall_crop_is_the_centre_at_one_scale():
    # 224 of 256: a picture of short side 256 is not resized.
    crop = transforms.resmall_crop(np.repeat(ramp(256, 256), 1, axis=1), (224, 224))
    np.testing.assert_array_equal(crop, ramp(256, 256)[16:240, 16:240])
    wide = np.tile(ramp(256, 128), (1, 4, 1))
    np.testing.assert_array_equal(transforms.resmall_crop(wide, (224, 224)), wide[16:240, 144:368])


def test_resize_crop_squeezes_the_whole_width():
    wide = np.zeros((256, 512, 3), "uint8")
    wide[:, 256:] = 255  # the right half
    crop = transforms.resize_crop(wide, (224, 224))
    assert (crop[:, :110] == 0).all()
    assert (crop[:, 114:] == 255).all()


def test_random_crop_is_a_window_of_the_resized_picture(rng):
    image = ramp(256, 256)
    tops = set()
    for _ in range(50):
        crop = transforms.random_crop(image, (224, 224), rng)
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
    np.testing.assert_array_equal(transforms.affine(image, (32, 48), Fixed()), image)


def test_affine_moves_right_and_down_with_black_moving_in():
    image = 1 + ramp(32, 48)
    moved = transforms.affine(image, (32, 48), Fixed(_3=6, _4=4))
    np.testing.assert_array_equal(moved[4:, 6:], image[:-4, :-6])
    assert not moved[:4].any()
    assert not moved[:, :6].any()


def test_affine_turns_about_the_centre():
    image = ramp(32, 32)
    turned = transforms.affine(image, (32, 32), Fixed(_0=np.pi / 2))
    np.testing.assert_array_equal(turned[1:-1, 1:-1], np.rot90(image)[1:-1, 1:-1])


def test_affine_zooms_about_the_centre():
    image = np.zeros((32, 32, 3), "uint8")
    image[8:24, 8:24] = 255
    zoomed = transforms.affine(image, (32, 32), Fixed(_1=2.0))
    assert zoomed[1:-1, 1:-1].mean() > 250


def test_affine_stays_in_its_ranges(rng):
    image = np.zeros((64, 64, 3), "uint8")
    image[28:36, 28:36] = 255
    centres = []
    for _ in range(200):
        moved = transforms.affine(image, (64, 64), rng)[..., 0].astype(float)
        rows, columns = np.mgrid[:64, :64]
        centres.append([(moved * axis).sum() / moved.sum() - 31.5 for axis in (rows, columns)])
    reach = np.abs(centres).max(axis=0)
    assert (reach > 5).all()
    assert (reach < 6.5).all()  # a tenth of 64
