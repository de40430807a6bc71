"""Pictures with labels, and how a picture of any kind becomes uint8 RGB."""

import collections
import contextlib
import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from keras_mixer.data.files import Found, obstacle, shown

if TYPE_CHECKING:
    from PIL.Image import Image


LONGEST = 100  # Times the shorter side: crops resize that one, and the longer one grows with it.
SCANS = 1000  # Of a progressive JPEG, which has about ten; each one goes over the whole picture.


class UnreadableImageError(ValueError):
    """A picture cannot be decoded; the message names it and the reason, `reason` is that alone."""

    def __init__(self, message: str, reason: str | None = None):
        super().__init__(message)
        self.reason = message if reason is None else reason


class UnknownFormatError(UnreadableImageError):
    """A picture is in no format that is known, or allowed."""


def decode(picture, name: str | None = None) -> np.ndarray:
    """A picture as an array `(height, width, 3)` of uint8 RGB; see `open_rgb`."""
    return np.asarray(open_rgb(picture, name))


def open_rgb(
    picture,
    name: str | None = None,
    *,
    formats: tuple[str, ...] | None = None,
    max_pixels: int | None = None,
) -> "Image":
    """A picture of any kind as an RGB image of PIL.

    Files are turned as their EXIF orientation says. Grey, palette and CMYK pictures become RGB,
    16-bit channels are scaled to 8, transparency is dropped and an animation gives its first
    frame.

    Args:
        picture: the path of a file, its bytes, or an array `(height, width[, 1 or 3])` of uint8.
        name: what to call it in a message; by default its path.
        formats: the only ones of PIL that its content may be in, such as `"PNG"`; by default all.
        max_pixels: how many it may have, as its header says, before anything is decoded.

    Raises:
        UnknownFormatError: it is not a picture, or in none of `formats`.
        UnreadableImageError: it is missing, truncated, no regular file (a pipe or a device is never
            opened) or of more than 1 GiB; it has more than `max_pixels`, or than 178,956,970, PIL's
            limit against decompression bombs; one side is more than 100 times the other; its pixels
            are floating-point numbers or integers beyond 16 bits, of no known range; it is a JPEG
            of a thousand scans or a program in PostScript.
        ValueError: an array of another shape or type.
    """
    from PIL import Image

    if isinstance(picture, np.ndarray):
        return Image.fromarray(_three_channels(picture))
    with _reading(picture, name, formats) as file:
        if max_pixels is not None and file.width * file.height > max_pixels:
            raise ValueError(
                f"it has {file.width} x {file.height} pixels and at most {max_pixels} are allowed"
            )
        return _rgb(file)


def check_readable(picture, name: str | None = None) -> tuple[int, int]:
    """Height and width of a picture that can be decoded; several times faster than decoding it.

    Raises:
        UnreadableImageError: as `open_rgb`.
    """
    if isinstance(picture, np.ndarray):
        return _three_channels(picture).shape[:2]
    with _reading(picture, name) as file:
        width, height = file.size
        file.draft("RGB", (1, 1))  # A JPEG is parsed to its end and decoded at an eighth.
        _rgb(file)
        return height, width


@contextlib.contextmanager
def _reading(picture, name: str | None, formats: tuple[str, ...] | None = None):
    """An open file of PIL; whatever its decoder raises becomes an `UnreadableImageError`."""
    from PIL import Image, UnidentifiedImageError

    by_path = isinstance(picture, str | os.PathLike)
    if name is None:
        name = shown(picture) if by_path else "image"
    try:
        if by_path and (problem := obstacle(picture)):
            raise ValueError(problem)
        source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
        with Image.open(source, formats=formats) as file:
            if problem := _refused(file):
                raise ValueError(problem)
            yield file
    except UnidentifiedImageError as error:
        known = "a known format" if formats is None else f"these formats: {', '.join(formats)}"
        reason = f"not a picture of {known}"
        raise UnknownFormatError(f"Cannot read {name}: {reason}", reason) from error
    except Exception as error:  # A decoder raises whatever it likes on a broken file.
        reason = _reason(error)
        raise UnreadableImageError(f"Cannot read {name}: {reason}", reason) from error


def _refused(file) -> str | None:
    """Why an open file of PIL must not be decoded, or `None`."""
    if max(file.size) > LONGEST * min(file.size):
        return (
            f"it has {file.width} x {file.height} pixels, and one side may be at most {LONGEST} "
            "times the other"
        )
    if file.format == "EPS":
        return "it is a program, which Ghostscript would run; convert it"
    if file.mode == "F":
        return "its pixels are floating-point numbers, of no known range"
    if file.info.get("progressive") and (scans := _scans(file.fp)) > SCANS:
        return f"it has {scans:,} scans, and at most {SCANS:,} are allowed"
    return None


def _scans(file) -> int:
    """How many scans a JPEG has, at most: each begins with two bytes that are elsewhere rare."""
    place, found, last = file.tell(), 0, b""
    file.seek(0)
    while block := file.read(2**20):
        found += (last + block).count(b"\xff\xda")
        last = block[-1:]
    file.seek(place)
    return found


def _rgb(file) -> "Image":
    """An open file of PIL as RGB, upright."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(file, in_place=True)
    if file.mode.startswith("I"):  # 16-bit grey, which PIL would clip to white.
        deep = np.asarray(file)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError("its pixels are integers beyond 16 bits, of no known range")
        grey = (deep.astype("uint32") * 255 // 65535).astype("uint8")
        return Image.fromarray(grey).convert("RGB")
    file.load()
    if isinstance(file.info.get("transparency"), bytes):
        return file.convert("RGBA").convert("RGB")  # At once, PIL warns.
    return file if file.mode == "RGB" else file.convert("RGB")


def _reason(error: Exception) -> str:
    """What a decoder or the system says of a file, on one line, without its name."""
    from PIL.Image import DecompressionBombError

    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    if text and isinstance(error, OSError | ValueError | SyntaxError | DecompressionBombError):
        return text
    return f"its decoder failed ({type(error).__name__}{': ' if text else ''}{text})"


def _three_channels(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] not in (1, 3):
        raise ValueError(
            "A picture given as an array must be uint8 of shape (height, width), "
            "(height, width, 1) or (height, width, 3), with values in [0, 255]. Received: "
            f"{array.dtype} of shape {array.shape}"
        )
    return array if array.shape[-1] == 3 else np.repeat(array, 3, axis=-1)


class Split:
    """Pictures of one split and their labels; `split[i]` is an RGB image of PIL and its label.

    Args:
        pictures: paths, encoded bytes or uint8 arrays, anything that `decode` takes.
        labels: integer class of each, `(n,)`.
        names: what to call each picture in a message.
    """

    def __init__(self, pictures: Sequence, labels: np.ndarray, names: Sequence[str]):
        self.pictures = pictures
        self._labels = labels
        self._names = names

    @property
    def labels(self) -> np.ndarray:
        """Integer class of each picture, `(n,)`."""
        return self._labels

    @property
    def names(self) -> Sequence[str]:
        """What to call each picture."""
        return self._names

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple["Image", int]:
        """Picture `index` as an RGB image of PIL, and its label."""
        return open_rgb(self.pictures[index], self.names[index]), int(self.labels[index])

    def image(self, index: int) -> np.ndarray:
        """Picture `index` as uint8 RGB `(height, width, 3)`."""
        return np.asarray(self[index][0])

    def subset(self, indices) -> "Split":
        """The pictures at `indices`, in that order."""
        return Split(
            [self.pictures[i] for i in indices],
            self.labels[np.asarray(indices, int)],
            [self.names[i] for i in indices],
        )

    def fingerprint(self) -> str:
        """A hash of the names and labels, in order: equal for the same split."""
        digest = hashlib.sha256()
        for name, label in zip(self.names, self.labels, strict=True):
            digest.update(f"{name}\0{label}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def cached(self) -> "Split":
        """The same pictures, decoded and kept in memory as uint8 arrays."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pictures = list(pool.map(self.image, range(len(self))))
        return Split(pictures, self.labels, self.names)


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set for classification.

    Args:
        name: its name or path.
        train: what to train on.
        test: what to judge on; disjoint from `train`.
        label_names: names of the classes, in the order of their numbers.
        checked: whether every picture has been found readable; a bad one of a set that was not
            checked stops the training, by name, when its turn comes.
        skipped: pictures that were left out because they cannot be read, with the reasons.
    """

    name: str
    train: Split
    test: Split
    label_names: tuple[str, ...]
    checked: bool = True
    skipped: tuple[Found, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)


def hold_out(split: Split, fraction: float = 0.2, seed: int = 0) -> tuple[Split, Split]:
    """Divides a split into training and held-out parts, class by class.

    A function of the labels' order, `fraction` and `seed` alone; every class gives
    `round(fraction * n)` pictures, at least one, to the held-out part.

    Raises:
        ValueError: a class has fewer than two pictures.
    """
    counts = collections.Counter(split.labels.tolist())
    lonely = [label for label, count in counts.items() if count < 2]
    if lonely:
        example = split.names[split.labels.tolist().index(lonely[0])]
        raise ValueError(
            "Each class needs at least two pictures, one to train on and one to hold out. "
            f"{len(lonely)} of {len(counts)} classes have one, such as that of {example}."
        )
    rng = np.random.default_rng(seed)
    held = []
    for label in sorted(counts):
        members = rng.permutation(np.flatnonzero(split.labels == label))
        held.extend(members[: max(1, round(fraction * len(members)))].tolist())
    kept = np.setdiff1d(np.arange(len(split)), held)
    return split.subset(kept.tolist()), split.subset(sorted(held))
