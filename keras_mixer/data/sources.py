"""From what a user names to pictures with labels."""

import os

from keras_mixer.data.catalog import DATASETS
from keras_mixer.data.digits import load_digits
from keras_mixer.data.folder import load_folder
from keras_mixer.data.images import ImageData
from keras_mixer.data.tfds import load_tfds


def load(name: str | os.PathLike, data_dir: str | os.PathLike | None = None) -> ImageData:
    """Loads a data set by name, or an image folder by path.

    Args:
        name: a key of `keras_mixer.data.DATASETS`, or the path of a folder of class folders.
        data_dir: where TensorFlow Datasets keeps prepared data sets.

    Raises:
        ValueError: neither a known name nor a folder; also see `load_folder`.
    """
    name = os.fspath(name)
    if name in DATASETS:
        row = DATASETS[name]
        return load_digits() if row.tfds is None else load_tfds(row, data_dir)
    if os.path.isdir(name):
        return load_folder(name)
    raise ValueError(
        f"Unknown data set {name!r}. Choose one of: {', '.join(DATASETS)}; or give the path of a "
        "folder with a folder of pictures for each class."
    )
