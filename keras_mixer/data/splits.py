"""Images with labels: the parts of a data set, and how a part is held out."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from keras_mixer.data.files import Found, Note
from keras_mixer.data.images import open_rgb
from keras_mixer.preprocessing import check_label_names

if TYPE_CHECKING:
    from PIL.Image import Image


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

    def renumbered(self, numbers: np.ndarray) -> "Split":
        """The same images, class `i` as class `numbers[i]`."""
        return Split(self.pictures, numbers[self.labels], self.names)

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
        label_names: names of the classes, in the order of their numbers; all different.
        checked: whether every picture has been found readable; a bad one of a set that was not
            checked stops the training, by name, when its turn comes.
        skipped: pictures that were left out because they cannot be read, with the reasons.
        part: what `test` is: `"test"` or `"val"`, a part of its own; `"held out"`, a share of each
            class that is not in `train`; `"all"`, every image, and `train` is empty.
        notes: what was found on the way, such as files that are not used.
    """

    name: str
    train: Split
    test: Split
    label_names: tuple[str, ...]
    checked: bool = True
    skipped: tuple[Found, ...] = ()
    part: str = "test"
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        check_label_names(self.label_names, whose=f"The data set {self.name}")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def in_order(self, label_names: Sequence[str]) -> "ImageData":
        """The same images with the classes, matched by name, in another order.

        Raises:
            ValueError: these are other classes.
        """
        wanted = tuple(label_names)
        if wanted == self.label_names:
            return self
        if sorted(wanted) != sorted(self.label_names):
            raise ValueError(
                f"{self.name} has the classes {', '.join(self.label_names[:5])}, ... and not "
                f"{', '.join(wanted[:5])}, ..."
            )
        place = {name: number for number, name in enumerate(wanted)}
        numbers = np.array([place[name] for name in self.label_names])
        train, test = (split.renumbered(numbers) for split in (self.train, self.test))
        return dataclasses.replace(self, train=train, test=test, label_names=wanted)


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
