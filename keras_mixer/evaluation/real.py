"""ImageNet ReaL: the validation images of ImageNet with every label that fits them.

"Are we done with ImageNet?" (Beyer et al. 2020, https://arxiv.org/abs/2006.07159).
"""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from keras_mixer.evaluation.predictions import Predictions
from keras_mixer.weights import fetch

URL = "https://raw.githubusercontent.com/google-research/reassessed-imagenet/master/real.json"
IMAGES = 50_000
CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class RealAccuracy:
    """What `real_accuracy` found.

    Args:
        images: how many images have a label, and so count.
        top_1: share of these whose predicted class is among their labels, in [0, 1].
    """

    images: int
    top_1: float


def load_real_labels(path: str | os.PathLike | None = None) -> list[list[int]]:
    """The ReaL labels: for each validation image, in the order of their numbers, its classes.

    Without a path they are fetched from `URL` once, into the cache of the weights. That the
    address serves them as described could not be tried where this was written, which had no
    network, so whatever comes is checked as below.

    Args:
        path: a copy of `real.json` from https://github.com/google-research/reassessed-imagenet.

    Returns:
        50,000 lists of class numbers; those of images that nothing fits are empty.

    Raises:
        OSError: it cannot be read, or not be fetched.
        ValueError: it does not hold 50,000 lists of integers in [0, 1000).
    """
    return _read(fetch(URL, "imagenet_real.json", _read) if path is None else path)


def _read(path: str | os.PathLike) -> list[list[int]]:
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no ReaL labels: it is not valid JSON: {error}") from error
    if not isinstance(found, list) or len(found) != IMAGES:
        amount = f"{len(found):,} entries" if isinstance(found, list) else "no list"
        raise ValueError(
            f"{path} holds no ReaL labels: it has {amount}, and there are {IMAGES:,} images"
        )
    for number, labels in enumerate(found, 1):
        if not isinstance(labels, list) or not all(
            type(label) is int and 0 <= label < CLASSES for label in labels
        ):
            raise ValueError(
                f"{path} holds no ReaL labels: that of image {number} must be a list of integers "
                f"from 0 to {CLASSES - 1}. Received: {str(labels)[:80]}"
            )
    return found


def real_accuracy(predictions: Predictions, labels: Sequence[Sequence[int]]) -> RealAccuracy:
    """Share of the images whose predicted class is among their ReaL labels.

    An image without labels does not count. A tie of a right class with a wrong one counts against
    the model.

    Args:
        predictions: of validation images of ImageNet, all or some.
        labels: those of `load_real_labels`.

    Raises:
        ValueError: as in `image_numbers`, or none of the images has a label.
    """
    right = []
    numbers = image_numbers(predictions.names, predictions.label_names)
    for probabilities, number in zip(predictions.probabilities, numbers, strict=True):
        if own := list(labels[number - 1]):
            others = probabilities.copy()
            others[own] = -np.inf
            right.append(probabilities[own].max() > others.max())
    if not right:
        raise ValueError(f"None of these {len(numbers):,} images has a ReaL label.")
    return RealAccuracy(len(right), float(np.mean(right)))


def image_numbers(names: Sequence[str], label_names: Sequence[str]) -> list[int]:
    """The number of each validation image of ImageNet, from 1, by the name of its file.

    Args:
        names: of files, such as `val/n01440764/ILSVRC2012_val_00000293.JPEG`.
        label_names: names of the classes; WordNet ids tell that their order is ImageNet's.

    Raises:
        ValueError: an image is not one of the validation images, or the classes are not ImageNet's.
    """
    ids = all(re.fullmatch(r"n\d{8}", name) for name in label_names)
    if not ids or len(label_names) != CLASSES or sorted(set(label_names)) != list(label_names):
        raise ValueError(
            f"ReaL takes ImageNet's {CLASSES} classes, named by WordNet ids in their order, such "
            f"as n01440764. Received: {len(label_names)} classes, {', '.join(label_names[:3])}, ..."
        )
    numbers = []
    for name in names:
        found = re.search(r"ILSVRC2012_val_(\d{8})\.\w+$", name)
        if not found or not 1 <= int(found[1]) <= IMAGES:
            raise ValueError(
                "ReaL takes the validation images of ImageNet, named ILSVRC2012_val_00000001.JPEG "
                f"to ILSVRC2012_val_{IMAGES:08}.JPEG. Received: {name}"
            )
        numbers.append(int(found[1]))
    return numbers
