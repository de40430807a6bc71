"""Hostile pictures, made anew each time: what must be read, and what must be refused, and why.

`python tests/hostile.py DIR` makes them in a folder and says what each is to be.
"""

import dataclasses
import io
import os
import pathlib
import socket
import stat
import struct
import sys
import zlib

import numpy as np
from PIL import Image

RED = (255, 0, 0)
# Six rows of eight pixels, no two alike, so that a turn or a flip shows.
PIXELS = np.arange(6 * 8 * 3, dtype="uint8").reshape(6, 8, 3)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype="uint8")


@dataclasses.dataclass(frozen=True)
class Case:
    """A file, or something that is called like one.

    Args:
        path: where it is.
        reason: a regular expression for why it cannot be read; `None` where it must be read.
        pixels: what must be read, `(height, width, 3)`, or a colour that all of it has; `None`
            where it is no matter.
        atol: how far pixels may be off.
    """

    path: str
    reason: str | None = None
    pixels: object = None
    atol: int = 0


def encoded(image, kind="PNG", **options):
    """A file of PIL."""
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, body):
    """A chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(width, height, depth, colour, rows, *between):
    """A PNG of rows of bytes, compressed one after the other, so that none is ever whole here."""
    press = zlib.compressobj(1)
    data = b"".join(press.compress(b"\0" + row) for row in rows) + press.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rest = (*between, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(rest)


def gif(screen, frame):
    """A GIF that says how large it and its only frame are, and holds one pixel."""
    table = bytes(6)
    descriptor = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0)
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", *screen, 0x80, 0, 0)
        + table
        + descriptor
        + b"\x02\x02\x44\x01\0;"
    )


def many_scans(number):
    """A progressive JPEG whose first scan comes so many times."""
    data = encoded(NOISE, "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xc4", first)  # The tables of the next one.
    return data[:first] + data[first:second] * number + data[second:]


def zeros(megabytes):
    """So many MiB of zeros, compressed."""
    press = zlib.compressobj(1)
    return b"".join(press.compress(bytes(2**20)) for _ in range(megabytes)) + press.flush()


def text_bombs():
    """Chunks of a PNG that grow a thousandfold."""
    bomb = zeros(20)
    return {
        "ztxt": chunk(b"zTXt", b"Comment\0\0" + bomb),
        "itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
        "iccp": chunk(b"iCCP", b"icc\0\0" + bomb),
    }


def turned(pixels, orientation):
    """What a picture looks like that is stored with an orientation of EXIF."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels[::-1].swapaxes(0, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: pixels[:, ::-1].swapaxes(0, 1),
    }[orientation]


def readable():
    """`{name: (content, pixels, atol)}` of files that are odd and whole."""
    rows = [row.tobytes() for row in PIXELS]
    deep = [np.repeat(row.astype(">u2") * 257, 1).tobytes() for row in PIXELS.reshape(6, -1)]
    plain = encoded(PIXELS)
    red, green = Image.new("RGB", (8, 6), RED), Image.new("RGB", (8, 6), (0, 255, 0))
    frames = {"save_all": True, "append_images": [green, green]}
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 255, *RED])
    clear = {"transparency": bytes([255, 0])}
    jpeg = encoded(red, "JPEG", quality=100)
    found = {
        "plain.png": (plain, PIXELS, 0),
        "rows.png": (png(8, 6, 8, 2, rows), PIXELS, 0),
        "no_end.png": (plain[:-12], PIXELS, 0),  # All of its pixels are there.
        "deep_rgb.png": (png(8, 6, 16, 2, deep), PIXELS, 0),
        "deep_grey.png": (png(2, 1, 16, 0, [b"\x80\x80\xff\xff"]), [[[128] * 3, [255] * 3]], 0),
        "palette.png": (encoded(palette, **clear), RED, 0),
        "alpha.png": (encoded(np.dstack([PIXELS, np.zeros((6, 8), "uint8")])), PIXELS, 0),
        "cmyk.jpg": (encoded(Image.new("CMYK", (8, 6), (0, 255, 255, 0)), "JPEG"), RED, 3),
        "progressive.jpg": (encoded(red, "JPEG", progressive=True, quality=100), RED, 3),
        "scans_500.jpg": (many_scans(500), None, 0),
        "really_png.jpg": (plain, PIXELS, 0),
        "upper.PNG": (plain, PIXELS, 0),
        "one.png": (encoded(Image.new("RGB", (1, 1), RED)), RED, 0),
        "strip_100.png": (encoded(Image.new("RGB", (100, 1), RED)), RED, 0),
        "animated.gif": (encoded(red, "GIF", **frames), RED, 1),
        "animated.webp": (encoded(red, "WEBP", lossless=True, **frames), RED, 1),
        "animated.png": (encoded(red, "PNG", **frames), RED, 0),
        "icc_garbage.png": (encoded(PIXELS, icc_profile=b"garbage" * 100), PIXELS, 0),
        "icc_garbage.jpg": (encoded(red, "JPEG", icc_profile=b"garbage" * 9000), RED, 3),
        "exif_garbage.jpg": (encoded(red, "JPEG", exif=b"Exif\0\0MM\0*" + bytes(50)), RED, 3),
        "polyglot_zip.png": (plain + b"PK\3\4" + bytes(100) + b"PK\5\6" + bytes(18), PIXELS, 0),
        "polyglot_zip.jpg": (jpeg + b"PK\3\4" + bytes(100) + b"PK\5\6" + bytes(18), RED, 3),
        "polyglot_html.png": (png(8, 6, 8, 2, rows, chunk(b"tEXt", b"a\0<script>")), PIXELS, 0),
        "pages_tiff.png": (encoded(red, "TIFF", **frames), RED, 0),
    }
    for name, extra in text_bombs().items():  # Never unpacked.
        found[f"bomb_{name}.png"] = (png(8, 6, 8, 2, rows, extra), PIXELS, 0)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        expected = turned(PIXELS, orientation)
        found[f"exif_{orientation}.png"] = (encoded(PIXELS, exif=exif), expected, 0)
        found[f"exif_{orientation}.jpg"] = (
            encoded(NOISE, "JPEG", exif=exif, quality=100, subsampling=0),
            turned(NOISE, orientation),
            12,
        )
    return found


def broken():
    """`{name: (content, reason)}` of files that must be refused."""
    jpeg, whole, webp = encoded(NOISE, "JPEG"), encoded(NOISE), encoded(NOISE, "WEBP")
    unknown = "not a picture of a known format"
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 0xFF
    nan = np.full((6, 8), np.nan, "float32")
    long = "one side may be at most 100 times the other"
    found = {
        "zero.png": (b"", unknown),
        "zero.jpg": (b"", unknown),
        "text.png": (b"hello, I am a picture\n", unknown),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/x'/></svg>", unknown),
        "html.jpg": (b"<!doctype html><title>404</title>", unknown),
        "zip.png": (b"PK\5\6" + bytes(18), unknown),
        "noise.png": (NOISE.tobytes(), unknown),
        "signature.png": (whole[:8], unknown),
        "header.png": (whole[:33], unknown),
        "half.png": (whole[: len(whole) // 2], "truncated"),
        "crc.png": (bytes(spoilt), "broken"),
        "header.jpg": (jpeg[: jpeg.index(b"\xff\xda")], "cannot load this image"),
        "half.gif": (encoded(NOISE, "GIF")[:900], "truncated"),
        "half.webp": (webp[: len(webp) // 2], "decoder"),
        "half.bmp": (encoded(NOISE, "BMP")[:900], "truncated"),
        "1x20000.png": (encoded(Image.new("L", (1, 20_000))), long),
        "20000x1.png": (encoded(Image.new("L", (20_000, 1))), long),
        "strip_101.png": (encoded(Image.new("L", (101, 1))), long),
        "bomb.png": (png(30_000, 30_000, 1, 0, (bytes(3750) for _ in range(30_000))), "bomb"),
        "bomb.gif": (gif((65_535, 65_535), (65_535, 65_535)), "bomb"),
        "bomb_frame.gif": (gif((1, 1), (65_535, 65_535)), "bomb"),
        "header_only.png": (png(2**31 - 1, 2**31 - 1, 8, 2, []), "bomb"),
        "header_zero.png": (png(0, 0, 8, 2, []), unknown),
        "scans_5000.jpg": (many_scans(5000), "it has 5,0.. scans, and at most 1,000 are allowed"),
        "nan_tiff.png": (encoded(nan, "TIFF"), "floating-point numbers, of no known range"),
        "int32_tiff.png": (encoded(np.full((6, 8), 2**20, "int32"), "TIFF"), "beyond 16 bits"),
        "postscript.png": (encoded(NOISE, "EPS"), "Ghostscript would run"),
    }
    for length in (2, 4, 20, 100, 300, len(jpeg) // 2, len(jpeg) - 2, len(jpeg) - 1):
        found[f"cut_{length}.jpg"] = (jpeg[:length], "[Tt]runcated|not a picture")
    for length in (20, 40, 100, len(whole) - 40):
        found[f"cut_{length}.png"] = (whole[:length], "[Tt]runcated|not a picture")
    return found


NAMES = (
    b"\xff\xfe not UTF-8.png",
    b"two\nlines.png",
    b"-dash.png",
    b"spaces  and\ttab.png",
    b"'quotes\" `and` $(more).png",
    "\u202egnp.right to left.png".encode(),
    b"\x1b[31mescape.png",
    b"back\\slash.png",
    b"n" * 251 + b".png",
)


def make(root):
    """Makes all of them in an empty folder; the cases, in the order of their names' bytes.

    What is left out, for it is no picture by name: `.png`, and `folder.png`, a folder.
    """
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    inside = os.fspath(root.resolve())
    cases = []

    def path(name):
        return os.path.join(inside, os.fsdecode(name))

    def write(name, content):
        with open(path(name), "wb") as file:
            file.write(content)
        return path(name)

    for name, (content, pixels, atol) in readable().items():
        cases.append(Case(write(name, content), None, pixels, atol))
    for name, (content, reason) in broken().items():
        cases.append(Case(write(name, content), reason))
    for name in NAMES:
        cases.append(Case(write(name, encoded(PIXELS)), None, PIXELS))

    os.link(path("plain.png"), path("hard_link.png"))
    outside = root.parent / f"{root.name}_outside.png"
    outside.write_bytes(encoded(PIXELS))
    os.symlink(outside.resolve(), path("link_outside.png"))
    cases += [Case(path(name), None, PIXELS) for name in ("hard_link.png", "link_outside.png")]

    write(".png", b"hidden")
    os.mkdir(path("folder.png"))
    os.symlink("loop.png", path("loop.png"))
    os.symlink("nowhere.png", path("dangling.png"))
    os.symlink("/dev/zero", path("dev_zero.png"))
    os.mkfifo(path("fifo.png"))
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(inside, os.O_RDONLY)  # An address may have 107 bytes.
        one.bind(f"/proc/self/fd/{here}/socket.png")
        os.close(here)
    with open(path("sparse.webp"), "wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
        file.truncate(2**31)
    cases += [
        Case(path("loop.png"), "Too many levels of symbolic links"),
        Case(path("dangling.png"), "a link to nothing"),
        Case(path("dev_zero.png"), "not a regular file"),
        Case(path("fifo.png"), "not a regular file"),
        Case(path("socket.png"), "not a regular file"),
        Case(path("sparse.webp"), "2,147,483,648 bytes, and at most 1,073,741,824"),
    ]
    try:
        os.mknod(path("device.png"), stat.S_IFCHR | 0o600, os.makedev(1, 5))  # As /dev/zero.
        cases.append(Case(path("device.png"), "not a regular file"))
    except OSError as error:
        print(f"hostile: no device node: {error.strerror}", file=sys.stderr)
    if os.geteuid():  # The superuser may read everything.
        os.chmod(write("secret.png", encoded(PIXELS)), 0)
        cases.append(Case(path("secret.png"), "Permission denied"))
    return sorted(cases, key=lambda case: os.fsencode(case.path))


if __name__ == "__main__":
    for made in make(sys.argv[1]):
        name = os.fsencode(os.path.basename(made.path)).decode("utf-8", "backslashreplace")
        print(f"{'read' if made.reason is None else 'bad '} {name!r} {made.reason or ''}")
