"""Where crops, boxes and turns look, at every small size, beside formulas of their own."""

import fractions
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import transforms
from keras_mixer.data.transforms import Resampling

SIZES = [(side, other) for side in range(1, 46) for other in (side, 46 - side)]
PICTURES = [(5, 9), (9, 5), (37, 20), (20, 37), (50, 51), (24, 113), (1, 60), (64, 64)]


def enlarged(size):
    """8/7 of each side, which is never half a pixel, in whole numbers."""
    return tuple((16 * side + 7) // 14 for side in size)


def ramp(height, width):
    """Red is the row, green the column; two sides that differ, so none is taken for the other."""
    rows, columns = np.mgrid[:height, :width].astype("uint8")
    return np.dstack([rows, columns, 255 - rows])


def middle(pixels, size):
    """As much is cut off before as after, or one pixel less."""
    places = []
    for have, want in zip(pixels.shape, size, strict=False):
        (before,) = [b for b in range(have - want + 1) if have - want - b - b in (0, 1)]
        places.append(slice(before, before + want))
    return pixels[tuple(places)]


@pytest.mark.parametrize("crop", ["resize_crop", "resmall_crop"])
def test_a_crop_is_the_middle_whatever_the_margin(crop):
    """Of an image that is as large as the crop wants it, so that no pixel is changed."""
    odd = 0
    for size in SIZES:
        tall, wide = enlarged(size)
        longer = [(tall, wide)]
        if crop == "resmall_crop":  # The longer side of the image may be anything.
            longer += [(tall, wide + more) for more in (1, 2, 7)] + [(tall + 3, wide)]
        for height, width in longer:
            picture = ramp(height, width)
            found = np.asarray(transforms.EVALUATION_CROPS[crop](Image.fromarray(picture), size))
            np.testing.assert_array_equal(found, middle(picture, size), str((size, height, width)))
            odd += (height - size[0]) % 2 + (width - size[1]) % 2
    assert odd > 50


def small_side(picture, size):
    """To what `resmall_crop` resizes: the least scale at which the enlarged size fits in."""
    want = enlarged(size)
    scale = max(fractions.Fraction(w, have) for w, have in zip(want, picture, strict=True))
    exact = [have * scale for have in picture]
    if any(side.denominator == 2 for side in exact):
        return None  # Half a pixel, which may be rounded either way.
    return tuple(max(w, round(side)) for w, side in zip(want, exact, strict=True))


@pytest.mark.parametrize("picture", PICTURES, ids=str)
def test_evaluation_crops_are_resized_then_cut(picture, rng):
    image = Image.fromarray(rng.integers(0, 256, (*picture, 3), dtype="uint8"))
    targets = {
        "resize": lambda size: size,
        "resize_crop": enlarged,
        "resmall_crop": lambda size: small_side(picture, size),
    }
    assert targets.keys() == transforms.EVALUATION_CROPS.keys()
    for (name, target), size in itertools.product(targets.items(), SIZES[::5]):
        if (to := target(size)) is None:
            continue
        whole = image.resize((to[1], to[0]), Image.Resampling.BILINEAR)
        found = np.asarray(transforms.EVALUATION_CROPS[name](image, size))
        np.testing.assert_array_equal(found, middle(np.asarray(whole), size), f"{name} {size}")


def sampled(image, x, y):
    """Bilinear values at places in pixels; beyond the centers of the border they stay the same."""
    height, width = image.shape[:2]
    x, y = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    above = (1 - across) * image[top, left] + across * image[top, right]
    below = (1 - across) * image[bottom, left] + across * image[bottom, right]
    return (1 - down) * above + down * below


@pytest.mark.parametrize(
    "box", [(3, 1, 17, 11), (0, 0, 4, 11), (10, 2, 23, 5), (22, 10, 23, 11), None]
)
@pytest.mark.parametrize("size", [(5, 9), (9, 5), (11, 23), (30, 7)])
def test_without_antialias_a_box_is_sampled_at_the_centers_of_pixels(box, size, rng):
    pixels = rng.integers(0, 256, (11, 23, 3), dtype="uint8")
    left, top, right, bottom = box or (0, 0, 23, 11)
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    x = left + columns * (right - left) / size[1]
    y = top + rows * (bottom - top) / size[0]
    found = transforms.resize(Image.fromarray(pixels), size, Resampling(antialias=False), box)
    expected = sampled(pixels.astype("float64"), x, y)
    assert np.abs(np.asarray(found) - expected).max() <= 1 + 1e-6


class Given:
    """Draws what it is told to, from ranges that hold it."""

    def __init__(self, *draws):
        self.draws = iter(draws)

    def uniform(self, low, high):
        draw = next(self.draws)
        assert low < draw < high
        return draw


@pytest.mark.parametrize("draws", [*itertools.product((-0.1, 0.07), (0.93, 1.06), (-0.08, 0.05))])
@pytest.mark.parametrize("moves", [(0, 0), (2.3, -1.5), (-2.1, 2.4)], ids=str)
@pytest.mark.parametrize("size", [(30, 48), (41, 27)], ids=str)
def test_affine_is_its_definition_on_both_sides(size, draws, moves, rng):
    """A point of the result goes back by the move, and is turned and sheared about the center."""
    smooth = rng.integers(0, 256, (6, 7, 3), dtype="uint8")
    picture = Image.fromarray(smooth).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    angle, zoom, shear = draws
    found = np.asarray(transforms.affine(picture, size, Given(angle, zoom, shear, *moves)))
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    x, y = columns - moves[0] - size[1] / 2, rows - moves[1] - size[0] / 2
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    back = cos * x + (shear - sin) * y + size[1] / 2, sin * x + cos * y + size[0] / 2
    expected = sampled(np.asarray(picture, "float64"), *back)
    inside = (np.abs(back[0] - size[1] / 2) < size[1] / 2 - 1) & (
        np.abs(back[1] - size[0] / 2) < size[0] / 2 - 1
    )
    assert inside.mean() > 0.5
    assert np.abs(found - expected)[inside].max() <= 1 + 1e-6
    outside = (np.abs(back[0] - size[1] / 2) > size[1] / 2 + 1) | (
        np.abs(back[1] - size[0] / 2) > size[0] / 2 + 1
    )
    assert not found[outside].any()


def test_a_flip_turns_columns_and_no_rows():
    for height, width in itertools.product(range(1, 8), repeat=2):
        flipped = np.asarray(transforms.flip(Image.fromarray(ramp(height, width))))
        np.testing.assert_array_equal(flipped, ramp(height, width)[:, ::-1])
