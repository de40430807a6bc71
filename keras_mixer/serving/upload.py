"""From the bytes that a stranger sent to a picture, within limits, without touching the disk."""

import numpy as np

from keras_mixer.data import UnknownFormatError, UnreadableImageError
from keras_mixer.data.images import open_rgb

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # Others have decoders that few people look at.
MAX_BYTES = 16 * 2**20
MAX_PIXELS = 25_000_000


def read_upload(
    data: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    name: str = "image",
) -> np.ndarray:
    """A picture that was sent, `(height, width, 3)` in uint8 RGB; see `keras_mixer.data.decode`.

    Args:
        data: the content of a file in one of `FORMATS`, which decides, not what it is called.
        max_bytes: the length it may have.
        max_pixels: how many it may have, as its header says, before anything is decoded. PIL
            warns of more than 89,478,485, or refuses them, whatever is said here.
        name: what to call it in a message.

    Raises:
        UnknownFormatError: it is in none of these formats.
        UnreadableImageError: it is empty, too large, truncated or damaged, or as `open_rgb`.

    Example:
        `read_upload(open("cat.jpg", "rb").read(), max_pixels=1_000_000)`
    """
    if not data:
        raise UnreadableImageError(f"Cannot read {name}: it has 0 bytes. Send the whole file.")
    if len(data) > max_bytes:
        raise UnreadableImageError(
            f"Cannot read {name}: it has {len(data)} bytes and at most {max_bytes} are allowed. "
            "Shrink it."
        )
    try:
        return np.asarray(open_rgb(data, name, formats=FORMATS, max_pixels=max_pixels))
    except UnknownFormatError as error:
        raise UnknownFormatError(f"{error}. Convert it to one of them.") from error
    except UnreadableImageError as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise UnreadableImageError(
            f"{reason}. Send a whole picture of at most {max_pixels} pixels."
        ) from error
