"""Pictures with labels, and how a picture of any kind becomes uint8 RGB."""

import collections
import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np


class UnreadableImageError(ValueError):
    """A picture cannot be decoded; the message names it and the reason."""


def decode(picture, name: str | None = None) -> np.ndarray:
    """A picture as an array `(height, width, 3)` of uint8 RGB.

    Files are turned as their EXIF orientation says. Grey, palette and CMYK pictures become RGB,
    16-bit grey is scaled to 8, transparency is dropped and an animation gives its first frame.

    Args:
        picture: the path of a file, its bytes, or an array `(height, width[, 1 or 3])` of uint8.
        name: what to call it in a message; by default its path.

    Raises:
        UnreadableImageError: it is missing, truncated, or not a picture.
        ValueError: an array of another shape or type.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    from PIL import Image, ImageOps, UnidentifiedImageError

    if name is None:
        name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else "image"
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16-bit grey, which PIL would clip to white.
                deep = np.asarray(image).clip(0, 65535).astype("uint32")
                image = Image.fromarray((deep * 255 // 65535).astype("uint8"))
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"Cannot read {name}: not a picture of a known format"
        ) from error
    except Exception as error:  # A decoder raises whatever it likes on a broken file.
        raise UnreadableImageError(f"Cannot read {name}: {error}") from error


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] not in (1, 3):
        raise ValueError(
            "A picture given as an array must be uint8 of shape (height, width), "
            "(height, width, 1) or (height, width, 3), with values in [0, 255]. Received: "
            f"{array.dtype} of shape {array.shape}"
        )
    return array if array.shape[-1] == 3 else np.repeat(array, 3, axis=-1)


@dataclasses.dataclass(frozen=True)
class Split:
    """Pictures of one split and their labels.

    Args:
        pictures: paths, encoded bytes or uint8 arrays, anything that `decode` takes.
        labels: integer class of each, `(n,)`.
        names: what to call each picture in a message.
    """

    pictures: Sequence
    labels: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.pictures)

    def image(self, index: int) -> np.ndarray:
        """Picture `index` as uint8 RGB `(height, width, 3)`."""
        return decode(self.pictures[index], self.names[index])

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
        """Decodes every picture once, so that a bad file shows before training.

        Raises:
            UnreadableImageError: the message counts the bad files and names up to five.
        """

        def problem(index: int) -> str | None:
            try:
                self.image(index)
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


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set for classification.

    Args:
        name: its name or path.
        train: what to train on.
        test: what to judge on; disjoint from `train`.
        label_names: names of the classes, in the order of their numbers.
    """

    name: str
    train: Split
    test: Split
    label_names: tuple[str, ...]

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
