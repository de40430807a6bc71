"""From a name or a folder to pictures with labels."""

import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

from keras_mixer import data
from keras_mixer.data import divide

pytestmark = pytest.mark.once


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
    (image_folder / "red" / "folder.jpg").mkdir()
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
        (lambda root: (root / "none").mkdir(), "class folders without images: none"),
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
    with pytest.raises(
        ValueError, match=r"'petz' is neither a data set \(digits, imagenet, .*nor a folder"
    ):
        data.load("petz")


def test_csv_of_paths_and_labels(image_folder):
    rows = [
        f"{label}/{i}.{'png' if i % 2 else 'jpg'},{label}"
        for label in ("blue", "red")
        for i in range(10)
    ]
    table = image_folder / "labels.csv"
    table.write_text("\n".join(["path,label", *rows]))
    loaded = data.load(table)
    assert loaded.label_names == ("blue", "red")
    assert (len(loaded.train), len(loaded.test)) == (16, 4)
    splits = ["train"] * 7 + ["val"] * 2 + ["test"]
    divided = [f"{row},{splits[i % 10]}" for i, row in enumerate(rows)]
    table.write_text("\n".join(["path,label,split", *divided]))
    for dev, names in ((False, ("9.png",)), (True, ("7.png", "8.jpg"))):
        loaded = data.load(table, dev=dev)
        assert len(loaded.train) == 14
        found = {pathlib.Path(name).name for name in loaded.test.names}
        assert found == set(names)
        assert sorted(set(loaded.test.labels.tolist())) == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nblue/0.jpg,blue", "has no column path in its first line"),
        ("", "has no column label and none path"),
        ("path,label\nblue/0.jpg,", "line 2: a row needs a path, a label"),
        ("path,label,split\nblue/0.jpg,blue,hold", "a split of train, test, val"),
        ("path,label\nblue/0.jpg,blue", "has 1 classes to train on; at least two"),
        (
            "path,label,split\nblue/0.jpg,blue,\nred/0.jpg,red,train\nred/1.png,pink,test",
            "has classes in test that train lacks: pink",
        ),
        ("path,label\nblue/0.jpg,blue\nblue/99.jpg,red", "99.jpg: no such file"),
    ],
)
def test_bad_csv(image_folder, text, message):
    table = image_folder / "labels.csv"
    table.write_text(text)
    with pytest.raises(ValueError, match=message):
        data.load(table)


def test_val_is_for_choices_where_there_is_a_test_folder(image_folder, tmp_path):
    root = tmp_path / "parts"
    for part, numbers in (("train", range(6)), ("val", (6, 7)), ("test", (8, 9))):
        for label in ("blue", "red"):
            (root / part / label).mkdir(parents=True)
            for i in numbers:
                name = f"{i}.{'png' if i % 2 else 'jpg'}"
                shutil.copy(image_folder / label / name, root / part / label)
    final, choice = data.load(root), data.load(root, dev=True)
    assert final.train.names == choice.train.names
    assert {pathlib.Path(name).stem for name in final.test.names} == {"8", "9"}
    assert {pathlib.Path(name).stem for name in choice.test.names} == {"6", "7"}
    shutil.rmtree(root / "test")
    assert {pathlib.Path(name).stem for name in data.load(root).test.names} == {"6", "7"}
    choice = data.load(root, dev=True)
    assert (len(choice.train), len(choice.test)) == (10, 2)


def test_a_fifth_to_test_and_a_tenth_of_the_rest_to_choose_by(tmp_path):
    for label in ("few", "many"):
        (tmp_path / label).mkdir()
        for i in range(20 if label == "few" else 100):
            Image.new("RGB", (4, 5), (i, 0, 0)).save(tmp_path / label / f"{i:02}.png")
    whole, parts = data.load(tmp_path), data.load(tmp_path, dev=True)
    splits = (whole.train, whole.test, parts.train, parts.test)
    counts = [np.bincount(split.labels).tolist() for split in splits]
    assert counts == [[16, 80], [4, 20], [14, 72], [2, 8]]


def test_parts_to_choose_by_leave_the_test_images_alone():
    whole, parts = data.load("digits"), data.load("digits", dev=True)
    train, dev, test = map(set, (parts.train.names, parts.test.names, whole.test.names))
    assert train | dev == set(whole.train.names)
    assert not train & dev
    assert not dev & test
    assert abs(len(dev) - len(whole.train) / 10) < 5


def test_arrays(rng):
    x, y = rng.integers(0, 256, (20, 5, 6), dtype="uint8"), np.arange(20) % 4
    loaded = data.from_arrays((x, y[:, None]), label_names="abcd")
    assert (len(loaded.train), len(loaded.test), loaded.label_names) == (16, 4, tuple("abcd"))
    named = data.from_arrays((x, y), label_names=np.array(["a", "b", "c", "d"]))
    assert named.label_names == tuple("abcd")
    assert {type(name) for name in named.label_names} == {str}
    given = data.from_arrays((x, y), (x[:3], y[:3]))
    np.testing.assert_array_equal(given.test.image(2), np.repeat(x[2][..., None], 3, -1))
    assert given.label_names == ("0", "1", "2", "3")


def test_arrays_of_different_sizes(rng):
    """A list, a tuple, or an array of objects; as they are."""
    shapes = [(4, 5), (6, 7, 3), (8, 9, 1), (5, 5, 3)] * 2
    images = [rng.integers(0, 256, shape, dtype="uint8") for shape in shapes]
    objects = np.empty(len(images), object)
    objects[:] = images
    for given in (images, tuple(images), objects):
        loaded = data.from_arrays((given, [0, 1] * 4), (given, [0, 1] * 4))
        for i, image in enumerate(images):
            whole = image if image.ndim == 3 else image[..., None]
            expected = np.broadcast_to(whole, (*whole.shape[:2], 3))
            np.testing.assert_array_equal(loaded.train.image(i), expected)
    cached = loaded.train.cached()
    assert [p.shape[:2] for p in cached.pictures] == [shape[:2] for shape in shapes]


BROKEN = np.zeros((3, 4, 4), "float32")
BROKEN[1, 2, 3], BROKEN[2] = np.nan, np.inf


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 4, 4, 4), "uint8"), np.zeros(3, int), r"image 0 must be uint8 .*\(4, 4, 4\)"),
        (np.zeros((3, 4, 4, 2), "uint8"), np.zeros(3, int), "image 0 must be uint8 of shape"),
        (
            np.zeros((3, 3, 5, 4), "uint8"),
            np.zeros(3, int),
            r"Move the channels last: np\.moveaxis",
        ),
        (np.zeros((3, 4, 4, 3, 1), "uint8"), np.zeros(3, int), "image 0 must be uint8 of shape"),
        (np.zeros((3, 0, 4, 3), "uint8"), np.zeros(3, int), "image 0 has no pixels"),
        (np.zeros((0, 4, 4, 3), "uint8"), np.zeros(0, int), "there must be images"),
        ([np.zeros((4, 4), "uint8"), np.zeros((4,), "uint8")], [0, 1], "image 1 must be uint8"),
        (["a.png", "b.png"], [0, 1], "image 0 must be uint8"),
        (np.zeros((), "uint8"), [0], "image 0 must be uint8"),
        (np.zeros((3, 4, 4)), np.zeros(3, int), "must be uint8 of shape"),
        (BROKEN, np.zeros(3, int), "arrays/train: image 1 holds numbers that are not finite"),
        (-BROKEN, np.zeros(3, int), "image 1 holds numbers that are not finite"),
        (np.zeros((3, 4, 4), "uint8"), np.zeros(2, int), "labels integers of shape"),
        (np.zeros((3, 4, 4), "uint8"), np.zeros(3), "labels must be integers from 0"),
        (np.zeros((3, 4, 4), "uint8"), np.array([0, 1, -1]), "labels must be integers from 0"),
        (np.zeros((3, 4, 4), "uint8"), np.array([0, 1, 5]), "A label is 5 and there are 2 names"),
    ],
)
def test_bad_arrays(images, labels, message):
    with pytest.raises(ValueError, match=message):
        data.from_arrays((images, labels), (images, labels), label_names="ab")


@pytest.mark.parametrize("name", ["jft300m", "imagenet21k", "imagenet_real"])
def test_what_cannot_be_loaded_by_name_says_why(name):
    with pytest.raises(ValueError, match=name):
        data.load(name)


def test_a_large_folder_is_not_gone_through_first(image_folder, monkeypatch):
    (image_folder / "red" / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(data.UnreadableImageError, match="1 of 21 images cannot be read"):
        data.load(image_folder)
    assert not data.load(image_folder, check=False).checked
    monkeypatch.setattr(divide, "CHECKED_ON_LOAD", 20)
    loaded = data.load(image_folder)
    assert not loaded.checked
    assert len(loaded.train) + len(loaded.test) == 21
