"""Which names mean a part, in what order classes come, and which names look the same."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_mixer import data
from keras_mixer.data.names import alike_elsewhere, in_natural_order, look_of, part_of

pytestmark = pytest.mark.once

# Pairs of names that are not equal and look the same.
ALIKE = [
    ("cat", " cat"),
    ("cat", "cat "),
    ("cat", "cat\t"),
    ("cat", "cat\u00a0"),
    ("big cat", "big\u00a0cat"),
    ("big cat", "big  cat"),
    ("big cat", "big\u3000cat"),
    ("caf\u00e9", "cafe\u0301"),
    ("\u1100\u1161", "\uac00"),
    ("cat", "c\u200bat"),
    ("cat", "cat\ufeff"),
    ("cat", "\u200ecat"),
    ("cat", "ca\u00adt"),
    ("cat", "cat\ufe0f"),
    ("cat", "cat\u3164"),
    (r"two\x0alines", "two\nlines"),
]
DIFFERENT = [
    ("cat", "Cat"),
    ("x2", "x\u00b2"),
    ("a b", "ab"),
    ("1", "01"),
    ("etc", "etc."),
    ("e", "é"),
]


# What was held out of ten images of each of the classes 1, 2, 10, 20, b when they were numbered in
# the order of text, 1, 10, 2, 20, b; and for choices.
HELD = ((4, 6), (4, 5), (2, 9), (4, 5), (1, 2))
DEV = ((7,), (1,), (1,), (3,), (5,))


def table(folder, rows, head=("path", "label")):
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return folder / "labels.csv"


def by_folder(folder, names):
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (4, 4)).save(folder / name / f"{i}.png")
    return data.load(folder, check=False)


def by_table(folder, names):
    rows = [(f"{i}{name}.png", name) for name in names for i in range(2)]
    return data.load(table(folder, rows), check=False)


def by_arrays(folder, names):
    labels = np.repeat(np.arange(len(names)), 2)
    return data.from_arrays((np.zeros((len(labels), 4, 4), "uint8"), labels), label_names=names)


DOORS = pytest.mark.parametrize("door", [by_folder, by_table, by_arrays])


@DOORS
@pytest.mark.parametrize("pair", ALIKE)
def test_names_that_look_the_same_are_refused_at_every_door(door, pair, tmp_path):
    with pytest.raises(ValueError, match="names look the same: ") as raised:
        door(tmp_path, [*pair, "other"])
    assert str(raised.value).isprintable()
    assert all(ascii(name) in str(raised.value) for name in pair)  # And are told apart.


@DOORS
@pytest.mark.parametrize("pair", DIFFERENT)
def test_names_that_can_be_told_apart_are_two_classes(door, pair, tmp_path):
    assert sorted(door(tmp_path, pair).label_names) == sorted(pair)


@DOORS
@pytest.mark.parametrize("name", [" ", "\u200b", "\u3164 \u00a0"])
def test_a_name_that_is_not_seen_is_refused(door, name, tmp_path):
    with pytest.raises(ValueError, match="of which no name is seen"):
        door(tmp_path, [name, "other"])


def test_equal_names_of_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="names look the same: 'crane' and 'crane'"):
        by_arrays(tmp_path, ["crane", "crane"])


@pytest.mark.parametrize("door", [by_folder, by_table])
def test_case_alone_is_said(door, tmp_path):
    """They are two classes here, and one folder where case does not count."""
    notes = door(tmp_path, ["Cat", "cat", "dog."]).notes
    assert [note.text[:60] for note in notes if not note.problem] == [
        "the classes 'Cat' and 'cat' differ only by case or dots at t"
    ]
    assert alike_elsewhere(["etc", "Etc.", "a"]) == [("etc", "Etc.")]


@given(st.text(), st.text())
def test_look_is_of_what_is_seen(one, other):
    assert look_of(look_of(one)) == look_of(one)
    assert look_of(f" {one}\u200b ") == look_of(one)
    if one.isalnum() and other.isalnum() and one.isascii() and other.isascii():
        assert (look_of(one) == look_of(other)) == (one == other)


@pytest.mark.parametrize(
    "wanted",
    [
        ("0", "1", "2", "10", "11", "100"),
        ("-2", "-1", "0", "0.25", "0.5", "1", "10"),
        ("img1", "img2", "img10"),
        ("2 of 10", "10 of 2", "10 of 10", "a"),
        ("a", "b", "c1", "c02", "c10", "d"),
        ("n01440764", "n01443537", "n02000000"),
        ("1", "9" * 5000),
        ("v1.9", "v1.10"),
        ("1", "01"),
        ("blue", "red"),
        ("\u0661", "\u0662"),  # Digits of other scripts are letters here.
    ],
)
def test_natural_order(wanted):
    for given_order in (wanted, wanted[::-1]):
        found = in_natural_order(given_order)
        assert found == (("01", "1") if wanted == ("1", "01") else wanted)


@given(st.lists(st.text()))
def test_any_names_have_one_order(names):
    assert in_natural_order(names[::-1]) == in_natural_order(names)
    assert sorted(in_natural_order(names)) == sorted(names)


@given(st.lists(st.integers(), unique=True))
def test_numbers_come_by_their_value(numbers):
    found = in_natural_order(map(str, numbers))
    if all(abs(number) < 2**53 for number in numbers):
        assert [int(name) for name in found] == sorted(numbers)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "val") for name in ("val", "valid", "validation", "dev", "Val", "VALID ")),
        *(("train", "train"), ("Train", "train"), ("test", "test"), ("TEST", "test")),
        *(
            (name, None)
            for name in ("training", "tests", "vali", "eval", "", "trainval", "holdout")
        ),
    ],
)
def test_the_closed_list_of_parts(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize("door", [by_folder, by_table])
@pytest.mark.parametrize("dev", [False, True])
def test_the_order_of_classes_holds_out_the_same_images(door, dev, tmp_path):
    """As before classes came in natural order; and another order is by name."""
    names = ["1", "2", "10", "20", "b"]
    for name in names:
        (tmp_path / name).mkdir()
        for i in range(10):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{i}.png")
    place = tmp_path
    if door is by_table:
        place = table(tmp_path, [(f"{name}/{i}.png", name) for name in names for i in range(10)])
    loaded = data.load(place, check=False, dev=dev)
    assert loaded.label_names == tuple(names)
    for split in (loaded.train, loaded.test):
        assert [names[label] for label in split.labels] == [n.split("/")[-2] for n in split.names]
    held = {"/".join(n.split("/")[-2:]) for n in loaded.test.names}
    numbers = zip(names, DEV if dev else HELD, strict=True)
    assert held == {f"{name}/{i}.png" for name, own in numbers for i in own}
    older = loaded.in_order(sorted(names))
    assert older.label_names == ("1", "10", "2", "20", "b")
    assert older.test.names == loaded.test.names
    assert [older.label_names[i] for i in older.test.labels] == [
        loaded.label_names[i] for i in loaded.test.labels
    ]
    again = older.in_order(names)
    assert again.test.fingerprint() == loaded.test.fingerprint()
    with pytest.raises(ValueError, match="has the classes 1, 2, 10, 20, b"):
        loaded.in_order(["1", "2", "10", "20", "c"])
