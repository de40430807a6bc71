"""Augmentations that the paper does not use, from keras-cv.

They change a whole batch, after crops, flips and mixtures. keras-cv draws from TensorFlow's global
generator, so with one of them a run is not the same twice, and not the same after a restart.
"""

from typing import Any

import numpy as np

from keras_mixer.data.ahead import layout_of
from keras_mixer.data.tf_data import to_tf_data
from keras_mixer.preprocessing import preprocess_input

# The layer of each; AugMix is told the range of the pixels.
AUGMENTATIONS: dict[str, str] = {
    "augmix": "AugMix",
    "fouriermix": "FourierMix",
    "gridmask": "GridMask",
    "mosaic": "Mosaic",
}


def augmented(batches, name: str, weights=None) -> Any:
    """Batches that keras-cv has changed, as a `tf.data.Dataset`, on any backend.

    Args:
        batches: `TrainingBatches`.
        name: a key of `AUGMENTATIONS`. Mosaic and FourierMix mix the labels along.
        weights: what the images were prepared for, as in `keras_mixer.preprocess_input`.

    Raises:
        ModuleNotFoundError: keras-cv or TensorFlow is not installed.
        ValueError: an unknown name.
    """
    if name not in AUGMENTATIONS:
        raise ValueError(f"`augment` must be one of {', '.join(AUGMENTATIONS)}. Received: {name!r}")
    if layout_of(batches.weights) == "channels_first":
        raise ValueError(
            f"{name} comes from keras-cv, which takes channels last, and this model takes them "
            "first. Train it without `augment`, or build it under the layout channels_last."
        )
    dataset = to_tf_data(batches)
    try:
        from keras_cv import layers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{name} comes from keras-cv. Run: pip install "keras-mixer[cv]"'
        ) from error
    options = {"value_range": (0, 255)} if name == "augmix" else {}
    layer = getattr(layers, AUGMENTATIONS[name])(**options)
    black, white = preprocess_input(np.array([0.0, 255.0], "float32"), weights)
    scale = float(white - black) / 255

    def change(x, y):
        batch = layer({"images": (x - black) / scale, "labels": y}, training=True)
        return batch["images"] * scale + black, batch["labels"]

    return dataset.map(change).prefetch(1)
