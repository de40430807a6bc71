"""Images that are in a data set more than once."""

import contextlib
import hashlib
import os
from collections import defaultdict

from keras_mixer.data.files import Note
from keras_mixer.data.splits import Split


def same_images(train: Split, test: Split) -> list[Note]:
    """Says which files of equal bytes are trained on and evaluated on, or have two labels.

    Only files of equal length are read, so that this costs little where images differ.
    """
    by_length = defaultdict(list)
    for split in (train, test):
        for i, picture in enumerate(split.pictures):
            with contextlib.suppress(OSError):  # It has been read; what reads it again will say.
                by_length[os.stat(picture).st_size].append((split, i))
    by_bytes = defaultdict(list)
    for members in by_length.values():
        for split, i in members if len(members) > 1 else ():
            with contextlib.suppress(OSError), open(split.pictures[i], "rb") as file:
                by_bytes[hashlib.file_digest(file, "sha256").digest()].append((split, i))
    shared, contradictory = [], []
    for members in by_bytes.values():
        (first, i), *others = members
        if (other := next(((s, j) for s, j in others if s is not first), None)) is not None:
            shared.append(f"{first.names[i]} = {other[0].names[other[1]]}")
        labels = first.labels[i]
        if (other := next(((s, j) for s, j in others if s.labels[j] != labels), None)) is not None:
            contradictory.append(f"{first.names[i]} = {other[0].names[other[1]]}")
    notes = []
    for found, what in (
        (shared, "images are trained on and evaluated on, too"),
        (contradictory, "images have another label elsewhere"),
    ):
        if found:
            notes.append(Note(f"{len(found):,} {what}, such as {found[0]}"))
    return notes
