"""Images of one's own in a CSV file of paths and labels."""

import csv
import os
from typing import NamedTuple

import numpy as np

from keras_mixer.data.divide import EVALUATED, divided
from keras_mixer.data.files import Note, shown
from keras_mixer.data.names import PARTS, check_class_names, part_of
from keras_mixer.data.readable import Look
from keras_mixer.data.splits import ImageData, Split

COLUMNS = ("path", "label", "split")
DELIMITERS = ",;\t"


def load_csv(
    path: str | os.PathLike,
    *,
    dev: bool = False,
    whole: bool = False,
    check: bool = True,
    max_bad_images: int = 0,
    look: Look | None = None,
) -> ImageData:
    """Reads a CSV file with the columns `path`, `label` and, if you like, `split`.

    Paths are relative to the file's folder and read whatever they are called; `split` is train,
    test, or val, which may be called valid, validation or dev. Columns may be named in any case,
    and be divided by commas, semicolons or tabs. Where each name in the first line follows a space,
    so may each value; otherwise labels are taken as they stand. Otherwise as `load_folder`.

    Raises:
        ValueError: a column is missing, a row has no label, an unknown split or more fields than
            there are columns, an image is in two parts or has two labels, there are fewer than two
            classes, a class that no image to train on has, or classes that look the same.
        UnreadableImageError: images that are missing or cannot be decoded.
    """
    path = os.path.abspath(path)
    rows, notes = _rows(path)
    first = "train"
    if whole:  # There need be nothing to train on.
        first = next((part for part in ("train", *EVALUATED) if rows[part]), first)
    label_names = tuple(sorted({label for _, label in rows[first]}))
    if len(label_names) < 2:
        raise ValueError(f"{path} has {len(label_names)} classes to train on; at least two needed.")
    check_class_names(sorted({label for members in rows.values() for _, label in members}), path)
    numbers = {name: number for number, name in enumerate(label_names)}
    splits = {}
    for part, members in rows.items():
        if unknown := sorted({label for _, label in members} - numbers.keys()):
            raise ValueError(
                f"{path} has classes in {part} that {first} lacks: {', '.join(unknown[:5])}"
            )
        paths = [os.path.join(os.path.dirname(path), name) for name, _ in members]
        labels = np.array([numbers[label] for _, label in members], int)
        if members:
            splits[part] = Split(paths, labels, [shown(path) for path in paths])
    return divided(
        path,
        label_names,
        splits,
        dev=dev,
        whole=whole,
        check=check,
        max_bad_images=max_bad_images,
        look=look,
        notes=notes,
    )


class _Head(NamedTuple):
    """How the first line of a CSV file says that the others are to be read."""

    names: list[str]
    delimiter: str
    spaced: bool


def _head(path: str, line: str) -> _Head:
    """The columns of a first line, by whichever of the delimiters gives those that are needed."""
    for delimiter in DELIMITERS:
        names = next(csv.reader([line], delimiter=delimiter), [])
        spaced = len(names) > 1 and all(name.startswith(" ") for name in names[1:])
        names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=spaced), [])
        names = [name.strip().casefold() for name in names]
        if {"path", "label"} <= set(names):
            break
    else:
        names = [name.strip().casefold() for name in next(csv.reader([line]), [])]
        missing = sorted({"path", "label"} - set(names))
        raise ValueError(
            f"{path} has no column {' and none '.join(missing)} in its first line, which must name "
            "the columns: path,label or path,label,split, divided by commas, semicolons or tabs. "
            f"Received: {shown(line.strip()[:80])!r}"
        )
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise ValueError(f"{path} has the column {twice[0]} twice in its first line: keep one.")
    return _Head(names, delimiter, spaced)


def _rows(path: str) -> tuple[dict[str, list[tuple[str, str]]], list[Note]]:
    """Path and label of each row of a CSV file, by its part; and what is not used."""
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    called: dict[str, str] = {}  # How each part is called.
    seen: dict[str, tuple[str, str, str]] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            head = _head(path, file.readline())
            reader = csv.reader(file, delimiter=head.delimiter, skipinitialspace=head.spaced)
            for fields in reader:
                if not fields:
                    continue
                line = f"{path}, line {reader.line_num + 1}"
                row = dict(zip(head.names, fields, strict=False))
                name, label = row.get("path"), row.get("label")
                split = (row.get("split") or "train").strip().casefold()
                part = part_of(split)
                if not name or not label or part is None or len(fields) > len(head.names):
                    raise ValueError(
                        f"{line}: a row needs a path, a label and, where there is one, a split of "
                        f"{', '.join(PARTS)}, and no more fields than the first line. Received: "
                        f"{fields}"
                    )
                if called.setdefault(part, split) != split:
                    raise ValueError(f"{path} has both {called[part]} and {split}: keep one.")
                _check_once(seen, os.path.normpath(name), part, label, line)
                rows[part].append((name, label))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file in UTF-8: {error}") from error
    others = [shown(name) for name in head.names if name not in COLUMNS and name]
    notes = [Note(f"not used: the columns {', '.join(others[:5])}", False)] if others else []
    return rows, notes


def _check_once(seen: dict, name: str, part: str, label: str, line: str) -> None:
    """Raises where an image is in two parts or has two labels."""
    first_part, first_label, first_line = seen.setdefault(name, (part, label, line))
    if first_label != label:
        was, now = f"the label {first_label!a}", ascii(label)
    elif first_part != part:
        was, now = f"in {first_part}", part
    else:
        return
    number = first_line.rpartition(" ")[2]
    raise ValueError(
        f"{line}: {shown(name)} is {now} here and {was} in line {number}. Keep one of the rows."
    )
