"""What stands beside the pixels of a file: it decides about the orientation and nothing else."""

import os
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # The tag of EXIF.
MAX_BYTES = 2**26  # Of a file that is copied without its metadata.
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Tags of a TIFF that say how its pixels are stored, and the orientation.
STORED = {*range(254, 260), 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 301, 317, 320}
STORED |= {*range(322, 326), 332, 338, 339, 347, *range(512, 522), *range(529, 533)}
JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def upright(file) -> "Image":
    """An open file of PIL, turned as its orientation says, if that can be read."""
    from PIL import Image

    file.load()  # A TIFF is turned by this already.
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        method = turn.get(file.getexif().get(ORIENTATION))
    except Exception:  # PIL raises whatever it likes on garbage.
        method = None
    return file if method is None else file.transpose(method)


def without_metadata(picture) -> bytes | None:
    """The bytes of a PNG, JPEG or TIFF without what may be wrong beside its pixels.

    PIL refuses some whole files for text, profiles, densities or chromaticities that it cannot
    parse, and never uses them for pixels.

    Args:
        picture: a path, or the bytes of a file.

    Returns:
        `None` for another format, or more than 64 MiB.
    """
    if not isinstance(picture, bytes):
        if os.path.getsize(picture) > MAX_BYTES:
            return None
        with open(picture, "rb") as file:
            picture = file.read(MAX_BYTES)
    if picture.startswith(PNG):
        return PNG + b"".join(_png_chunks(picture))
    if picture.startswith(JPEG):
        return JPEG + b"".join(_jpeg_segments(picture))
    return _tiff(picture) if picture[:4] in (b"II*\0", b"MM\0*") else None


def _png_chunks(data: bytes):
    """The chunks that make the pixels, as they are, and a whole one of EXIF."""
    place = len(PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            yield data[place:end]
        elif kind == b"eXIf" and end <= len(data):
            (check,) = struct.unpack_from(">I", data, end - 4)
            if check == zlib.crc32(data[place + 4 : end - 4]):
                yield data[place:end]
        place = end


def _jpeg_segments(data: bytes):
    """The segments that make the pixels, EXIF, and what tells the colours: JFIF and Adobe's."""
    place = len(JPEG)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        marker, length = struct.unpack_from(">xBH", data, place)
        segment = data[place : place + 2 + length]
        body = segment[4:]
        if marker == 0xE0 and body.startswith(b"JFIF"):
            yield JFIF
        elif (
            not (0xE0 <= marker <= 0xEF or marker == 0xFE)
            or (marker == 0xE1 and body.startswith(b"Exif\0\0"))
            or (marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12)
        ):
            yield segment
        place += 2 + length
    yield data[place:]


def _tiff(data: bytes) -> bytes | None:
    """The file with a first directory of only the tags in `STORED`."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}4xI", data)
    count = int.from_bytes(data[start : start + 2], "little" if order == "<" else "big")
    entries = [data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
    if not entries or len(entries[-1]) < 12:
        return None
    kept = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] in STORED]
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    return data[:start] + directory + data[start + len(directory) :]
