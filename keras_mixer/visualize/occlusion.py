"""What a prediction rests on: what it loses when a part of the picture is covered."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_mixer import evaluation
from keras_mixer.arguments import plain
from keras_mixer.data import EVALUATION_CROPS, Split
from keras_mixer.data.images import open_rgb
from keras_mixer.data.pipeline import image_size
from keras_mixer.data.transforms import DEFAULT, Resampling
from keras_mixer.layers import Patches
from keras_mixer.preprocessing import record_of

GREY = 128


@dataclasses.dataclass(frozen=True)
class Occlusion:
    """What `occlusion` found.

    Args:
        image: the picture as the model gets it, before its pixels are prepared: uint8 RGB
            `(height, width, 3)`.
        label: the class that was watched.
        probability: of that class for the whole picture, in [0, 1].
        drops: how much lower it is with each window covered, `(rows, columns)`, in [-1, 1];
            negative where it rises.
        window: height and width in pixels of what is covered at a time. That of row i and column j
            begins i times the stride down and j times across.
        stride: pixels from one window to the next, down and across.
    """

    image: np.ndarray
    label: int
    probability: float
    drops: np.ndarray
    window: tuple[int, int]
    stride: tuple[int, int]


def occlusion(
    model: keras.Model,
    image,
    label: int | None = None,
    *,
    window: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    crop: str = "resmall_crop",
    batch_size: int = 64,
) -> Occlusion:
    """Covers one window of a picture after another with grey and watches a class' probability.

    After Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4.2.

    Args:
        model: from RGB images to `(batch, classes)`, logits or probabilities; images are prepared
            as its weights ask for, in [-1, 1] for a model of another kind.
        image: the path of a picture, its bytes, or an array `(height, width[, 1 or 3])` of uint8,
            of any size.
        label: the class to watch; by default the predicted one.
        window: pixels to cover at a time, one number or (height, width); by default one patch.
        stride: pixels from one window to the next, one number or (down, across); by default the
            window's size. Only windows that lie wholly in the image are covered.
        crop: how the picture is brought to the model's size, a key of
            `keras_mixer.data.EVALUATION_CROPS`.
        batch_size: images at a time.

    Returns:
        One number for each window, and what it takes to read them.

    Raises:
        UnreadableImageError: the picture cannot be decoded.
        ValueError: the model does not take RGB images or give `(batch, classes)`, or has no
            `Patches` to take the window from; or a number or `crop` is not as above.
    """
    size = image_size(model)
    if len(model.output_shape) != 2:
        raise ValueError(
            f"{model.name} gives {model.output_shape}; a classifier, with (batch, classes), is "
            "needed."
        )
    classes = model.output_shape[1]
    if label is not None and label not in range(classes):
        raise ValueError(
            f"`label` must be a class of {model.name}, 0 to {classes - 1}. Received: {label!r}"
        )
    if crop not in EVALUATION_CROPS:
        raise ValueError(f"`crop` must be one of {', '.join(EVALUATION_CROPS)}. Received: {crop!r}")
    window = _pair("window", _patch_size(model) if window is None else window, size)
    stride = _pair("stride", window if stride is None else stride, size)

    record = record_of(model)
    how = DEFAULT if record is None else Resampling(record.interpolation, record.antialias)
    seen = np.asarray(EVALUATION_CROPS[crop](open_rgb(image), size, how))

    def probabilities(covered: Sequence[np.ndarray]) -> np.ndarray:
        split = Split(covered, np.zeros(len(covered), int), ["image"] * len(covered))
        return evaluation.predict(model, split, crop="resize", batch_size=batch_size, verbose=0)

    return occlusion_of(probabilities, seen, label, window=window, stride=stride)


def occlusion_of(
    probabilities: Callable[[Sequence[np.ndarray]], np.ndarray],
    seen: np.ndarray,
    label: int | None = None,
    *,
    window: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
) -> Occlusion:
    """The same for anything that gives probabilities, such as an exported file.

    Args:
        probabilities: from pictures, uint8 RGB `(height, width, 3)` each, to `(n, classes)`.
        seen: the picture, of the size that it takes.
        label: as in `occlusion`.
        window: as in `occlusion`.
        stride: as in `occlusion`.

    Raises:
        ValueError: a number of pixels is not as in `occlusion`.

    Example:
        `occlusion_of(lambda images: run(np.stack(images)), pixels, window=16)`
    """
    window = _pair("window", window, seen.shape[:2])
    stride = _pair("stride", window if stride is None else stride, seen.shape[:2])
    covered = _Covered(seen, window, stride)
    found = probabilities(covered)
    label = int(found[0].argmax()) if label is None else int(label)
    whole, *others = found[:, label]
    drops = whole - np.array(others).reshape(covered.grid)
    return Occlusion(seen, label, float(whole), drops, window, stride)


class _Covered(Sequence):
    """A picture, then the same with each window covered; one at a time, for they may be many."""

    def __init__(self, image: np.ndarray, window: tuple[int, int], stride: tuple[int, int]):
        self.image, self.window, self.stride = image, window, stride
        sides = zip(image.shape[:2], window, stride, strict=True)
        self.grid = tuple((side - part) // step + 1 for side, part, step in sides)

    def __len__(self) -> int:
        return 1 + math.prod(self.grid)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index == 0:
            return self.image
        row, column = divmod(index - 1, self.grid[1])
        top, left = row * self.stride[0], column * self.stride[1]
        image = self.image.copy()
        image[top : top + self.window[0], left : left + self.window[1]] = GREY
        return image


def _patch_size(model: keras.Model) -> tuple[int, int]:
    patches = [layer for layer in model.layers if isinstance(layer, Patches)]
    if len(patches) != 1:
        raise ValueError(
            f"{model.name} has {len(patches)} `Patches` layers, not one, to take the size of the "
            "window from. Pass `window`, in pixels."
        )
    return patches[0].patch_size


def _pair(name: str, value, size: tuple[int, int]) -> tuple[int, int]:
    """One number of pixels or two, as (down, across), none of them beyond the image."""
    pair = tuple(map(plain, value if isinstance(value, tuple | list) else (value, value)))
    fits = len(pair) == 2 and all(
        type(n) is int and 0 < n <= side for n, side in zip(pair, size, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must be a number of pixels or (down, across), from 1 to the image's "
            f"{size[0]}x{size[1]}. Received: {value!r}"
        )
    return pair
