"""Goes through a data set and finds what would spoil a training."""

import dataclasses
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_mixer.data.files import Note
from keras_mixer.data.images import UnreadableImageError, check_readable
from keras_mixer.data.splits import ImageData, Split
from keras_mixer.system_errors import PERMISSION, raise_system_fault


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check` found. Pictures are called as in `Split.names`.

    Args:
        counts: pictures of each class, `{split: (classes,)}`.
        heights: smallest, median and largest height in pixels.
        widths: the same of the width.
        unreadable: why each picture that cannot be read cannot be.
        shared: pairs of equal pictures, the first to train on and the second to judge on.
        contradictory: pairs of equal pictures with different labels in one split.
        notes: what was found as the data was loaded, such as files that are not used.
    """

    counts: dict[str, np.ndarray]
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    unreadable: list[str]
    shared: list[tuple[str, str]]
    contradictory: list[tuple[str, str]]
    notes: tuple[Note, ...] = ()

    @property
    def imbalance(self) -> float:
        """Pictures to train on of the largest class for each one of the smallest."""
        counts = self.counts["train"]
        return float(counts.max() / counts.min()) if counts.min() else float("inf")

    def problems(self, label_names) -> list[str]:
        """One line for each kind of thing that would spoil a training."""
        lines = []
        if self.unreadable:
            lines.append(_some(f"{len(self.unreadable)} cannot be read", self.unreadable))
        for found, text in (
            (self.shared, "are to train on and to judge on"),
            (self.contradictory, "have another label elsewhere in their split"),
        ):
            if found:
                pairs = [f"{one} = {other}" for one, other in found]
                lines.append(_some(f"{len(found)} {text}", pairs))
        empty = [label_names[i] for i in np.flatnonzero(self.counts["train"] == 0)]
        if empty:
            lines.append(_some(f"{len(empty)} classes have nothing to train on", empty))
        lines += [note.text for note in self.notes if note.problem]
        return lines


def check(data: ImageData) -> Report:
    """Reads every picture of a data set once.

    Equal pictures are those of equal bytes, or of equal pixels where they are arrays.
    """
    counts, sizes, unreadable, contradictory = {}, [], [], []
    first: dict[str, dict[bytes, int]] = {}
    for name, split in (("train", data.train), ("test", data.test)):
        counts[name] = np.bincount(split.labels, minlength=data.classes)
        seen = first.setdefault(name, {})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(_look, [split] * len(split), range(len(split)))
            for i, (digest, size, problem) in enumerate(found):
                if problem is not None:
                    unreadable.append(problem)
                    continue
                sizes.append(size)
                earlier = seen.setdefault(digest, i)
                if split.labels[earlier] != split.labels[i]:
                    contradictory.append((split.names[earlier], split.names[i]))
    shared = [
        (data.train.names[first["train"][digest]], data.test.names[i])
        for digest, i in first["test"].items()
        if digest in first["train"]
    ]
    heights, widths = (
        tuple(int(f(column)) for f in (min, np.median, max)) if sizes else (0, 0, 0)
        for column in (list(zip(*sizes, strict=True)) or ((), ()))
    )
    return Report(counts, heights, widths, unreadable, shared, contradictory, data.notes)


def _look(split: Split, index: int) -> tuple[bytes, tuple[int, int], str | None]:
    """Hash, height and width of a picture, and what is wrong with it."""
    picture, name = split.pictures[index], split.names[index]
    try:
        size = check_readable(picture, name)
        if isinstance(picture, str | os.PathLike):
            with open(picture, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest(), size, None
    except UnreadableImageError as error:
        return b"", (0, 0), str(error)
    except OSError as error:
        raise_system_fault(error, name, own=PERMISSION)
        return b"", (0, 0), f"Cannot read {name}: {error.strerror}"
    content = picture if isinstance(picture, bytes) else picture.tobytes()
    return hashlib.sha256(content).digest(), size, None


def _some(title: str, items: list[str]) -> str:
    more = f"; and {len(items) - 5} more" if len(items) > 5 else ""
    return f"{title}: {'; '.join(items[:5])}{more}"
