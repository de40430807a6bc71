"""An image that is in a data set twice: in two parts, or under two labels."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_mixer import data

pytestmark = pytest.mark.once

TRAINED = "images are trained on and evaluated on, too"
LABELS = "images have another label elsewhere"


@pytest.fixture
def parts(tmp_path, rng):
    """Five images of each class in train, two in test, no two alike, all equally long."""
    for part, images in (("train", 5), ("test", 2)):
        for label in ("cat", "dog"):
            (tmp_path / part / label).mkdir(parents=True)
            for i in range(images):
                pixels = rng.integers(0, 256, (6, 6, 3), dtype="uint8")
                Image.fromarray(pixels).save(tmp_path / part / label / f"{i}.bmp")
    return tmp_path


def said(loaded):
    return [note.text.partition(", such as ")[0] for note in loaded.notes]


def copy(one, other):
    shutil.copy(one, other)


def link(one, other):
    other.symlink_to(one)


@pytest.mark.parametrize("how", [copy, link, os.link])
@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("train/cat/0.bmp", "test/cat/x.bmp", [f"1 {TRAINED}"]),
        ("train/cat/0.bmp", "test/dog/x.bmp", [f"1 {TRAINED}", f"1 {LABELS}"]),
        ("train/cat/0.bmp", "train/dog/x.bmp", [f"1 {LABELS}"]),
        ("test/cat/0.bmp", "test/dog/x.bmp", [f"1 {LABELS}"]),
        ("train/cat/0.bmp", "train/cat/x.bmp", []),  # Twice as heavy, and nothing wrong.
    ],
)
def test_equal_files_are_said(parts, how, one, other, found):
    assert said(data.load(parts)) == []
    how(parts / one, parts / other)
    loaded = data.load(parts)
    assert said(loaded) == found
    for note in loaded.notes:
        assert note.problem
        assert f"{parts / one}" in note.text
        assert f"{parts / other}" in note.text
    assert bool(data.check(loaded).problems(loaded.label_names)) == bool(found)


def test_equal_files_of_a_part_that_is_held_out_are_said(tmp_path, rng):
    """A fifth is held out image by image: of ten copies of one image two are."""
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        pixels = rng.integers(0, 256, (6, 6, 3), dtype="uint8")
        for i in range(10):
            Image.fromarray(pixels).save(tmp_path / label / f"{i}.png")
    assert said(data.load(tmp_path)) == [f"2 {TRAINED}"]
    assert said(data.load(tmp_path, whole=True)) == []


def test_files_that_vanish_are_left_to_who_reads_them(parts):
    from keras_mixer.data.same import same_images

    loaded = data.load(parts)
    (parts / "train" / "cat" / "0.bmp").unlink()
    assert same_images(loaded.train, loaded.test) == []
    assert len(np.unique(loaded.train.labels)) == 2
