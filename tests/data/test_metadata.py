"""What stands beside the pixels decides about nothing but the orientation."""

import io
import random
import struct
import zlib

import hostile
import numpy as np
import pytest
from PIL import Image

from keras_mixer.data import decode
from keras_mixer.data.images import check_readable

# Of garbage PIL may warn, and reads it.
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore::UserWarning")]
PLAIN = {
    "JPEG": hostile.encoded(hostile.NOISE, "JPEG"),
    "PNG": hostile.encoded(hostile.PIXELS),
    "TIFF": hostile.encoded(
        Image.fromarray(hostile.PIXELS), "TIFF", software="some", dpi=(72, 72), description="a text"
    ),
}
TEXT = zlib.compress(b"text")
CHUNKS = {
    b"tEXt": b"Comment\0text",
    b"zTXt": b"Comment\0\0" + TEXT,
    b"iTXt": b"Comment\0\1\0\0\0" + TEXT,
    b"iCCP": b"profile\0\0" + TEXT,
    b"eXIf": b"MM\0*\0\0\0\x08\0\0",
    b"pHYs": struct.pack(">IIB", 1, 1, 1),
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": bytes(32),
    b"sRGB": b"\0",
    b"tIME": bytes(7),
    b"acTL": struct.pack(">II", 2, 0),
    b"fcTL": bytes(26),
    b"teSt": b"nobody's",
}
SEGMENTS = {
    0xE0: b"JFIF\0\1\1\0\0\1\0\1\0\0",
    0xE1: b"Exif\0\0MM\0*\0\0\0\x08\0\0",
    0xE2: b"ICC_PROFILE\0\1\1" + bytes(50),
    0xED: b"Photoshop 3.0\0008BIM\x03\xed\0\0\0\0\0\x10" + bytes(16),
    0xEE: b"Adobe\0\x64\0\0\0\0\1",
    0xFE: b"a comment",
}


def mangled(body, draw):
    """The same cut short, with other bytes, or something else."""
    if draw.random() < 0.3:
        return draw.randbytes(draw.randrange(40))
    changed = bytearray(body[: draw.randrange(len(body) + 1)] if draw.random() < 0.5 else body)
    for _ in range(draw.randrange(4) if changed else 0):
        changed[draw.randrange(len(changed))] = draw.choice([0, 255, draw.randrange(256)])
    return bytes(changed)


def pngs(draw):
    """Each chunk before the pixels and behind them; a wrong checksum now and then."""
    plain = PLAIN["PNG"]
    for name, body in CHUNKS.items():
        for place in (33, len(plain) - 12):
            for _ in range(20):
                chunk = bytearray(hostile.chunk(name, mangled(body, draw)))
                chunk[-1] ^= draw.random() < 0.1
                yield plain[:place] + chunk + plain[place:]


def jpegs(draw):
    """Each segment at the beginning and after the first one."""
    plain = PLAIN["JPEG"]
    for marker, whole in SEGMENTS.items():
        for place in (2, 20):
            for _ in range(20):
                body = mangled(whole, draw)
                segment = struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
                yield plain[:place] + segment + plain[place:]


def tiffs(draw):
    """Other types, counts and places of what is said of no pixel."""
    plain = PLAIN["TIFF"]
    (start,) = struct.unpack_from("<4xI", plain)
    (count,) = struct.unpack_from("<H", plain, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", plain, entry)[0] in (270, 282, 283, 296, 305):
            for _ in range(40):
                changed = bytearray(plain)
                changed[entry + 2 : entry + 12] = mangled(plain[entry + 2 : entry + 12], draw)[
                    :10
                ].ljust(10, b"\1")
                yield bytes(changed)


@pytest.mark.parametrize("kind", [pngs, jpegs, tiffs])
def test_the_pixels_are_those_without_it(kind):
    expected = decode(PLAIN[kind.__name__[:-1].upper()])
    made = list(kind(random.Random(0)))
    assert len(made) >= 200
    for changed in made:
        np.testing.assert_array_equal(decode(changed), expected, err_msg=repr(changed[:200]))
        assert check_readable(changed) == expected.shape[:2]


def exif(orientation, *more):
    """EXIF of an orientation and further entries: tag, type, count and four bytes."""
    entries = [struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0), *more]
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "more",
    [
        (),
        (struct.pack(">HHII", 0x011A, 10, 1, 38),),  # A signed rational: -1/0.
        (struct.pack(">HHII", 0x8769, 4, 1, 2**31),),  # EXIF that begins beyond its end.
        (struct.pack(">HHII", 0x8825, 4, 1, 8),),  # GPS that is this directory.
        (struct.pack(">HHII", 0x927C, 7, 2**32 - 1, 2**32 - 1),),
        (struct.pack(">HHII", 0x010E, 99, 1, 0),),  # No such type.
    ],
)
def test_it_is_turned_whatever_else_the_exif_says(kind, more):
    body = exif(6, *more) + struct.pack(">iI", -1, 0)
    image = Image.fromarray(hostile.NOISE)
    lossless = {"lossless": True} if kind == "WEBP" else {}
    file = io.BytesIO()
    image.save(file, kind, exif=body if kind == "WEBP" else b"Exif\0\0" + body, **lossless)
    plain = decode(hostile.encoded(image, kind, **lossless))
    np.testing.assert_array_equal(decode(file.getvalue()), hostile.turned(plain, 6))
    assert check_readable(file.getvalue()) == (64, 48)  # As it is stored.


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("garbage", [b"MM\0*" + bytes(50), b"nothing", b"II*\0\xff\xff\xff\xff"])
def test_garbage_in_the_place_of_exif_is_ignored(kind, garbage):
    options = {"exif": b"Exif\0\0" + garbage, "lossless": True}
    if kind != "WEBP":
        del options["lossless"]
    plain = {k: v for k, v in options.items() if k != "exif"}
    np.testing.assert_array_equal(
        decode(hostile.encoded(hostile.NOISE, kind, **options)),
        decode(hostile.encoded(hostile.NOISE, kind, **plain)),
    )
