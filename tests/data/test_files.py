"""Paths as text, and what must not be opened."""

import dataclasses
import os

import pytest

from keras_mixer import data
from keras_mixer.data import files

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("name", "as_shown", "as_escaped"),
    [
        ("plain \\ ÿ ā 猫.png", "plain \\ ÿ ā 猫.png", "plain \\x5c ÿ ā 猫.png"),
        ("two\nlines", "two\\x0alines", "two\\x0alines"),
        ("\x1b[31m", "\\x1b[31m", "\\x1b[31m"),
        ("\x7f\x80\x9f\xa0", "\\x7f\\x80\\x9f\xa0", "\\x7f\\xc2\\x80\\xc2\\x9f\xa0"),
        ("\u2027\u2028\u202f", "\u2027\\u2028\u202f", "\u2027\\xe2\\x80\\xa8\u202f"),
        ("\u202e\u202f", "\\u202e\u202f", "\\xe2\\x80\\xae\u202f"),
        ("\u2065\u2066", "\u2065\\u2066", "\u2065\\xe2\\x81\\xa6"),
        ("\u2069\u206a", "\\u2069\u206a", "\\xe2\\x81\\xa9\u206a"),
        (os.fsdecode(b"\x80\xc3\xff"), "\\x80\\xc3\\xff", "\\x80\\xc3\\xff"),
    ],
)
def test_names_as_one_line(name, as_shown, as_escaped):
    assert files.shown(name) == as_shown
    assert files.escaped(name) == as_escaped
    assert files.unescaped(as_escaped) == name


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (files.Found("x"), "problem"),
        (data.DATASETS["digits"], "classes"),
        (data.DATASETS["digits"].splits, "train"),
        (data.load("digits"), "label_names"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_row_does_not_change(row, field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(row, field, None)


def test_what_must_not_be_opened(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with open(tmp_path / "largest", "wb") as file:
        file.truncate(files.MAX_BYTES)
    names = ("link", "none", "pipe", "", "large", "largest")
    assert [files.obstacle(tmp_path / name) for name in names] == [
        *("a link to nothing", "no such file", "not a regular file", "a folder"),
        "it has 1,073,741,825 bytes, and at most 1,073,741,824 are allowed",
        None,
    ]
