"""Predictions as the rows of a table, and each row as a line of text."""

import json
from collections.abc import Sequence

import numpy as np

from keras_mixer.data import csv_cells, csv_line, escaped
from keras_mixer.evaluation.stream import PredictedBatch

Cell = str | float | None


class Columns:
    """The columns of a table of predictions; each picture is a row.

    `path` and `class`, the most probable one, with its `probability`; `class_2`, `probability_2`
    and so on for the next ones; if asked for, `p_NAME` of every class; and `error`, which says why
    a picture has no prediction. Texts are `keras_mixer.data.escaped`, so none reaches over a line;
    probabilities have seven significant digits, as float32 has.

    Args:
        label_names: names of the classes, in order.
        top: how many of the most probable classes.
        all_probabilities: whether to have every class.

    Raises:
        ValueError: `top` is below one, or a name is that of two columns.
    """

    def __init__(self, label_names: Sequence[str], top: int = 3, all_probabilities: bool = False):
        if top < 1:
            raise ValueError(f"`top` must be at least 1. Received: {top}")
        self.label_names = tuple(map(escaped, label_names))
        self.top = min(top, len(label_names))
        self.all_probabilities = all_probabilities
        names = ["path", "class", "probability"]
        for i in range(2, self.top + 1):
            names += [f"class_{i}", f"probability_{i}"]
        if all_probabilities:
            names += [f"p_{name}" for name in self.label_names]
        self.names = (*names, "error")
        if len(set(self.names)) < len(self.names):
            raise ValueError("Two classes have the same name, and would be one column.")

    def is_number(self, name: str) -> bool:
        """Whether a column holds probabilities, not text."""
        return name.startswith(("probability", "p_"))

    def rows(self, batch: PredictedBatch) -> list[list[Cell]]:
        """A row for each picture of a batch; `None` where there is nothing to say."""
        best = np.argsort(-batch.probabilities, axis=1, kind="stable")[:, : self.top]
        rows: list[list[Cell]] = []
        for found, problem, scores, order in zip(
            batch.files, batch.problems, batch.probabilities, best, strict=True
        ):
            row: list[Cell] = [escaped(found.path)]
            if problem is not None:
                row += [None] * (len(self.names) - 2)
                rows.append([*row, escaped(problem)])
                continue
            for i in order:
                row += [self.label_names[i], _rounded(scores[i])]
            if self.all_probabilities:
                row += map(_rounded, scores)
            rows.append([*row, None])
        return rows


def _rounded(probability: float) -> float:
    return float(f"{probability:.7g}")


class CsvLines:
    """Rows as CSV after RFC 4180, in UTF-8; see `keras_mixer.data.csv_line`."""

    def __init__(self, columns: Columns):
        self.columns = columns
        self.header = self.line(list(columns.names))

    def line(self, row: list[Cell]) -> str:
        """A row as text."""
        return csv_line(row)

    def read(self, line: str) -> list[Cell]:
        """The row that `line` wrote.

        Raises:
            ValueError: it is no such row.
        """
        cells = csv_cells(line)
        if len(cells) != len(self.columns.names):
            raise ValueError(f"{len(cells)} columns")
        return [
            None if not cell else float(cell) if self.columns.is_number(name) else cell
            for name, cell in zip(self.columns.names, cells, strict=True)
        ]


class JsonLines:
    """Rows as objects of JSON, one a line, with null where there is nothing to say."""

    header = ""

    def __init__(self, columns: Columns):
        self.columns = columns

    def line(self, row: list[Cell]) -> str:
        """A row as text."""
        named = dict(zip(self.columns.names, row, strict=True))
        return json.dumps(named, ensure_ascii=False) + "\n"

    def read(self, line: str) -> list[Cell]:
        """The row that `line` wrote.

        Raises:
            ValueError: it is no such row.
        """
        try:
            named = json.loads(line)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(named, dict) or tuple(named) != self.columns.names:
            raise ValueError("other columns")
        for name, cell in named.items():
            kind = float | int if self.columns.is_number(name) else str
            if cell is not None and (not isinstance(cell, kind) or isinstance(cell, bool)):
                raise ValueError(f"{name} is {type(cell).__name__}")
        return list(named.values())
