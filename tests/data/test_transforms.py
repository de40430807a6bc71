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
    np.testing.assert_array_equal(
        transforms.resmall_crop(wide, (224, 224)), wide[16:240, 144:368]
    )


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
        top, left = crop[0, 0, :2]
        np.testing.assert_array_equal(crop, image[top : top + 224, left : left + 224])
        tops.add(int(top))
    assert min(tops) >= 0
    assert max(tops) <= 32
    assert len(tops) > 20


def test_shift_moves_by_up_to_an_eighth(rng):
    image = 1 + ramp(32, 32)
    offsets = set()
    for _ in range(300):
        moved = transforms.shift(image, (32, 32), rng)
        row, column = moved[16, 16, :2].astype(int) - 1 - 16
        offsets.add((row, column))
        inside = moved[max(0, -row) : 32 - max(0, row), max(0, -column) : 32 - max(0, column)]
        window = image[max(0, row) : 32 + min(0, row), max(0, column) : 32 + min(0, column)]
        np.testing.assert_array_equal(inside, window)
        assert (moved == 0).any(-1).sum() == 32 * 32 - inside.shape[0] * inside.shape[1]
    assert {abs(n) for pair in offsets for n in pair} == {0, 1, 2, 3, 4}
