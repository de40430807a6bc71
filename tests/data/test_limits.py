"""Each limit on data exactly reached, and passed by one."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_mixer import data
from keras_mixer.data import UnreadableImageError, divide, files, hold_out, images, randaugment
from keras_mixer.data.images import open_rgb

pytestmark = pytest.mark.once


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


@pytest.mark.parametrize("side", [1, 2, 7])
def test_one_side_may_be_a_hundred_times_the_other(side):
    for size in ((images.LONGEST * side, side), (side, images.LONGEST * side)):
        assert open_rgb(encoded(Image.new("L", size))).size == size
        assert images.check_readable(encoded(Image.new("L", size))) == size[::-1]
        longer = tuple(n + (n > side) for n in size)
        for look in (open_rgb, images.check_readable):
            with pytest.raises(UnreadableImageError, match="one side may be at most 100 times"):
                look(encoded(Image.new("L", longer)))


def test_pixels_are_width_times_height():
    picture = encoded(Image.new("L", (7, 3)))
    assert open_rgb(picture, max_pixels=21).size == (7, 3)
    assert open_rgb(picture, max_pixels=22).size == (7, 3)
    with pytest.raises(UnreadableImageError, match="it has 7 x 3 pixels and at most 20"):
        open_rgb(picture, max_pixels=20)


def test_scans_of_a_progressive_jpeg(rng, monkeypatch):
    noise = Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype="uint8"))
    picture = encoded(noise, format="JPEG", progressive=True)
    count = picture.count(b"\xff\xda")
    assert count > 3
    for limit in (count, count + 1):
        monkeypatch.setattr(images, "SCANS", limit)
        assert open_rgb(picture).size == (50, 40)
    monkeypatch.setattr(images, "SCANS", count - 1)
    with pytest.raises(
        UnreadableImageError, match=f"it has {count} scans, and at most {count - 1}"
    ):
        open_rgb(picture)


def test_scans_are_counted_wherever_they_begin():
    """At the end of what is read at a time, too."""
    for place in (0, 2**20 - 2, 2**20 - 1, 2**20, 2**21 - 1):
        file = io.BytesIO(bytes(place) + b"\xff\xda" + bytes(9))
        file.seek(3)
        assert images._scans(file) == 1, place
        assert file.tell() == 3


def test_length_of_a_file(tmp_path):
    """Of one with holes, which takes no room."""
    path = tmp_path / "x.png"
    path.write_bytes(encoded(Image.new("L", (7, 3))))
    for length, allowed in ((files.MAX_BYTES, True), (files.MAX_BYTES + 1, False)):
        with open(path, "r+b") as file:
            file.truncate(length)
        assert (files.obstacle(path) is None) == allowed
    assert (
        files.obstacle(path) == "it has 1,073,741,825 bytes, and at most 1,073,741,824 are allowed"
    )


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_so_many_bad_images_and_no_more(bad):
    good = encoded(Image.new("L", (7, 3)))
    pictures = [good, *[b"text"] * bad, good]
    names = [str(i) for i in range(len(pictures))]
    split = data.Split(pictures, np.zeros(len(pictures), int), names)
    for allowed in (bad, bad + 1):
        (left,), skipped = data.leave_out_bad([split], allowed)
        assert (list(left.names), len(skipped)) == (["0", names[-1]], bad)
    with pytest.raises(ValueError, match=f"{bad} of {bad + 2}|must not be negative. Received: -1"):
        data.leave_out_bad([split], bad - 1)


def test_images_are_checked_on_load_up_to_a_number(image_folder, monkeypatch):
    bad = image_folder / "red" / "0.jpg"
    bad.write_bytes(b"text")
    for limit, checked in ((20, True), (21, True), (19, False)):
        monkeypatch.setattr(divide, "CHECKED_ON_LOAD", limit)
        if checked:
            with pytest.raises(UnreadableImageError, match="1 of 20 images cannot be read"):
                data.load(image_folder)
        else:
            assert not data.load(image_folder).checked


def test_strength_of_changes():
    for layers, magnitude in ((0, 0), (2, 30), (0, 0.001)):
        randaugment.check_randaugment(layers, magnitude)
    for layers, magnitude in ((-1, 5), (2, 30.001), (2, -0.001)):
        with pytest.raises(ValueError, match="a magnitude from 0 to 30"):
            randaugment.check_randaugment(layers, magnitude)


@pytest.mark.parametrize(
    ("count", "held"), [(2, 1), (3, 1), (7, 1), (8, 2), (12, 2), (13, 3), (17, 3), (18, 4)]
)
def test_a_fifth_is_rounded_and_at_least_one(count, held):
    names = [str(i) for i in range(count)]
    train, test = hold_out(data.Split(names, np.zeros(count, int), names))
    assert (len(train), len(test)) == (count - held, held)


def test_labels_up_to_the_last_class(rng):
    pictures = [rng.integers(0, 256, (8, 12, 3), dtype="uint8")] * 3

    def batch(labels, classes):
        split = data.Split(pictures, np.array(labels), ["a", "b", "c"])
        return data.EvaluationBatches(split, classes, (8, 12), 3, crop="resize")[0]

    assert batch([0, 1, 2], 3)[1].tolist() == np.eye(3).tolist()
    for labels, classes in (([0, 1, 2], 2), ([0, -1, 0], 3)):
        with pytest.raises(ValueError, match=r"has the label (2|-1), and there are"):
            batch(labels, classes)
