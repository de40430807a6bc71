"""RandAugment: a few changes of a picture, drawn at random, all of one strength.

Cubuk et al. 2019 (https://arxiv.org/abs/1909.13719), with the operations and the mapping from
magnitude to their arguments of google-research/big_vision (`pp/autoaugment.py`), which the paper's
authors used: each argument is its value at magnitude 10 times `magnitude / 10`, on a scale of 0
to 30. Magnitude 0 leaves the picture alone.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = (128, 128, 128)  # What moves in or is cut out.
MAGNITUDES = 0, 30


def check_randaugment(layers: int, magnitude: float) -> None:
    """Raises a ValueError for a number of layers or a magnitude out of range."""
    if layers < 0 or not MAGNITUDES[0] <= magnitude <= MAGNITUDES[1]:
        raise ValueError(
            "`randaugment` must be (layers, magnitude) with layers at least 0 and a magnitude "
            f"from 0 to 30. Received: {(layers, magnitude)}"
        )


def randaugment(image: "Image", layers: int, magnitude: float, rng: np.random.Generator) -> "Image":
    """Applies `layers` operations, each drawn from `OPERATIONS` with equal chance.

    Args:
        image: RGB picture.
        layers: how many, one after the other; the paper's l, 2 in Table 4.
        magnitude: strength from 0 to 30; the paper's m.
        rng: draws the operations, their signs and places.
    """
    if magnitude == 0:
        return image
    operations = list(OPERATIONS.values())
    for _ in range(layers):
        image = operations[int(rng.integers(len(operations)))](image, magnitude / 10, rng)
    return image


# Each operation takes the picture, strength = magnitude / 10, and a generator.


def _autocontrast(image, strength, rng):
    """Each channel is stretched to [0, 255]."""
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def _equalize(image, strength, rng):
    """The histogram of each channel is made flat."""
    from PIL import ImageOps

    return ImageOps.equalize(image)


def _invert(image, strength, rng):
    """v becomes 255 - v."""
    from PIL import ImageOps

    return ImageOps.invert(image)


def _posterize(image, strength, rng):
    """Keeps the 4 * strength highest bits, from 1 to 8 of them: fewer at a lower magnitude."""
    from PIL import ImageOps

    return ImageOps.posterize(image, min(8, max(1, int(4 * strength))))


def _solarize(image, strength, rng):
    """Inverts values of at least 256 * strength: none from magnitude 10."""
    from PIL import ImageOps

    return ImageOps.solarize(image, int(256 * strength))


def _solarize_add(image, strength, rng):
    """Adds 110 * strength to values below 128."""
    added = int(110 * strength)
    return image.point([min(255, v + added) if v < 128 else v for v in range(256)] * 3)


def _enhancer(name: str) -> Callable:
    def enhance(image, strength, rng):
        from PIL import ImageEnhance

        return getattr(ImageEnhance, name)(image).enhance(1.8 * strength + 0.1)

    enhance.__doc__ = f"PIL's {name} with factor 1.8 * strength + 0.1; 1 would change nothing."
    return enhance


def _moved(image, coefficients):
    """Each place (x, y) takes the pixel at (a x + b y + c, d x + e y + f), the nearest one."""
    from PIL import Image

    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST, fillcolor=GREY
    )


def _sign(rng) -> int:
    return 1 if rng.random() < 0.5 else -1


def _rotate(image, strength, rng):
    """Turns by 30 degrees * strength, either way, about the centre."""
    angle = _sign(rng) * math.radians(30) * strength
    cos, sin, x, y = math.cos(angle), math.sin(angle), image.width / 2, image.height / 2
    return _moved(image, (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y))


def _shear_x(image, strength, rng):
    """Shifts each row by 0.3 * strength of its height, either way."""
    return _moved(image, (1, _sign(rng) * 0.3 * strength, 0, 0, 1, 0))


def _shear_y(image, strength, rng):
    """Shifts each column by 0.3 * strength of its distance from the left, either way."""
    return _moved(image, (1, 0, 0, _sign(rng) * 0.3 * strength, 1, 0))


def _translate_x(image, strength, rng):
    """Moves by 100 pixels in 224 * strength to one side."""
    return _moved(image, (1, 0, _sign(rng) * 100 / 224 * strength * image.width, 0, 1, 0))


def _translate_y(image, strength, rng):
    """Moves by 100 pixels in 224 * strength up or down."""
    return _moved(image, (1, 0, 0, 0, 1, _sign(rng) * 100 / 224 * strength * image.height))


def _cutout(image, strength, rng):
    """Greys a box that reaches 40 pixels in 224 * strength from a random centre, each way."""
    x, y = int(rng.integers(image.width)), int(rng.integers(image.height))
    wide, tall = (int(40 / 224 * strength * side) for side in image.size)
    box = (
        max(0, x - wide),
        max(0, y - tall),
        min(image.width, x + wide),
        min(image.height, y + tall),
    )
    if box[0] < box[2] and box[1] < box[3]:
        image = image.copy()
        image.paste(GREY, box)
    return image


OPERATIONS: dict[str, Callable] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "invert": _invert,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "color": _enhancer("Color"),
    "contrast": _enhancer("Contrast"),
    "brightness": _enhancer("Brightness"),
    "sharpness": _enhancer("Sharpness"),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "cutout": _cutout,
    "solarize_add": _solarize_add,
}
