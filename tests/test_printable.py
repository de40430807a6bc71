"""What comes from elsewhere cannot steer a terminal, whatever it is."""

import sys

import pytest

from keras_mixer.printable import one_line, printable

EVERY = [*map(chr, range(sys.maxunicode + 1))]


def test_every_character_is_printable_and_none_is_lost():
    told = [printable(c) for c in EVERY]
    assert all(text.isprintable() and text for text in told)
    assert all(text == c for c, text in zip(EVERY, told, strict=True) if c.isprintable())
    assert len({*told}) >= len(EVERY) - 128  # Bytes that are no UTF-8 look as Latin-1's controls.
    assert all(printable(text) == text for text in told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ß 日本", "plain ß 日本"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\nb\tc\x7f\x9b", r"a\x0d\x0ab\x09c\x7f\x9b"),
        ("\u202egnp.exe\u2066\u200b", r"\u202egnp.exe\u2066\u200b"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff lone \ud800", r"\xff lone \ud800"),
        (ValueError("two\nlines"), r"two\x0alines"),
    ],
)
def test_what_steers_a_terminal_is_its_code(text, expected):
    assert printable(text) == expected
    encoded = printable(text).encode()
    assert printable(text, len(str(text))).encode() == encoded


def test_length_is_bounded():
    assert printable("abcdef", 3) == one_line("abcdef", 3) == "abc..."
    assert printable("\n" * 5, 2) == r"\x0a\x0a..."
    assert printable("abc", 3) == "abc"


def test_lines_of_a_message_become_one():
    assert one_line(ValueError(" first \n\n  second\x1b[2J\r\n")) == r"first second\x1b[2J"
