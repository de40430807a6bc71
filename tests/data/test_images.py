"""Pictures of every kind to uint8 RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import Split, UnreadableImageError, decode, hold_out, leave_out_bad
from keras_mixer.data.images import check_readable

pytestmark = pytest.mark.once


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
        leave_out_bad([split])


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


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"format": "JPEG", "progressive": True, "quality": 100}),
        ("RGB", {"format": "WEBP", "lossless": True}),
        ("RGB", {"format": "BMP"}),
        ("RGB", {"format": "TIFF"}),
        ("L", {"format": "JPEG", "quality": 100}),
        ("LA", {"format": "PNG"}),
        ("1", {"format": "PNG"}),
        ("P", {"format": "GIF"}),
        ("P", {"format": "PNG", "transparency": bytes(range(256))}),
        ("I;16", {"format": "PNG"}),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (7, 5)])
def test_odd_pictures_are_the_grey_they_show(mode, options, size):
    """A flat grey of 128, or white where a mode has no grey."""
    level = {"1": 255, "I;16": 128 * 257}.get(mode, 128)
    image = Image.new("L", size, 128).convert("P" if mode == "P" else "L")
    if mode in ("RGB", "LA"):
        image = image.convert(mode)
    elif mode in ("1", "I;16"):
        image = Image.new(mode, size, level)
    picture = decode(encoded(image, **options))
    assert picture.dtype == np.uint8
    expected = np.full((size[1], size[0], 3), 255 if mode == "1" else 128)
    np.testing.assert_allclose(picture, expected, atol=1)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (6, 4), color) for color in ((255, 0, 0), (0, 255, 0))]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], format=kind, save_all=True, append_images=frames[1:])
        red = decode(data)
        assert red.shape == (4, 6, 3)
        assert red[..., 0].min() > 250
        assert red[..., 1:].max() < 5


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = encoded(Image.new("1", (20_000, 20_000)), format="PNG")
    assert len(bomb) < 100_000
    for look in (decode, check_readable):
        with pytest.raises(UnreadableImageError, match=r"bomb\.png: .*decompression bomb"):
            look(bomb, "bomb.png")


def test_a_long_strip_is_refused_for_a_crop_would_blow_it_up():
    """To 256 pixels on its short side, and so many times the long one."""
    assert decode(encoded(Image.new("L", (100, 1)), format="PNG")).shape == (1, 100, 3)
    for size in ((101, 1), (1, 20_000)):
        strip = encoded(Image.new("L", size), format="PNG")
        for look in (decode, check_readable):
            with pytest.raises(UnreadableImageError, match=r"strip\.png: .*at most 100 times"):
                look(strip, "strip.png")


def test_the_content_decides_not_the_name(pixels, tmp_path):
    path = tmp_path / "really.jpg"
    path.write_bytes(encoded(Image.fromarray(pixels), format="PNG"))
    np.testing.assert_array_equal(decode(path), pixels)


def test_check_readable_sees_what_decoding_would(rng):
    whole = encoded(
        Image.fromarray(rng.integers(0, 256, (64, 48, 3), dtype="uint8")), format="JPEG"
    )
    assert check_readable(whole) == (64, 48)
    for length in (len(whole) - 2, len(whole) // 2, 30, 0):
        with pytest.raises(UnreadableImageError):
            check_readable(whole[:length], "cut.jpg")
