"""The 19 tasks of VTAB-1k (https://arxiv.org/abs/1910.04867).

Splits, labels and classes are those of `task_adaptation/data` in
https://github.com/google-research/task_adaptation. Each task has 800 images to train on and 200 to
choose by, and all 1,000 for the final run. TensorFlow Datasets has since raised the major version
of pets from 3 to 4, and with it the order that picks the thousand.
"""

from collections.abc import Callable
from typing import Any

from keras_mixer.data.dataset import Dataset, Splits


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
VTAB = (
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
