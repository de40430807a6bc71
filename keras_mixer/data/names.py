"""Names that mean something: of parts of a data set, and of classes."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from keras_mixer.data.files import Note, shown

# The closed list: every name that makes a folder, or a row of a CSV file, a part of a data set.
PARTS = {"train": "train", "test": "test"}
PARTS |= dict.fromkeys(("val", "valid", "validation", "dev"), "val")

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# What is drawn as nothing though it is no format character: fillers, selectors, an empty Braille.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def part_of(name: str) -> str | None:
    """The part that a name means, `"train"`, `"val"` or `"test"`, in any case; else `None`."""
    return PARTS.get(name.strip().casefold())


def in_natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names as people count: 2 before 10, also within names; numbers by their value.

    >>> in_natural_order(["10", "9", "img12", "img2"])
    ('9', '10', 'img2', 'img12')
    """
    names = sorted(names)
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=float))
    return tuple(sorted(names, key=_natural))


def _natural(name: str) -> list:
    """Text and numbers in turn; a number of any length by its digits."""
    parts: list = re.split("([0-9]+)", name)
    parts[1::2] = [(len(number), number) for number in (d.lstrip("0") for d in parts[1::2])]
    return parts


def look_of(name: str) -> str:
    """What is seen of a name: two that look the same give the same text.

    Spaces of any kind at the ends, and how many they are, marks of direction, what has no width,
    and the form of Unicode are not seen. Letters of different scripts that are drawn alike are not
    known here.
    """
    seen = "".join(c for c in _BLANK.sub("", name) if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFC", shown(seen.strip())).split())


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raises unless every class has a name that can be seen and told from all others.

    Args:
        names: of the classes.
        where: what has them, for the message.

    Raises:
        ValueError: two names are equal or look the same, or one is not seen at all.
    """
    known: dict[str, str] = {}
    for name in names:
        look = look_of(name)
        if not look:
            raise ValueError(f"{where} has a class of which no name is seen: {name!a}.")
        if look in known:
            both = f"{known[look]!a} and {name!a}"
            raise ValueError(
                f"{where} has classes whose names look the same: {both}. Make them one class, or "
                "rename one."
            )
        known[look] = name


def note_on_class_names(names: Sequence[str], where: str) -> tuple[Note, ...]:
    """What `check_class_names` refuses, as a note: for names that a user cannot change."""
    try:
        check_class_names(names, where)
    except ValueError as error:
        return (Note(str(error), problem=False),)
    return ()


def alike_elsewhere(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ only by case or by dots at the end.

    On file systems of macOS and Windows their folders would be one.
    """
    known: dict[str, str] = {}
    pairs = []
    for name in names:
        first = known.setdefault(look_of(name).casefold().rstrip(". "), name)
        if first != name:
            pairs.append((first, name))
    return pairs
