"""Images of one's own in folders: one folder for each class."""

import os

import numpy as np

from keras_mixer.data.divide import EVALUATED, divided
from keras_mixer.data.files import SUFFIXES, is_image, shown
from keras_mixer.data.names import PARTS, check_class_names, part_of
from keras_mixer.data.readable import Look
from keras_mixer.data.splits import ImageData, Split
from keras_mixer.data.unused import Unused, listed


def load_folder(
    path: str | os.PathLike,
    *,
    dev: bool = False,
    whole: bool = False,
    check: bool = True,
    max_bad_images: int = 0,
    look: Look | None = None,
) -> ImageData:
    """Reads `class/*.jpg` below `path`, or below `path/train`, `path/val` and `path/test`.

    `val` may be called `valid`, `validation` or `dev`, and all of them be written in any case; no
    other name means a part. A folder of such a name that holds images and no folders is a class, if
    it stands beside classes. Evaluates on `test`, else on `val`, else on a fifth of each class that
    is held out, always the same one. Whatever is not used is counted in `ImageData.notes`. Up to
    10,000 images are gone through first, so that a bad one shows now; any number where some may be
    skipped.

    Args:
        path: the folder.
        dev: evaluate on `val` where there is a `test` too, else on a tenth of the training images.
        whole: hold nothing out: without `val` and `test` evaluate on every image. Only the images
            to evaluate on are then read.
        check: whether to go through the images.
        max_bad_images: how many may be skipped because they cannot be read, pipes and links to
            nothing among them; the rest is what it would be without these files.
        look: as in `leave_out_bad`.

    Raises:
        ValueError: no classes, one class, a class without images that can be read, or one that the
            training folder lacks; names of classes that look the same; folders that may be classes
            or parts.
        UnreadableImageError: more images that cannot be decoded.
        NotADirectoryError: `path` is not a folder.
    """
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(f"Not a folder: {path}")
    unused = Unused()
    parts = _parts(path, unused)
    first = "train" if "train" in parts else next(part for part in EVALUATED if part in parts)
    if first != "train" and not whole:
        raise ValueError(
            f"{path} holds {os.path.basename(parts[first])}/ with class folders, and no train/. "
            f"Add train/, or name {parts[first]} to use these images."
        )
    label_names, split = _read(parts.pop(first), unused)
    splits = {first: split}
    for part, folder in parts.items():
        _, splits[part] = _read(folder, unused, label_names)
    return divided(
        path,
        label_names,
        splits,
        dev=dev,
        whole=whole,
        check=check,
        max_bad_images=max_bad_images,
        look=look,
        notes=unused.notes(),
    )


def _parts(path: str, unused: Unused) -> dict[str, str]:
    """The folder of each part; that of `train` is `path` where it holds the classes itself.

    A part is told by its name and by the folders in it, for "train" may be a class, too.
    """
    here = listed(path)
    named = {
        name: listed(os.path.join(path, name)) for name in sorted(here.folders) if part_of(name)
    }
    holding = [name for name, inside in named.items() if inside.folders]
    loose = [name for name in holding if any(map(is_image, named[name].files))]
    others = sorted(set(here.folders) - set(named))
    train = next((name for name in named if part_of(name) == "train"), None)
    if train is None and len(loose) == len(holding):
        holding = []  # What holds images as well is no more than a class, where there is no train.
    if not holding and (train is None or (others and len(named) == 1)):
        for name in named:
            unused.say(f"{shown(name)}/ holds no class folders, and is taken for a class itself")
        return {"train": path}  # Whose own entries `_read` looks at.
    if train is not None and train not in holding:
        raise ValueError(
            f"{os.path.join(path, train)} holds no class folders. Put the images of each class "
            "into a folder of its own: class/image.jpg; or rename it, if it is a class itself."
        )
    if loose and any(map(is_image, (f for name in others for f in _files(path, name)))):
        raise ValueError(
            f"{path}: {shown(loose[0])}/ holds folders and images, and stands beside folders of "
            f"images such as {shown(others[0])}/: it may be a class or a part of the data. Rename "
            "it if it is a class; else move its images into its folders."
        )
    parts: dict[str, str] = {}
    for name in named:
        part = PARTS[name.strip().casefold()]
        if part in parts:
            raise ValueError(
                f"{path} has both {os.path.basename(parts[part])} and {name}: keep one."
            )
        parts[part] = os.path.join(path, name)
    unused.hidden += here.hidden
    unused.add_runs(path, here.runs)
    unused.add_beside(path, here.files)
    unused.add_folders(path, others, f"beside {shown(holding[0])}/")
    return parts


def _files(path: str, name: str) -> list[str]:
    return listed(os.path.join(path, name)).files


def _read(
    root: str, unused: Unused, label_names: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], Split]:
    """Class names of a folder and its images; under the given classes where there are some."""
    here = listed(root)
    unused.hidden += here.hidden
    unused.add_runs(root, here.runs)
    unused.add_beside(root, here.files)
    names: list[str] = []
    classes: list[str] = []
    empty: list[str] = []
    for name in sorted(here.folders):
        inside = listed(os.path.join(root, name))
        images = sorted(filter(is_image, inside.files))
        if not images and inside.runs:  # Such as `runs`.
            unused.add_runs(os.path.join(root, name), inside.runs)
            continue
        classes.append(name)
        unused.add_class(os.path.join(root, name), inside)
        if not images:
            empty.append(shown(name))
        names.extend(os.path.join(name, file) for file in images)
    if not classes:
        raise ValueError(
            f"{root} holds no class folders. Put the images of each class into a folder of its "
            "own: class/image.jpg."
        )
    if label_names is None:
        if len(classes) == 1:
            raise ValueError(
                f"{root} holds one class, {classes[0]!r}; a classifier needs at least two."
            )
        label_names = tuple(map(shown, classes))
        check_class_names(classes, root)
    number = {name: i for i, name in enumerate(label_names)}
    if unknown := [shown(name) for name in classes if shown(name) not in number]:
        raise ValueError(
            f"{root} has classes that the training folder lacks: {', '.join(unknown[:5])}"
        )
    if empty:
        raise ValueError(
            f"{root} has class folders without images: {', '.join(empty[:5])}. Fill or remove "
            f"them. Images end in {', '.join(SUFFIXES)}."
        )
    labels = np.array([number[shown(os.path.dirname(name))] for name in names], int)
    paths = [os.path.join(root, name) for name in names]
    return label_names, Split(paths, labels, [shown(path) for path in paths])
