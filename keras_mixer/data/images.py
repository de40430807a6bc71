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

if TYPE_CHECKING:
    from PIL.Image import Image


LONGEST = 100  # Times the shorter side: crops resize that one, and the longer one grows with it.


class UnreadableImageError(ValueError):
    """A picture cannot be decoded; the message names it and the reason."""


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
        UnreadableImageError: it is missing, truncated, of more than `max_pixels`, or of more than
            178,956,970 pixels, PIL's limit against decompression bombs, or one side is more than
            100 times the other.
        ValueError: an array of another shape or type.
    """
    from PIL import Image, ImageOps

    if isinstance(picture, np.ndarray):
        return Image.fromarray(_three_channels(picture))
    with _reading(picture, name, formats) as file:
        if max_pixels is not None and file.width * file.height > max_pixels:
            raise ValueError(
                f"it has {file.width} x {file.height} pixels and at most {max_pixels} are allowed"
            )
        ImageOps.exif_transpose(file, in_place=True)
        if file.mode.startswith("I"):  # 16-bit grey, which PIL would clip to white.
            deep = np.asarray(file).clip(0, 65535).astype("uint32")
            return Image.fromarray((deep * 255 // 65535).astype("uint8")).convert("RGB")
        file.load()
        if isinstance(file.info.get("transparency"), bytes):
            return file.convert("RGBA").convert("RGB")  # At once, PIL warns.
        return file if file.mode == "RGB" else file.convert("RGB")


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
        file.load()
        return height, width


@contextlib.contextmanager
def _reading(picture, name: str | None, formats: tuple[str, ...] | None = None):
    """An open file of PIL; whatever its decoder raises becomes an `UnreadableImageError`."""
    from PIL import Image, UnidentifiedImageError

    if name is None:
        name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else "image"
    try:
        source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
        with Image.open(source, formats=formats) as file:
            if max(file.size) > LONGEST * min(file.size):
                raise ValueError(
                    f"it has {file.width} x {file.height} pixels, and one side may be at most "
                    f"{LONGEST} times the other"
                )
            yield file
    except UnidentifiedImageError as error:
        known = "a known format" if formats is None else f"these formats: {', '.join(formats)}"
        raise UnknownFormatError(f"Cannot read {name}: not a picture of {known}") from error
    except Exception as error:  # A decoder raises whatever it likes on a broken file.
        raise UnreadableImageError(f"Cannot read {name}: {error}") from error


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

    def check_readable(self) -> None:
        """Goes through every picture, so that a bad file shows before training.

        Raises:
            UnreadableImageError: the message counts the bad files and names up to five.
        """

        def problem(index: int) -> str | None:
            try:
                check_readable(self.pictures[index], self.names[index])
            except UnreadableImageError as error:
                return str(error)
            return None

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [text for text in pool.map(problem, range(len(self))) if text]
        if problems:
            more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise UnreadableImageError(
                f"{len(problems)} of {len(self)} images cannot be read. Mend or remove them. "
                + "; ".join(problems[:5])
                + more
            )

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
    """

    name: str
    train: Split
    test: Split
    label_names: tuple[str, ...]
    checked: bool = True

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
