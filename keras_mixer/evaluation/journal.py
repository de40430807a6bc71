"""Rows that are added to a file batch by batch, so that a kill loses no more than one batch."""

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from keras_mixer.data import Found, escaped
from keras_mixer.evaluation.rows import Cell, CsvLines, JsonLines
from keras_mixer.writing import writing


class Standing(NamedTuple):
    """Where a file of rows stands.

    Args:
        rows: how many are kept.
        bad: those of them that have an error.
        last_bad: the last of these, its path and its error.
        again: the files of the rows that are not kept.
    """

    rows: int = 0
    bad: int = 0
    last_bad: tuple[Cell, Cell] = ("", "")
    again: tuple[Found, ...] = ()

    def after(self, rows: list[list[Cell]]) -> "Standing":
        """Where it stands with more rows."""
        bad = [(row[0], row[-1]) for row in rows if row[-1] is not None]
        last = [self.last_bad, *bad][-1]
        return Standing(self.rows + len(rows), self.bad + len(bad), last)


class Journal:
    """A file that rows are added to.

    Args:
        path: the file.
        lines: how a row is a line.
    """

    def __init__(self, path: pathlib.Path, lines: CsvLines | JsonLines):
        self.path = path
        self.lines = lines

    def go_on(self, files: Iterator[Found], batch_size: int) -> Standing:
        """Compares the rows with the files, and cuts off what is no whole batch.

        Args:
            files: all of them; those of the rows are taken.
            batch_size: batches begin at its multiples, so that with the same one the batches are
                those that there would have been.

        Raises:
            ValueError: a row is damaged, or is that of another file.
        """
        with writing(self.path):
            self.path.touch()
        kept = Standing()
        since: list[list[Cell]] = []  # Rows of a batch that is not whole so far,
        again: list[Found] = []  # and their files.
        with open(self.path, "rb+") as file:
            end = place = self._begin(file)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # Cut short.
                number = kept.rows + len(since) + 1
                try:
                    row = self.lines.read(line.decode())
                except ValueError as error:
                    raise ValueError(
                        f"{self.path} is damaged at row {number:,}: {error}. Remove it to begin "
                        "anew."
                    ) from error
                found = next(files, None)
                if found is None or escaped(found.path) != row[0]:
                    now = "there is none" if found is None else f"it is {escaped(found.path)}"
                    raise ValueError(
                        f"The pictures are not those that {self.path} was begun with: number "
                        f"{number:,} was {row[0]} and now {now}. Bring them back, or remove the "
                        "file to begin anew."
                    )
                since.append(row)
                again.append(found)
                place += len(line)
                if len(since) == batch_size:
                    kept, end = kept.after(since), place
                    since, again = [], []
            file.truncate(end)
        return kept._replace(again=tuple(again))

    def _begin(self, file) -> int:
        """Writes the header, or goes past it."""
        header = self.lines.header.encode()
        written = file.read(len(header))
        if written != header:
            if not header.startswith(written):
                raise ValueError(
                    f"{self.path} begins with {written[:40]!r}, not with the header that belongs "
                    "there. Remove it to begin anew."
                )
            with writing(self.path):
                file.seek(0)
                file.write(header)
                file.flush()
        return len(header)

    def add(self, rows: list[list[Cell]]) -> None:
        """Writes rows behind those that are there, to the disk itself."""
        with writing(self.path), open(self.path, "ab") as file:
            file.write("".join(map(self.lines.line, rows)).encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> Iterator[list[Cell]]:
        """Its rows."""
        with open(self.path, encoding="utf-8", newline="\n") as file:
            file.seek(len(self.lines.header.encode()))
            for line in file:
                yield self.lines.read(line)
