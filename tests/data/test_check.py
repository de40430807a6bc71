import shutil

import keras
import numpy as np
import pytest

from keras_mixer import data

pytestmark = pytest.mark.once


def names(pairs):
    return [tuple(name.rsplit("/", 2)[-1] for name in pair) for pair in pairs]


def test_a_sound_folder(image_folder):
    report = data.check(data.load(image_folder))
    assert report.counts["train"].tolist() == [8, 8]
    assert report.counts["test"].tolist() == [2, 2]
    assert report.heights == (20, 24, 29)
    assert report.widths == (25, 25, 25)
    assert report.imbalance == 1
    assert report.problems(("blue", "red")) == []


def test_everything_that_would_spoil_a_training(image_folder, tmp_path):
    root = tmp_path / "parts"
    shutil.copytree(image_folder, root / "train")
    for label in ("blue", "red"):
        (root / "test" / label).mkdir(parents=True)
        shutil.copy(image_folder / label / "0.jpg", root / "test" / label / f"copy-{label}.jpg")
    shutil.copy(root / "train" / "red" / "3.png", root / "train" / "blue" / "same.png")
    (root / "train" / "red" / "bad.jpg").write_bytes(b"no picture")
    report = data.check(data.load(root, check=False))
    assert names(report.shared) == [("0.jpg", "copy-blue.jpg"), ("0.jpg", "copy-red.jpg")]
    assert names(report.contradictory) == [("same.png", "3.png")]
    assert [line.split("/")[-1] for line in report.unreadable] == [
        "bad.jpg: not a picture of a known format"
    ]
    problems = report.problems(("blue", "red"))
    assert [line.partition(":")[0] for line in problems] == [
        "1 cannot be read",
        "2 are to train on and to judge on",
        "1 have another label elsewhere in their split",
    ]


def test_arrays_and_a_class_without_pictures(rng):
    x = rng.integers(0, 256, (12, 4, 4), dtype="uint8")
    loaded = data.from_arrays((x[:8], [0, 0, 0, 0, 0, 0, 2, 2]), (x[6:], np.ones(6, int)), "abc")
    report = data.check(loaded)
    assert len(report.shared) == 2
    assert report.imbalance == np.inf
    assert "1 classes have nothing to train on: b" in report.problems("abc")


@pytest.mark.parametrize(("bad", "more"), [(5, ""), (6, "; and 1 more"), (8, "; and 3 more")])
def test_five_of_a_problem_are_named_and_the_others_counted(bad, more):
    pixels = np.arange(3 * bad * 48, dtype="uint8").reshape(3 * bad, 4, 4, 3)
    pictures = [*pixels[: 2 * bad], *[b"no picture"] * bad]
    split = data.Split(pictures, np.arange(3 * bad) % 2, [f"p{i}" for i in range(3 * bad)])
    report = data.check(data.ImageData("made", split, split.subset([0]), ("a", "b")))
    line = next(line for line in report.problems("ab") if "cannot be read" in line)
    assert line.startswith(f"{bad} cannot be read: ")
    assert line.count("p") - line.count("pic") == 5
    assert line.endswith(f"p{2 * bad + 4}: not a picture of a known format{more}")


@pytest.mark.parametrize("weights", [None, "imagenet_miil"])
def test_gallery_shows_the_pictures_and_their_labels(rng, weights):
    x = rng.integers(0, 256, (5, 100, 120, 3), dtype="uint8")
    split = data.Split(list(x), np.arange(5), [str(i) for i in range(5)])
    batch = data.EvaluationBatches(split, 5, (100, 120), 5, crop="resize", weights=weights)[0]
    page = np.asarray(data.gallery(batch, "abcde", columns=2, weights=weights))
    cell = 100 + 2 * 14 + 8
    for i in range(5):
        top, left = 8 + i // 2 * cell, 8 + i % 2 * 128
        np.testing.assert_array_equal(page[top : top + 100, left : left + 120], x[i])
        assert page[top + 100 : top + 114, left : left + 120].min() < 128  # The label.
        assert page[top + 114 : top + 128, left : left + 120].min() == 255  # One line alone.


def test_a_long_name_ends_at_the_edge_of_its_picture(rng):
    x = rng.uniform(-1, 1, (2, 96, 120, 3)).astype("float32")
    page = np.asarray(data.gallery((x, np.eye(2)), ["m" * 60, "i"], columns=2))
    label = page[8 + 96 : 8 + 110].min(-1)
    assert label[:, 8 + 100 : 8 + 120].min() < 128  # As far as it goes,
    assert label[:, 8 + 121 : 8 + 128].min() == 255  # and no further.


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_small_pictures_are_enlarged_alike_both_ways(rng, layout):
    keras.config.set_image_data_format(layout)
    pixels = rng.integers(0, 256, (1, 10, 24, 3), dtype="uint8")
    x = pixels.astype("float32") / 127.5 - 1
    x = x if layout == "channels_last" else x.transpose(0, 3, 1, 2)
    page = np.asarray(data.gallery((x, np.ones((1, 1))), "a", columns=1))
    np.testing.assert_array_equal(page[8:48, 8:104], pixels[0].repeat(4, 0).repeat(4, 1))


def test_captions():
    from keras_mixer.data.gallery import captions

    assert captions(np.array([0, 1.0, 0]), "abc") == ["b"]
    assert captions(np.array([0.25, 0, 0.75]), "abc") == ["75% c", "25% a"]
