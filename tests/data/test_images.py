"""Pictures of every kind to uint8 RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import Split, UnreadableImageError, decode, hold_out


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (5, 7, 3), dtype="uint8")


def test_lossless_rgb_from_a_file_and_from_bytes(pixels, tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    for given in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(decode(given), pixels)


def test_grey_palette_and_alpha(pixels):
    grey = pixels[..., 0]
    np.testing.assert_array_equal(
        decode(encoded(Image.fromarray(grey), format="PNG")), np.stack([grey] * 3, axis=-1)
    )
    rgba = np.dstack([pixels, np.zeros((5, 7), "uint8")])
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba), format="PNG")), pixels)
    palette = Image.fromarray(pixels).quantize(4)
    np.testing.assert_array_equal(
        decode(encoded(palette, format="PNG")), np.asarray(palette.convert("RGB"))
    )
    cmyk = encoded(Image.fromarray(pixels).convert("CMYK"), format="JPEG")
    assert decode(cmyk).shape == (5, 7, 3)


def test_sixteen_bit_grey_is_scaled():
    deep = np.array([[0, 257, 32896, 65535]], "uint16")
    image = decode(encoded(Image.fromarray(deep), format="PNG"))
    np.testing.assert_array_equal(image[0, :, 0], [0, 1, 128, 255])


def test_exif_orientation_is_applied(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    data = encoded(Image.fromarray(pixels), format="PNG", exif=exif)
    np.testing.assert_array_equal(decode(data), np.rot90(pixels, -1))


def test_arrays(pixels):
    np.testing.assert_array_equal(decode(pixels), pixels)
    assert decode(pixels[..., 0]).shape == (5, 7, 3)
    for bad in (pixels.astype("float32"), pixels[..., :2], pixels[None]):
        with pytest.raises(ValueError, match=r"must be uint8 of shape .* Received: "):
            decode(bad)


@pytest.mark.parametrize("length", [0, 10, 100, 300, -2])
def test_a_truncated_picture_names_itself(length, rng):
    whole = encoded(
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype="uint8")), format="JPEG"
    )
    with pytest.raises(UnreadableImageError, match=r"Cannot read cat\.jpg: "):
        decode(whole[:length], "cat.jpg")


def test_check_readable_counts_and_names(pixels):
    good = encoded(Image.fromarray(pixels), format="PNG")
    split = Split([good, b"text", good], np.zeros(3, int), ["a.png", "b.png", "c.png"])
    with pytest.raises(UnreadableImageError, match=r"1 of 3 images.*Cannot read b\.png"):
        split.check_readable()


def test_hold_out_is_stratified_disjoint_exhaustive_and_stable():
    labels = np.repeat([0, 1, 2], [10, 50, 3])
    names = [str(i) for i in range(63)]
    split = Split(names, labels, names)
    train, test = hold_out(split)
    assert np.bincount(test.labels).tolist() == [2, 10, 1]
    assert sorted([*train.names, *test.names]) == sorted(names)
    assert [int(name) for name in test.names] == sorted(int(name) for name in test.names)
    for part in (train, test):
        assert [labels[int(name)] for name in part.names] == part.labels.tolist()
    assert hold_out(split)[1].fingerprint() == test.fingerprint()
    assert hold_out(split, seed=1)[1].fingerprint() != test.fingerprint()


def test_hold_out_of_a_single_picture():
    with pytest.raises(ValueError, match=r"1 of 2 classes have one, such as that of c\."):
        hold_out(Split("abc", np.array([0, 0, 1]), "abc"))
