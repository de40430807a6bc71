"""What the figures show."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_mixer.visualize import Occlusion, occlusion_figure, stem_figure, units_figure

pytestmark = pytest.mark.once


def drawn(figure):
    """The figure as an image of PIL; a warning is an error."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, bbox_inches="tight")
    return Image.open(file)


def cell(page, number, height, width):
    """One unit of a mosaic of eight columns with lines of one pixel."""
    top, left = 1 + number // 8 * (height + 1), 1 + number % 8 * (width + 1)
    return page[top : top + height, left : left + width]


def test_units_side_by_side(rng):
    units = rng.normal(size=(11, 3, 5))
    units[4] = 0
    figure = units_figure(units, "Block 0: $units$")
    axes, bar = figure.axes
    assert axes.get_title() == "Block 0: $units$\nall 11 units"
    assert bar.get_xlabel() == "weight / largest magnitude in its unit"
    (image,) = axes.images
    assert image.get_clim() == (-1, 1)
    page = image.get_array()
    assert page.shape == (2 * 4 + 1, 8 * 6 + 1)
    for i, unit in enumerate(units):
        expected = unit / (np.abs(unit).max() or 1)
        np.testing.assert_allclose(cell(page, i, 3, 5), expected)
    assert page.mask.sum() == page.size - 11 * 15
    assert drawn(figure).width > 600


def test_of_many_units_the_first_are_shown(rng):
    units = rng.normal(size=(1030, 2, 2))
    figure = units_figure(units, "Units", limit=16)
    axes = figure.axes[0]
    assert axes.get_title() == "Units\nthe first 16 of 1,030 units"
    page = axes.images[0].get_array()
    assert page.shape == (7, 25)
    np.testing.assert_allclose(cell(page, 15, 2, 2), units[15] / np.abs(units[15]).max())


def test_stem_patches_in_colour(rng):
    patches = rng.normal(size=(9, 4, 2, 3))
    figure = stem_figure(patches, limit=8)
    (axes,) = figure.axes
    assert "over a patch of 4x2 pixels\nthe first 8 of 9 units; RGB, grey is 0" in axes.get_title()
    page = axes.images[0].get_array()
    assert page.shape == (6, 25, 3)
    for i, patch in enumerate(patches[:8]):
        expected = 0.5 + 0.5 * patch / np.abs(patch).max()
        np.testing.assert_allclose(cell(page, i, 4, 2), expected)
    drawn(figure)


@pytest.mark.parametrize(("units", "limit"), [(0, 8), (3, 0), (3, -1)])
def test_nothing_to_show_is_refused(units, limit):
    message = f"Received: {units} of them and limit={limit}"
    with pytest.raises(ValueError, match=message):
        units_figure(np.zeros((units, 2, 2)), "Units", limit)
    with pytest.raises(ValueError, match=message):
        stem_figure(np.zeros((units, 2, 2, 3)), limit)


def found(drops, stride):
    image = np.zeros((8, 12, 3), "uint8")
    return Occlusion(image, 1, 0.875, np.array(drops), (4, 4), stride)


def test_a_picture_beside_its_map():
    figure = occlusion_figure(found([[0, 0.5, 0], [-0.25, 0, 0]], (4, 4)), ["cat", "$dog$"])
    picture, drops, bar = figure.axes
    assert figure.get_suptitle() == 'What the probability of "$dog$" (87.5%) rests on'
    assert picture.get_title() == "the image as the model gets it"
    assert drops.get_title() == "its fall where 4x4 pixels are grey"
    assert bar.get_ylabel() == "fall (percentage points)"
    assert [axes.get_xlabel() for axes in (picture, drops)] == ["pixels", "pixels"]
    assert picture.get_ylabel() == "pixels"
    assert picture.images[0].get_extent() == [0, 12, 8, 0]
    image = drops.images[0]
    np.testing.assert_allclose(image.get_array(), [[0, 50, 0], [-25, 0, 0]])
    assert image.get_clim() == (-50, 50)
    assert tuple(image.get_extent()) == (0, 12, 8, 0)
    assert drawn(figure).width > 600


def test_windows_lie_about_their_centres():
    """Windows of 4 pixels, one each 2 down and 8 across: centres at 2, 4, 6 and at 2, 10."""
    figure = occlusion_figure(found(np.zeros((3, 2)), (2, 8)))
    assert figure.get_suptitle() == "What the probability of class 1 (87.5%) rests on"
    image = figure.axes[1].images[0]
    assert tuple(image.get_extent()) == (-2, 14, 7, 1)
    assert image.get_clim() == (-1, 1)  # A map of zeros has a scale as well.
    assert figure.axes[1].get_xlim() == (0, 12)
    drawn(figure)


@pytest.mark.parametrize("name", ["日本語", "turned \u202e around", "W" * 300, "lone \ud800", ""])
def test_any_name_of_a_class_can_be_drawn(name):
    drawn(occlusion_figure(found([[0.0]], (4, 4)), ["a", name]))
