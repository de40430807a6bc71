"""Rows are lines that others read, and that are read back."""

import csv
import io
import json

import numpy as np
import pytest

from keras_mixer.data import Found
from keras_mixer.evaluation.rows import Columns, CsvLines, JsonLines
from keras_mixer.evaluation.stream import PredictedBatch

pytestmark = pytest.mark.once

NAMES = ['a, "b"', "two\nlines", "ß"]
BATCH = PredictedBatch(
    [Found("1.jpg"), Found('x,"y\n.jpg'), Found("2.jpg")],
    [None, "so, and\nso", None],
    np.array([[0.25, 0.5, 0.25], [np.nan] * 3, [1e-9, 0.123456789, 0.876543210]]),
)


def test_columns_and_rows():
    """By hand: ties in the order of the classes, seven digits, no line breaks."""
    columns = Columns(NAMES, 2)
    assert columns.names == ("path", "class", "probability", "class_2", "probability_2", "error")
    assert columns.rows(BATCH) == [
        ["1.jpg", r"two\x0alines", 0.5, 'a, "b"', 0.25, None],
        [r'x,"y\x0a.jpg', None, None, None, None, r"so, and\x0aso"],
        ["2.jpg", "ß", 0.8765432, r"two\x0alines", 0.1234568, None],
    ]
    every = Columns(NAMES, 9, all_probabilities=True)
    assert every.names[-5:] == ("probability_3", 'p_a, "b"', r"p_two\x0alines", "p_ß", "error")
    assert every.rows(BATCH)[2][-4:] == [1e-9, 0.1234568, 0.8765432, None]
    assert {len(row) for row in every.rows(BATCH)} == {len(every.names)}


@pytest.mark.parametrize("kind", [CsvLines, JsonLines])
@pytest.mark.parametrize("every", [False, True])
def test_lines_are_read_back(kind, every):
    columns = Columns(NAMES, 3, every)
    lines = kind(columns)
    for row in columns.rows(BATCH):
        line = lines.line(row)
        assert line.count("\n") == 1
        assert line.endswith("\n")
        assert lines.read(line) == row


def test_other_programs_read_them():
    columns = Columns(NAMES, 1)
    rows = columns.rows(BATCH)
    lines = CsvLines(columns)
    text = lines.header + "".join(map(lines.line, rows))
    read = list(csv.DictReader(io.StringIO(text)))
    assert [row["path"] for row in read] == [row[0] for row in rows]
    assert [row["probability"] for row in read] == ["0.5", "", "0.8765432"]
    assert read[1]["error"] == r"so, and\x0aso"
    named = [json.loads(JsonLines(columns).line(row)) for row in rows]
    assert [row["class"] for row in named] == [r"two\x0alines", None, "ß"]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (CsvLines, "a,b\n"),
        (CsvLines, 'a,"b\n'),
        (CsvLines, "1.jpg,x,many,\n"),
        (JsonLines, "{\n"),
        (JsonLines, "[]\n"),
        (JsonLines, '{"path": "1.jpg"}\n'),
    ],
)
def test_damaged_lines(kind, line):
    with pytest.raises(ValueError, match=r"."):
        kind(Columns(NAMES, 1)).read(line)


def test_wrong_columns():
    with pytest.raises(ValueError, match=r"`top` must be at least 1. Received: 0"):
        Columns(NAMES, 0)
    with pytest.raises(ValueError, match="Two classes have the same name"):
        Columns(["a", "a"], 1, all_probabilities=True)
