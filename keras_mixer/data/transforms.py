"""From a picture of any size to the model's, for training and for evaluation.

Pictures are uint8 RGB arrays `(height, width, 3)`; a size is `(height, width)` in pixels. Resizing
is bilinear with antialiasing (PIL).
"""

from collections.abc import Callable

import numpy as np

Size = tuple[int, int]


def resize(image: np.ndarray, size: Size) -> np.ndarray:
    """The whole picture at `size`, whatever its shape."""
    from PIL import Image

    if image.shape[:2] == tuple(size):
        return image
    resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _enlarged(size: Size) -> Size:
    """256 for 224, and in that proportion."""
    return round(size[0] * 256 / 224), round(size[1] * 256 / 224)


def _centre(image: np.ndarray, size: Size) -> np.ndarray:
    top, left = ((have - want) // 2 for have, want in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]


def resize_crop(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize to 256 by 256, centre 224: the evaluation of the paper's Table 2 (appendix C)."""
    return _centre(resize(image, _enlarged(size)), size)


def resmall_crop(image: np.ndarray, size: Size) -> np.ndarray:
    """Short side to 256, centre 224: the evaluation of the paper's Table 3 (appendix C)."""
    height, width = image.shape[:2]
    tall, wide = _enlarged(size)
    scale = max(tall / height, wide / width)
    target = max(tall, round(height * scale)), max(wide, round(width * scale))
    return _centre(resize(image, target), size)


def _random_window(image: np.ndarray, size: Size, rng: np.random.Generator) -> np.ndarray:
    top, left = (
        int(rng.integers(have - want + 1)) for have, want in zip(image.shape, size, strict=False)
    )
    return image[top : top + size[0], left : left + size[1]]


def random_crop(image: np.ndarray, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Resize to 256 by 256, a random 224."""
    return _random_window(resize(image, _enlarged(size)), size, rng)


def affine(image: np.ndarray, size: Size, rng: np.random.Generator) -> np.ndarray:
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
    moved = Image.fromarray(resize(image, size)).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(moved)


EVALUATION_CROPS: dict[str, Callable[[np.ndarray, Size], np.ndarray]] = {
    "resize": resize,
    "resize_crop": resize_crop,
    "resmall_crop": resmall_crop,
}
TRAINING_CROPS: dict[str, Callable[[np.ndarray, Size, np.random.Generator], np.ndarray]] = {
    "random_crop": random_crop,
    "affine": affine,
}
