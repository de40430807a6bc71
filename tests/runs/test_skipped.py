"""The list of what a run left out."""

import csv
import os

import pytest

from keras_mixer.data import Found
from keras_mixer.runs.skipped import check_same_skipped, read_skipped, write_skipped

pytestmark = pytest.mark.once

ODD = [
    Found(os.fsdecode(b"/x/\xff.png"), "not a picture"),
    Found('/x/two\nlines, and "quotes".png', "a reason, with commas"),
    Found("/x/back\\slash.png", "\x1b[31m"),
]


def test_odd_names_come_back(tmp_path):
    write_skipped(tmp_path, ODD)
    assert read_skipped(tmp_path) == ODD
    with open(tmp_path / "skipped.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [["path", "reason"], [r"/x/\xff.png", "not a picture"]]
    assert all(text.isprintable() for row in rows for text in row)
    write_skipped(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert read_skipped(tmp_path) == []


def test_other_ones_are_refused_and_named(tmp_path):
    check_same_skipped(tmp_path, [])
    write_skipped(tmp_path, ODD)
    check_same_skipped(tmp_path, [Found(one.path, "said otherwise") for one in reversed(ODD)])
    with pytest.raises(ValueError, match=r"1 can be read now, such as /x/.xff.png; 1 no longer "):
        check_same_skipped(tmp_path, [*ODD[1:], Found("/x/new.png", "truncated")])
    with pytest.raises(ValueError, match=r"3 can be read now, such as .* begin anew: with another"):
        check_same_skipped(tmp_path, [])
