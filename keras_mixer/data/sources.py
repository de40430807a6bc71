"""From what a user names to pictures with labels."""

import os

import numpy as np

from keras_mixer.data.catalog import DATASETS
from keras_mixer.data.digits import load_digits
from keras_mixer.data.files import shown
from keras_mixer.data.folder import load_folder
from keras_mixer.data.names import check_class_names
from keras_mixer.data.readable import Look
from keras_mixer.data.splits import ImageData, Split, hold_out
from keras_mixer.data.table import load_csv
from keras_mixer.data.tfds import any_tfds, load_tfds

TFDS = "tfds:"


def load(
    name: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    *,
    dev: bool = False,
    whole: bool = False,
    check: bool = True,
    max_bad_images: int = 0,
    look: Look | None = None,
) -> ImageData:
    """Loads a data set by name, or pictures of your own by path.

    Args:
        name: a key of `keras_mixer.data.DATASETS`; `"tfds:NAME"` or `"tfds:NAME/CONFIG"` for
            another one of TensorFlow Datasets; the path of a folder of class folders; or the path
            of a CSV file of paths and labels.
        data_dir: where TensorFlow Datasets keeps prepared data sets.
        dev: for choices such as that of a learning rate: divides the training images into some to
            train on and some to judge on, and leaves the test images alone.
        whole: to evaluate a model that was trained on something else: where no part is there to
            evaluate on, all images are, rather than a fifth of each class. Not for the digits.
        check: whether to go through up to 10,000 pictures of your own first.
        max_bad_images: how many pictures of your own may be left out because they cannot be read;
            if it is not 0, all are gone through. `ImageData.skipped` lists them.
        look: called as they are gone through; see `leave_out_bad`.

    Raises:
        UnreadableImageError: more of them cannot be read.
        ValueError: neither a known name nor a path; also see `load_folder`, `load_csv` and
            `load_tfds`.
    """
    name = os.fspath(name)
    if problem := unknown(name):
        raise ValueError(problem)
    by_name = name in DATASETS or name.startswith(TFDS)
    if max_bad_images and by_name:
        raise ValueError(
            f"`max_bad_images` (--max-bad-images) is for pictures of your own, and {name} is a "
            "data set by name. Leave it out."
        )
    if name == "digits":
        digits = load_digits()
        if not dev:
            return digits
        return ImageData("digits", *hold_out(digits.train, 0.1, seed=1), digits.label_names)
    if name in DATASETS:
        return load_tfds(DATASETS[name], data_dir, dev=dev, whole=whole)
    if name.startswith(TFDS):
        row = any_tfds(name.removeprefix(TFDS), data_dir)
        return load_tfds(row, data_dir, dev=dev, whole=whole)
    own = load_folder if os.path.isdir(name) else load_csv
    return own(name, dev=dev, whole=whole, check=check, max_bad_images=max_bad_images, look=look)


def unknown(name: str) -> str | None:
    """What is wrong with the name of a data set; `None` where `load` would look for it."""
    if name in DATASETS:
        return DATASETS[name].unavailable
    if name.startswith(TFDS) or os.path.isdir(name):
        return None
    if name.lower().endswith(".csv") and os.path.isfile(name):
        return None
    named = [row.name for row in DATASETS.values() if not (row.group or row.unavailable)]
    return (
        f"{name!r} is neither a data set ({', '.join(named)}, vtab/TASK, tfds:NAME) nor a folder "
        "with a folder of pictures for each class nor a .csv file of paths and labels."
    )


def check_outside(output: str | os.PathLike, data: str) -> None:
    """Raises where what is written would lie in the folder that is read.

    Args:
        output: a file or folder that is to be made.
        data: the name of a data set, or a path.

    Raises:
        ValueError: it is inside of `data`, a folder.
    """
    by_name = data in DATASETS or data.startswith(TFDS)
    if os.path.isdir(data) and not by_name:
        folder, inner = os.path.realpath(data), os.path.realpath(output)
        if os.path.commonpath([folder, inner]) == folder:
            raise ValueError(
                f"{shown(output)} is inside of the data folder {shown(data)}, and would be taken "
                "for data. Choose an --output elsewhere."
            )


def from_arrays(train, test=None, label_names=None, name: str = "arrays") -> ImageData:
    """A data set of arrays.

    Args:
        train: `(images, labels)` to train on. Images: uint8 `(n, height, width)` or
            `(n, height, width, 1 or 3)`, or a sequence of uint8 `(height, width[, 1 or 3])` of any
            sizes. Labels: integers `(n,)` or `(n, 1)`.
        test: the same to evaluate on. Defaults to a fifth of each class, which is held out.
        label_names: names of the classes. Defaults to their numbers.
        name: what to call it.

    Raises:
        ValueError: images and labels differ in number, there are none, or they are of another type
            or shape, such as four channels or channels first; a label has no name; two names look
            the same. Where one image is wrong, the message has its number.
    """
    splits = [_array_split(train, f"{name}/train")]
    if test is not None:
        splits.append(_array_split(test, f"{name}/test"))
    highest = max(int(split.labels.max(initial=0)) for split in splits)
    names = tuple(map(str, range(highest + 1) if label_names is None else label_names))
    if highest >= len(names):
        raise ValueError(f"A label is {highest} and there are {len(names)} names of classes.")
    check_class_names(names, name)
    part = "test" if test is not None else "held out"
    if test is None:
        splits = list(hold_out(splits[0]))
    return ImageData(name, splits[0], splits[1], names, part=part)


def _array_split(pair, name: str) -> Split:
    images, labels = pair
    images = [*(np.atleast_1d(images) if isinstance(images, np.ndarray) else images)]
    for number, image in enumerate(images):
        if np.asarray(image).dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(
                f"{name}: image {number} holds numbers that are not finite. Images must be uint8, "
                "in [0, 255]."
            )
    pictures = [_array(image, f"{name}: image {i}") for i, image in enumerate(images)]
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:  # As keras.datasets.cifar10 gives them.
        labels = labels[:, 0]
    if not pictures or labels.shape != (len(pictures),):
        raise ValueError(
            f"{name}: there must be images, as many as labels, and labels integers of shape (n,). "
            f"Received: {len(pictures)} images, labels of shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(f"{name}: labels must be integers from 0. Received: {labels.dtype}")
    return Split(pictures, labels.astype("int64"), [f"{name}/{i}" for i in range(len(pictures))])


def _array(image, name: str) -> np.ndarray:
    """One image, if it is what `open_rgb` takes for an array."""
    image = np.asarray(image)
    shape = image.shape
    if image.dtype != np.uint8 or len(shape) not in (2, 3) or (*shape, 1)[2] not in (1, 3):
        first = len(shape) == 3 and shape[0] in (1, 3)
        hint = " Move the channels last: np.moveaxis(images, 1, -1)." if first else ""
        raise ValueError(
            f"{name} must be uint8 of shape (height, width), (height, width, 1) or "
            f"(height, width, 3). Received: {image.dtype} {shape}.{hint}"
        )
    if 0 in shape:
        raise ValueError(f"{name} has no pixels. Received: shape {shape}")
    return image
