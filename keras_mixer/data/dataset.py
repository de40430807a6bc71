"""What is known of a data set: its row in the catalog."""

import dataclasses
from collections.abc import Callable

Slice = str | Callable[[int], str]


@dataclasses.dataclass(frozen=True)
class Splits:
    """How the examples of TensorFlow Datasets are divided.

    Each is written as it writes slices, or a function of the number of examples in its split
    `train` that gives such a text.

    Args:
        train: to train on in the end.
        test: to judge on; empty where a part of `train` is to be held out.
        dev_train: to train on while a learning rate is chosen.
        dev: to choose it by; part of `train`.
    """

    train: Slice = "train"
    test: Slice = "test"
    dev_train: Slice = "train[:90%]"
    dev: Slice = "train[90%:]"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Where a data set comes from and how it is divided.

    Args:
        name: what a user types.
        title: what it is called.
        classes: number of classes; 0 where nobody outside can count them.
        tfds: name in TensorFlow Datasets with its configuration and major version, or `None`
            where it comes from elsewhere.
        splits: how it is divided.
        images: how many there are to train on and to judge on, as published.
        steps: optimiser steps of the paper's fine-tuning.
        evaluation_crop: key of `EVALUATION_CROPS`.
        image: feature that holds the picture.
        label: feature that holds its class, or a function of `{feature: flat list of values}`.
        label_names: names of the classes where the feature has none.
        pixel_scale: what pixels are multiplied by to reach [0, 255].
        group: group in VTAB: natural, specialised or structured.
        by_hand: whether its files have to be downloaded by hand; `load` says how.
        homepage: where its publisher describes it and states the licence.
        unavailable: why it cannot be loaded by name, and what to do instead.
        hub: its name on the Hugging Face hub, for model cards; empty where there is no settled one.
    """

    name: str
    title: str
    classes: int
    tfds: str | None = None
    splits: Splits = Splits()
    images: str = ""
    steps: int | None = None
    evaluation_crop: str = "resmall_crop"
    image: str = "image"
    label: str | Callable[[dict], int] = "label"
    label_names: tuple[str, ...] | None = None
    pixel_scale: int = 1
    group: str | None = None
    by_hand: bool = False
    homepage: str = ""
    unavailable: str | None = None
    hub: str = ""
