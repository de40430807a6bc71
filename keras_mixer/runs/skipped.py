"""`skipped.csv`: the pictures that a run left out because they cannot be read, and why."""

import csv
import pathlib
from collections.abc import Callable, Sequence

from keras_mixer.data import Found, ImageData, csv_line, csv_text, escaped, unescaped
from keras_mixer.runs.directory import SKIPPED
from keras_mixer.writing import write_text


def tell_skipped(data: ImageData, say: Callable[[str], None]) -> None:
    """Says how many pictures of a data set were left out, if any."""
    if data.skipped:
        say(
            f"data: {len(data.skipped):,} images cannot be read and are left out, listed in "
            f"{SKIPPED}; every accuracy is of the others"
        )


def tell_notes(data: ImageData, say: Callable[[str], None]) -> None:
    """Says what was found as a data set was loaded, such as files that are not used."""
    for note in data.notes:
        say(f"data: {note.text}")


def write_skipped(folder: pathlib.Path, skipped: Sequence[Found]) -> None:
    """Writes a row of path and reason for each; no file where there are none.

    In paths a backslash, a control character and a byte that is not UTF-8 are as
    `keras_mixer.data.escaped` writes them, and no cell is a formula, as in
    `keras_mixer.data.csv_line`.
    """
    if not skipped:
        (folder / SKIPPED).unlink(missing_ok=True)
        return
    rows = [(escaped(one.path), escaped(one.problem or "")) for one in skipped]
    write_text(folder / SKIPPED, "".join(map(csv_line, [("path", "reason"), *rows])))


def read_skipped(folder: pathlib.Path) -> list[Found]:
    """What `write_skipped` wrote."""
    if not (folder / SKIPPED).is_file():
        return []
    with open(folder / SKIPPED, newline="", encoding="utf-8") as file:
        return [
            Found(*(unescaped(csv_text(row[name])) for name in ("path", "reason")))
            for row in csv.DictReader(file)
        ]


def check_same_skipped(folder: pathlib.Path, skipped: Sequence[Found]) -> None:
    """Raises unless a run that goes on leaves out what it left out before.

    Raises:
        ValueError: other pictures can be read now; the message names up to five of each kind.
    """
    before = {one.path for one in read_skipped(folder)}
    now = {one.path for one in skipped}
    if before == now:
        return
    changes = [
        f"{len(paths)} {what}, such as {', '.join(map(escaped, sorted(paths)[:5]))}"
        for paths, what in ((before - now, "can be read now"), (now - before, "no longer can"))
        if paths
    ]
    raise ValueError(
        f"{folder} was begun when other pictures could not be read: {'; '.join(changes)}. Put the "
        "files back as they were to go on, or begin anew: with another --output, or, where none "
        "is given, with --new."
    )
