"""What strangers send, to pictures or to one line."""

import io

import numpy as np
import pytest
from PIL import Image
from served import encoded, header

from keras_mixer.data import UnknownFormatError, UnreadableImageError, decode
from keras_mixer.serving import read_upload

pytestmark = pytest.mark.once


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype="uint8")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_the_formats_give_what_decode_gives(kind, pixels):
    data = encoded(pixels, format=kind)
    np.testing.assert_array_equal(read_upload(data), decode(data))


def test_other_formats_are_refused_by_content(pixels):
    for data in (encoded(pixels, format="TIFF"), b"%PDF-1.7\n", b"<svg/>", b"/etc/passwd"):
        with pytest.raises(
            UnknownFormatError, match=r"^Cannot read x\.png: not a picture of these formats: JPEG"
        ):
            read_upload(data, name="x.png")


@pytest.mark.parametrize("size", [(1000, 1001), (12_000, 12_000), (60_000, 60_000), (2**31, 1)])
def test_pixels_are_counted_before_anything_is_decoded(size):
    with pytest.raises(UnreadableImageError) as raised:
        read_upload(header(*size), max_pixels=1_000_000, name="bomb")
    message = str(raised.value)
    assert message.startswith("Cannot read bomb: ")
    assert "\n" not in message
    if size[0] < 12_000:  # Beyond, PIL's own limit comes first.
        assert "it has 1000 x 1001 pixels and at most 1000000 are allowed" in message


def test_the_limits_are_exact(pixels):
    data = encoded(pixels)
    assert read_upload(data, max_bytes=len(data), max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(UnreadableImageError, match=rf"{len(data)} bytes and at most"):
        read_upload(data, max_bytes=len(data) - 1)
    with pytest.raises(UnreadableImageError, match=r"30 x 20 pixels and at most 599"):
        read_upload(data, max_pixels=599)


def test_long_strips_are_refused_for_a_crop_would_blow_them_up():
    assert read_upload(encoded(Image.new("L", (100, 1)))).shape == (1, 100, 3)
    for size in ((101, 1), (1, 101)):
        with pytest.raises(UnreadableImageError, match="side may be at most 100 times the"):
            read_upload(encoded(Image.new("L", size)))


def test_every_cut_of_a_file_is_a_line_or_a_picture(pixels):
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        whole = encoded(pixels, format=kind)
        for length in range(0, len(whole) - 1, 37):
            try:
                picture = read_upload(whole[:length])
            except UnreadableImageError:
                continue
            assert picture.shape == (20, 30, 3)


def test_nothing_is_written(pixels, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    read_upload(encoded(pixels))
    buffer = io.BytesIO(encoded(pixels, format="GIF"))
    read_upload(buffer.getvalue())
    assert list(tmp_path.iterdir()) == []
