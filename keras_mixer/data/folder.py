"""Image folders: one subfolder for each class."""

import os

import numpy as np

from keras_mixer.data.images import ImageData, Split, hold_out

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
TEST_FOLDERS = ("test", "val", "validation")


def load_folder(path: str | os.PathLike) -> ImageData:
    """Reads `class/*.jpg` below `path`, or below `path/train` and `path/test`.

    Without a test folder (`test`, `val` or `validation`) a fifth of each class is held out, always
    the same one. Hidden entries, links to nowhere and files that are not pictures by name are
    passed over; every picture is decoded once, so that a bad one shows now.

    Raises:
        ValueError: no classes, one class, a class without pictures, a class of the test folder
            that the training folder lacks, or two test folders.
        UnreadableImageError: pictures that cannot be decoded.
        NotADirectoryError: `path` is not a folder.
    """
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(f"Not a folder: {path}")
    train_path = os.path.join(path, "train")
    if not os.path.isdir(train_path):
        label_names, every = _read(path)
        every.check_readable()
        train, test = hold_out(every)
        return ImageData(path, train, test, label_names)

    label_names, train = _read(train_path)
    found = [name for name in TEST_FOLDERS if os.path.isdir(os.path.join(path, name))]
    if len(found) > 1:
        raise ValueError(f"{path} has both {' and '.join(found)}: keep the one to judge on.")
    train.check_readable()
    if not found:
        train, test = hold_out(train)
        return ImageData(path, train, test, label_names)
    _, test = _read(os.path.join(path, found[0]), label_names)
    test.check_readable()
    return ImageData(path, train, test, label_names)


def _read(root: str, label_names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Split]:
    """Class names of a folder and its pictures; under the given classes where there are some."""
    classes = sorted(_entries(root, os.DirEntry.is_dir))
    if not classes:
        raise ValueError(
            f"{root} holds no class folders. Put the pictures of each class into a folder of its "
            "own: class/picture.jpg."
        )
    if label_names is None:
        if len(classes) == 1:
            raise ValueError(
                f"{root} holds one class, {classes[0]!r}; a classifier needs at least two."
            )
        label_names = tuple(classes)
    else:
        unknown = [name for name in classes if name not in label_names]
        if unknown:
            raise ValueError(
                f"{root} has classes that the training folder lacks: {', '.join(unknown[:5])}"
            )
    names: list[str] = []
    labels: list[int] = []
    empty: list[str] = []
    for name in classes:
        files = _entries(os.path.join(root, name), os.DirEntry.is_file)
        pictures = sorted(file for file in files if file.lower().endswith(SUFFIXES))
        if not pictures:
            empty.append(name)
        names.extend(os.path.join(name, file) for file in pictures)
        labels.extend([label_names.index(name)] * len(pictures))
    if empty:
        raise ValueError(
            f"{root} has class folders without pictures: {', '.join(empty[:5])}. Fill or remove "
            f"them. Pictures end in {', '.join(SUFFIXES)}."
        )
    paths = [os.path.join(root, name) for name in names]
    return label_names, Split(paths, np.array(labels), [_shown(path) for path in paths])


def _entries(folder: str, kind) -> list[str]:
    """Names of a folder's entries of one kind, links followed, hidden ones left out."""
    skipped = (".", "__MACOSX")
    with os.scandir(folder) as entries:
        return [e.name for e in entries if kind(e) and not e.name.startswith(skipped)]


def _shown(path: str) -> str:
    """`path` as text that can be printed and written, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
