"""The data sets known by name: one row each."""

import dataclasses
from collections.abc import Callable
from typing import Any

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


def _percent(share: int, *parts: str, test: str = "test") -> Splits:
    """The last `share` per cent of the training images to choose by, the rest to train on."""
    return Splits(
        train="+".join(parts),
        test=test,
        dev_train="+".join(f"{part}[:{100 - share}%]" for part in parts),
        dev="+".join(f"{part}[{100 - share}%:]" for part in parts),
    )


# Splits, steps and class counts: section 3 of the paper (https://arxiv.org/abs/2105.01601) and the
# ViT paper it follows (https://arxiv.org/abs/2010.11929, Table 4 and appendix B.1.1). Pets have 37
# classes; the Mixer paper prints 36. Versions and homepages: TensorFlow Datasets 4.9.10.
_PAPER = (
    Dataset(
        "imagenet",
        "ImageNet (ILSVRC2012)",
        1000,
        "imagenet2012:5.*.*",
        _percent(1, "train", test="validation"),
        images="1,281,167 / 50,000",
        steps=20_000,
        by_hand=True,
        homepage="https://image-net.org/",
    ),
    Dataset(
        "imagenet_real",
        "ImageNet, judged on what ReaL relabelled",
        1000,
        "imagenet2012_real:1.*.*",
        Splits(train="validation", test="validation"),
        images="- / 50,000",
        label="original_label",
        by_hand=True,
        homepage="https://github.com/google-research/reassessed-imagenet",
        unavailable="imagenet_real has images to judge on only, with several labels each, which "
        "training cannot use. Fine-tune on imagenet.",
    ),
    Dataset(
        "imagenet21k",
        "ImageNet-21k (ImageNet, fall 2011)",
        21_843,
        images="14 million",
        homepage="https://image-net.org/",
        unavailable="imagenet21k is not in TensorFlow Datasets. Give the path of a folder with one "
        "folder of pictures for each class.",
    ),
    Dataset(
        "jft300m",
        "JFT-300M",
        0,
        images="300 million",
        unavailable="jft300m was never published: Google keeps it. Pre-train on imagenet21k.",
    ),
    Dataset(
        "cifar10",
        "CIFAR-10",
        10,
        "cifar10:3.*.*",
        _percent(2, "train"),
        images="50,000 / 10,000",
        steps=10_000,
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    Dataset(
        "cifar100",
        "CIFAR-100",
        100,
        "cifar100:3.*.*",
        _percent(2, "train"),
        images="50,000 / 10,000",
        steps=10_000,
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    Dataset(
        "pets",
        "Oxford-IIIT Pets",
        37,
        "oxford_iiit_pet:4.*.*",
        _percent(10, "train"),
        images="3,680 / 3,669",
        steps=500,
        homepage="http://www.robots.ox.ac.uk/~vgg/data/pets/",
    ),
    Dataset(
        "flowers102",
        "Oxford Flowers-102",
        102,
        "oxford_flowers102:2.*.*",
        _percent(10, "train", "validation"),
        images="2,040 / 6,149",
        steps=500,
        homepage="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    ),
)
_DIGITS = Dataset(
    "digits",
    "scikit-learn's handwritten digits",
    10,
    images="1,438 / 359",
    evaluation_crop="resize",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)


# The 19 tasks of VTAB-1k (https://arxiv.org/abs/1910.04867): splits, labels and classes as in
# `task_adaptation/data` of https://github.com/google-research/task_adaptation. Each has 800 images
# to train on and 200 to choose by, and all 1,000 for the final run. TensorFlow Datasets has since
# raised the major version of pets from 3 to 4, and with it the order that picks the thousand.
def _vtab(
    group: str, name: str, title: str, classes: int, tfds: str, splits: Splits, **fields: Any
) -> Dataset:
    return Dataset(
        f"vtab/{name}",
        title,
        classes,
        tfds,
        splits,
        images="1,000",
        steps=2500,
        evaluation_crop="resize",
        group=group,
        **fields,
    )


def _thousand(validation: str | int, test: str = "test") -> Splits:
    """The thousand images, 200 from another split or from beyond a percentage of `train`."""
    if isinstance(validation, str):
        dev = f"{validation}[:200]"
        return Splits(f"train[:800]+{dev}", test, "train[:800]", dev)

    def dev_of(examples: int) -> str:
        start = examples * validation // 100
        return f"train[{start}:{start + 200}]"

    return Splits(lambda examples: f"train[:800]+{dev_of(examples)}", test, "train[:800]", dev_of)


def _triples(values) -> list[tuple[float, float, float]]:
    values = list(values)
    return list(zip(values[0::3], values[1::3], values[2::3], strict=True))


def _last_below(value: float, thresholds: tuple[float, ...]) -> int:
    """Number of the last threshold that `value` exceeds; the first one is number 0."""
    return max(i for i, threshold in enumerate(thresholds) if threshold < value)


def _clevr_count(features: dict) -> int:
    """3 to 10 objects."""
    return len(features["objects/size"]) - 3


def _clevr_distance(features: dict) -> int:
    """Depth of the nearest object, in the renderer's units."""
    depth = min(z for _, _, z in _triples(features["objects/pixel_coords"]))
    return _last_below(depth, (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0))


def _kitti_distance(features: dict) -> int:
    """Distance in metres of the nearest car, van or truck, which are the types below 3."""
    places = _triples(features["objects/location"])
    kinds = features["objects/type"]
    depths = [z for (_, _, z), kind in zip(places, kinds, strict=True) if kind < 3]
    return _last_below(min(depths, default=1000.0), (-100.0, 8.0, 20.0, 999.0))


def _sixteenth(feature: str, values: int) -> Callable[[dict], int]:
    """`values` positions or angles in sixteen bins."""
    return lambda features: int(features[feature][0] // (values / 16))


_NUMBERS = tuple(str(number) for number in range(16))
_VTAB = (
    _vtab("natural", "caltech101", "Caltech-101", 102, "caltech101:3.*.*", _thousand(90)),
    _vtab("natural", "cifar100", "CIFAR-100", 100, "cifar100:3.*.*", _thousand(90)),
    _vtab("natural", "dtd", "Textures", 47, "dtd:3.*.*", _thousand("validation")),
    _vtab(
        "natural",
        "flowers102",
        "Oxford Flowers-102",
        102,
        "oxford_flowers102:2.*.*",
        _thousand("validation"),
    ),
    _vtab("natural", "pets", "Oxford-IIIT Pets", 37, "oxford_iiit_pet:4.*.*", _thousand(80)),
    _vtab("natural", "sun397", "SUN397", 397, "sun397/tfds:4.*.*", _thousand("validation")),
    _vtab("natural", "svhn", "Street View house numbers", 10, "svhn_cropped:3.*.*", _thousand(90)),
    _vtab(
        "specialised",
        "patch_camelyon",
        "Lymph node sections",
        2,
        "patch_camelyon:2.*.*",
        _thousand("validation"),
    ),
    _vtab(
        "specialised",
        "eurosat",
        "Satellite images of Europe",
        10,
        "eurosat/rgb:2.*.*",
        _thousand(60, "train[80%:]"),
    ),
    _vtab(
        "specialised",
        "resisc45",
        "Remote sensing scenes",
        45,
        "resisc45:3.*.*",
        _thousand(60, "train[80%:]"),
        by_hand=True,
    ),
    _vtab(
        "specialised",
        "diabetic_retinopathy",
        "Retina scans",
        5,
        "diabetic_retinopathy_detection/btgraham-300:3.*.*",
        _thousand("validation"),
        by_hand=True,
    ),
    _vtab(
        "structured",
        "clevr_count",
        "CLEVR, number of objects",
        8,
        "clevr:3.*.*",
        _thousand(90, "validation"),
        label=_clevr_count,
        label_names=_NUMBERS[3:11],
    ),
    _vtab(
        "structured",
        "clevr_distance",
        "CLEVR, distance of the nearest object",
        6,
        "clevr:3.*.*",
        _thousand(90, "validation"),
        label=_clevr_distance,
        label_names=("up to 8", "8 to 8.5", "8.5 to 9", "9 to 9.5", "9.5 to 10", "over 10"),
    ),
    _vtab("structured", "dmlab", "DeepMind Lab frames", 6, "dmlab:2.*.*", _thousand("validation")),
    _vtab(
        "structured",
        "dsprites_location",
        "dSprites, horizontal position",
        16,
        "dsprites:2.*.*",
        _thousand(80, "train[90%:]"),
        label=_sixteenth("label_x_position", 32),
        label_names=_NUMBERS,
        pixel_scale=255,
    ),
    _vtab(
        "structured",
        "dsprites_orientation",
        "dSprites, orientation",
        16,
        "dsprites:2.*.*",
        _thousand(80, "train[90%:]"),
        label=_sixteenth("label_orientation", 40),
        label_names=_NUMBERS,
        pixel_scale=255,
    ),
    _vtab(
        "structured",
        "kitti_distance",
        "KITTI, distance of the nearest vehicle",
        4,
        "kitti:3.*.*",
        _thousand("validation"),
        label=_kitti_distance,
        label_names=("up to 8 m", "8 to 20 m", "over 20 m", "none"),
    ),
    _vtab(
        "structured",
        "smallnorb_azimuth",
        "Small NORB, azimuth",
        18,
        "smallnorb:2.*.*",
        _thousand("test", "test[50%:]"),
        label="label_azimuth",
    ),
    _vtab(
        "structured",
        "smallnorb_elevation",
        "Small NORB, elevation",
        9,
        "smallnorb:2.*.*",
        _thousand("test", "test[50%:]"),
        label="label_elevation",
    ),
)

DATASETS: dict[str, Dataset] = {row.name: row for row in (_DIGITS, *_PAPER, *_VTAB)}
