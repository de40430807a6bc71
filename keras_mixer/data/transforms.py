"""From a picture of any size to the model's, for training and for evaluation.

Pictures are RGB images of PIL; a size is `(height, width)` in pixels. How pixels are interpolated
belongs to the weights (`WeightsRecord.interpolation` and `antialias`).
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]


class Resampling(NamedTuple):
    """How pixels are interpolated: `"bilinear"` or `"bicubic"`, and whether shrinking averages."""

    interpolation: str = "bilinear"
    antialias: bool = True


DEFAULT = Resampling()


def resize(image: "Image", size: Size, how: Resampling = DEFAULT, box=None) -> "Image":
    """The whole picture, or the box (left, top, right, bottom) of it, at `size`."""
    from PIL import Image

    height, width = size
    if box is None and image.size == (width, height):
        return image
    kernel = Image.Resampling[how.interpolation.upper()]
    if how.antialias:
        return image.resize((width, height), kernel, box)
    left, top, right, bottom = box or (0, 0, *image.size)
    scale = ((right - left) / width, 0, left, 0, (bottom - top) / height, top)
    return image.transform((width, height), Image.Transform.AFFINE, scale, kernel)


def _enlarged(size: Size) -> Size:
    """256 for 224, and in that proportion."""
    return round(size[0] * 256 / 224), round(size[1] * 256 / 224)


def _window(image: "Image", top: int, left: int, size: Size) -> "Image":
    return image.crop((left, top, left + size[1], top + size[0]))


def _centre(image: "Image", size: Size) -> "Image":
    return _window(image, (image.height - size[0]) // 2, (image.width - size[1]) // 2, size)


def resize_crop(image: "Image", size: Size, how: Resampling = DEFAULT) -> "Image":
    """Resize to 256 by 256, centre 224: the evaluation of the paper's Table 2 (appendix C)."""
    return _centre(resize(image, _enlarged(size), how), size)


def resmall_crop(image: "Image", size: Size, how: Resampling = DEFAULT) -> "Image":
    """Short side to 256, centre 224: the evaluation of the paper's Table 3 (appendix C)."""
    tall, wide = _enlarged(size)
    scale = max(tall / image.height, wide / image.width)
    target = max(tall, round(image.height * scale)), max(wide, round(image.width * scale))
    return _centre(resize(image, target, how), size)


def _whole(
    image: "Image", size: Size, rng: np.random.Generator, how: Resampling = DEFAULT
) -> "Image":
    return resize(image, size, how)


def random_crop(
    image: "Image", size: Size, rng: np.random.Generator, how: Resampling = DEFAULT
) -> "Image":
    """Resize to 256 by 256, a random 224."""
    image = resize(image, _enlarged(size), how)
    top, left = (
        int(rng.integers(have - want + 1))
        for have, want in zip((image.height, image.width), size, strict=True)
    )
    return _window(image, top, left, size)


def inception_crop(
    image: "Image", size: Size, rng: np.random.Generator, how: Resampling = DEFAULT
) -> "Image":
    """A random box of 5 to 100 % of the area, 3:4 to 4:3 wide, brought to `size`.

    The paper's pre-training crop (section 3), after Szegedy et al. 2014
    (https://arxiv.org/abs/1409.4842); the ranges are those of google-research/big_vision. After
    a hundred boxes that do not fit, the whole picture.
    """
    width, height = image.size
    for _ in range(100):
        area = rng.uniform(0.05, 1) * width * height
        aspect = rng.uniform(3 / 4, 4 / 3)
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1))
            return resize(image, size, how, (left, top, left + wide, top + tall))
    return resize(image, size, how)


def affine(
    image: "Image", size: Size, rng: np.random.Generator, how: Resampling = DEFAULT
) -> "Image":
    """The whole picture, a little turned, sheared, zoomed and moved about its centre.

    By up to 0.12 radians, 0.1, 10 % and a tenth of each side; what moves in is black.
    """
    from PIL import Image

    height, width = size
    angle, zoom = rng.uniform(-0.12, 0.12), rng.uniform(0.9, 1.1)
    shear = rng.uniform(-0.1, 0.1)
    move = np.array([rng.uniform(-side / 10, side / 10) for side in (width, height)])
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix = np.array([[cos, shear - sin], [sin, cos]])  # (x, y) in the result to the source
    centre = np.array([width, height]) / 2
    offset = centre - matrix @ (centre + move)
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return resize(image, size, how).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )


def flip(image: "Image") -> "Image":
    """Left becomes right."""
    from PIL import Image

    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


EVALUATION_CROPS: dict[str, Callable[..., "Image"]] = {
    "resize": resize,
    "resize_crop": resize_crop,
    "resmall_crop": resmall_crop,
}
TRAINING_CROPS: dict[str, Callable[..., "Image"]] = {
    "resize": _whole,
    "random_crop": random_crop,
    "inception_crop": inception_crop,
    "affine": affine,
}
