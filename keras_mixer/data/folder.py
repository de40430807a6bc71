"""Pictures of one's own: a folder with one subfolder for each class, or a CSV file of paths."""

import csv
import os

import numpy as np

from keras_mixer.data.files import HIDDEN, SUFFIXES, Found, shown
from keras_mixer.data.images import UnreadableImageError
from keras_mixer.data.readable import Look, leave_out_bad
from keras_mixer.data.splits import ImageData, Split, hold_out

DEV_FOLDERS = ("val", "validation")
CHECKED_ON_LOAD = 10_000  # Some ten seconds on one core; more would keep training waiting.


def load_folder(
    path: str | os.PathLike,
    *,
    dev: bool = False,
    check: bool = True,
    max_bad_images: int = 0,
    look: Look | None = None,
) -> ImageData:
    """Reads `class/*.jpg` below `path`, or below `path/train`, `path/val` and `path/test`.

    Judges on `test`, else on `val` (or `validation`), else on a fifth of each class that is held
    out, always the same one. Hidden entries, folders within those of the classes and files that are
    not pictures by name are passed over. Up to 10,000 pictures are gone through first, so that a
    bad one shows now; any number where some may be left out.

    Args:
        path: the folder.
        dev: judge on `val` where there is a `test` too, else on a tenth of the training pictures.
        check: whether to go through the pictures.
        max_bad_images: how many may be left out because they cannot be read, pipes and links to
            nothing among them; the rest is what it would be without these files.
        look: as in `leave_out_bad`.

    Raises:
        ValueError: no classes, one class, a class without pictures that can be read, or a class
            that the training folder lacks.
        UnreadableImageError: more pictures that cannot be decoded.
        NotADirectoryError: `path` is not a folder.
    """
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(f"Not a folder: {path}")
    rule = check, max_bad_images, look
    if not os.path.isdir(os.path.join(path, "train")):
        label_names, train = _read(path)
        return _divided(path, label_names, {"train": train}, dev, *rule)
    label_names, train = _read(os.path.join(path, "train"))
    splits = {"train": train}
    found = [name for name in DEV_FOLDERS if os.path.isdir(os.path.join(path, name))]
    if len(found) > 1:
        raise ValueError(f"{path} has both {' and '.join(found)}: keep one.")
    for split, folder in [("val", name) for name in found] + [("test", "test")]:
        if os.path.isdir(os.path.join(path, folder)):
            _, splits[split] = _read(os.path.join(path, folder), label_names)
    return _divided(path, label_names, splits, dev, *rule)


def load_csv(
    path: str | os.PathLike,
    *,
    dev: bool = False,
    check: bool = True,
    max_bad_images: int = 0,
    look: Look | None = None,
) -> ImageData:
    """Reads a CSV file with the columns `path`, `label` and, if you like, `split`.

    Paths are relative to the file's folder; `split` is train, val or test. Otherwise as
    `load_folder`.

    Raises:
        ValueError: a column is missing, a row has no label or an unknown split, there are fewer
            than two classes, or a class that no picture to train on has.
        UnreadableImageError: pictures that are missing or cannot be decoded.
    """
    path = os.path.abspath(path)
    rows = _rows(path)
    label_names = tuple(sorted({label for _, label in rows["train"]}))
    if len(label_names) < 2:
        raise ValueError(f"{path} has {len(label_names)} classes to train on; at least two needed.")
    numbers = {name: number for number, name in enumerate(label_names)}
    splits = {}
    for split, members in rows.items():
        if unknown := sorted({label for _, label in members} - numbers.keys()):
            raise ValueError(
                f"{path} has classes in {split} that train lacks: {', '.join(unknown[:5])}"
            )
        paths = [os.path.join(os.path.dirname(path), name) for name, _ in members]
        labels = np.array([numbers[label] for _, label in members], int)
        if members:
            splits[split] = Split(paths, labels, [shown(path) for path in paths])
    return _divided(path, label_names, splits, dev, check, max_bad_images, look)


def _rows(path: str) -> dict[str, list[tuple[str, str]]]:
    """Path and label of each row of a CSV file, by its split."""
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            if missing := {"path", "label"} - set(reader.fieldnames or ()):
                raise ValueError(
                    f"{path} has no column {' and none '.join(sorted(missing))} in its first line, "
                    "which must name the columns: path,label or path,label,split."
                )
            for row in reader:
                split = row.get("split") or "train"
                if not row["path"] or not row["label"] or split not in rows:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: a row needs a path, a label and, where "
                        f"there is one, a split of train, val or test. Received: {row}"
                    )
                rows[split].append((row["path"], row["label"]))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file in UTF-8: {error}") from error
    return rows


def _divided(path, label_names, splits: dict, dev, check, max_bad_images, look) -> ImageData:
    """What to train on and what to judge on, of the splits that there are."""
    few = sum(len(split) for split in splits.values()) <= CHECKED_ON_LOAD
    checked = check and (few or max_bad_images > 0)
    skipped: tuple[Found, ...] = ()
    if checked:
        looking = {} if look is None else {"look": look}
        kept, skipped = leave_out_bad([*splits.values()], max_bad_images, **looking)
        splits = dict(zip(splits, kept, strict=True))
        if skipped:
            _check_some_left(label_names, splits, skipped)
    train = splits["train"]
    if "test" not in splits and "val" not in splits:
        train, splits["test"] = hold_out(train)
    elif "test" not in splits:
        splits["test"] = splits.pop("val")
    if not dev:
        return ImageData(path, train, splits["test"], label_names, checked, skipped)
    if "val" in splits:
        return ImageData(path, train, splits["val"], label_names, checked, skipped)
    return ImageData(path, *hold_out(train, 0.1, seed=1), label_names, checked, skipped)


def _check_some_left(label_names, splits: dict[str, Split], skipped) -> None:
    """Raises if leaving out pictures left a class, or a split, without any."""
    counts = np.bincount(splits["train"].labels, minlength=len(label_names))
    empty = [f"the class {label_names[i]}" for i in np.flatnonzero(counts == 0)]
    empty = empty or [f"the split {name}" for name, split in splits.items() if not len(split)]
    if empty:
        raise UnreadableImageError(
            f"Of {', '.join(empty[:5])} no picture can be read. Mend some, or remove it. "
            f"Cannot read {shown(skipped[0].path)}: {skipped[0].problem}"
        )


def _read(root: str, label_names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Split]:
    """Class names of a folder and its pictures; under the given classes where there are some."""
    classes = sorted(_entries(root, folders=True))
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
        label_names = tuple(map(shown, classes))
        if len(set(label_names)) < len(classes):
            raise ValueError(f"{root} has class folders whose names look the same. Rename one.")
    else:
        unknown = [shown(name) for name in classes if shown(name) not in label_names]
        if unknown:
            raise ValueError(
                f"{root} has classes that the training folder lacks: {', '.join(unknown[:5])}"
            )
    names: list[str] = []
    labels: list[int] = []
    empty: list[str] = []
    for name in classes:
        files = _entries(os.path.join(root, name), folders=False)
        pictures = sorted(file for file in files if file.lower().endswith(SUFFIXES))
        if not pictures:
            empty.append(shown(name))
        names.extend(os.path.join(name, file) for file in pictures)
        labels.extend([label_names.index(shown(name))] * len(pictures))
    if empty:
        raise ValueError(
            f"{root} has class folders without pictures: {', '.join(empty[:5])}. Fill or remove "
            f"them. Pictures end in {', '.join(SUFFIXES)}."
        )
    paths = [os.path.join(root, name) for name in names]
    return label_names, Split(paths, np.array(labels), [shown(path) for path in paths])


def _entries(folder: str, *, folders: bool) -> list[str]:
    """Names of the folders in a folder, links followed, or of all else; hidden ones left out."""
    with os.scandir(folder) as entries:
        return [
            e.name for e in entries if _is_folder(e) == folders and not e.name.startswith(HIDDEN)
        ]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that leads in a circle.
        return False
