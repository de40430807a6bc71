"""scikit-learn's handwritten digits, which need no download."""

import numpy as np

from keras_mixer.arguments import pair
from keras_mixer.data.images import ImageData, Split, hold_out


def load_digits(size: int = 32) -> ImageData:
    """1,797 real handwritten digits, a fifth of each class held out.

    Args:
        size: height and width in pixels to bring the 8x8 pictures to, bilinearly.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'The digits come with scikit-learn. Run: pip install "keras-mixer[digits]"'
        ) from error
    from PIL import Image

    bunch = datasets.load_digits()
    pictures = [
        np.asarray(
            Image.fromarray(np.rint(image * (255 / 16)).astype("uint8")).resize(
                pair(size, "size"), Image.Resampling.BILINEAR
            )
        )
        for image in bunch.images  # Values from 0 to 16.
    ]
    names = [f"digits/{i:04d}" for i in range(len(pictures))]
    train, test = hold_out(Split(pictures, bunch.target, names))
    return ImageData("digits", train, test, tuple(str(name) for name in bunch.target_names))
