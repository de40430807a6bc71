"""From a name or a folder to pictures with labels."""

import shutil

import numpy as np
import pytest
from sklearn import datasets

from keras_mixer import data


def test_digits_are_those_of_scikit_learn():
    digits = data.load("digits")
    assert (len(digits.train), len(digits.test), digits.classes) == (1438, 359, 10)
    bunch = datasets.load_digits()
    for split in (digits.train, digits.test):
        for i in (0, 57):
            number = int(split.names[i].removeprefix("digits/"))
            assert split.labels[i] == bunch.target[number]
            image = split.image(i)
            assert image.shape == (32, 32, 3)
            # Averaging the 4x4 pixels of each original one gives it back, but for the smoothing.
            small = image[..., 0].reshape(8, 4, 8, 4).mean((1, 3)) * 16 / 255
            assert np.corrcoef(small.ravel(), bunch.images[number].ravel())[0, 1] > 0.97


def test_folder_with_a_held_out_fifth(image_folder):
    pictures = data.load(image_folder)
    assert pictures.label_names == ("blue", "red")
    assert np.bincount(pictures.train.labels).tolist() == [8, 8]
    assert np.bincount(pictures.test.labels).tolist() == [2, 2]
    for split in (pictures.train, pictures.test):
        for i in range(len(split)):
            brightest = split.image(i).mean((0, 1)).argmax()
            assert brightest == {0: 2, 1: 0}[split.labels[i]]


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_folder_with_its_own_test_part(image_folder, tmp_path, name):
    root = tmp_path / "parts"
    shutil.copytree(image_folder, root / "train")
    shutil.copytree(image_folder / "red", root / name / "red")
    pictures = data.load(root)
    assert (len(pictures.train), len(pictures.test)) == (20, 10)
    assert set(pictures.test.labels) == {1}


def test_what_is_passed_over(image_folder):
    (image_folder / ".hidden").mkdir()
    (image_folder / "__MACOSX").mkdir()
    (image_folder / "red" / ".0.jpg").write_text("no picture")
    (image_folder / "red" / "notes.txt").write_text("no picture")
    (image_folder / "red" / "gone.jpg").symlink_to("nowhere.jpg")
    assert data.load(image_folder).classes == 2


def test_name_that_is_not_utf_8(image_folder):
    import os

    raw = os.fsencode(image_folder / "red") + b"/\xff.png"
    shutil.copy(os.fsencode(image_folder / "red" / "1.png"), raw)
    pictures = data.load(image_folder)
    assert len(pictures.train) + len(pictures.test) == 21
    pictures.test.fingerprint()


def empty(root):
    shutil.rmtree(root / "red")
    shutil.rmtree(root / "blue")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty, "holds no class folders"),
        (lambda root: shutil.rmtree(root / "red"), "holds one class, 'blue'"),
        (lambda root: (root / "none").mkdir(), "class folders without pictures: none"),
        (
            lambda root: (root / "red" / "3.png").write_bytes(b""),
            r"1 of 20 images cannot be read.*Cannot read .*red/3\.png: not a picture",
        ),
        (
            lambda root: (
                [(root / "red" / f"{i}.png").unlink() for i in range(1, 10, 2)]
                + [(root / "red" / f"{i}.jpg").unlink() for i in range(2, 10, 2)]
            ),
            "at least two pictures",
        ),
    ],
)
def test_bad_folders(image_folder, spoil, message):
    spoil(image_folder)
    with pytest.raises(ValueError, match=message):
        data.load(image_folder)


def test_test_folder_with_other_classes(image_folder, tmp_path):
    root = tmp_path / "parts"
    shutil.copytree(image_folder, root / "train")
    shutil.copytree(image_folder / "red", root / "test" / "green")
    with pytest.raises(ValueError, match="classes that the training folder lacks: green"):
        data.load(root)
    shutil.copytree(image_folder, root / "val")
    shutil.copytree(image_folder, root / "validation")
    with pytest.raises(ValueError, match="both val and validation: keep one"):
        data.load(root)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"'petz' is neither a data set \(digits, pets, .*nor a folder"):
        data.load("petz")
