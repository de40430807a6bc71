"""What comes from elsewhere cannot steer a terminal, whatever it is."""

import sys

import pytest

from keras_mixer.printable import one_line, printable, split_login, without_secrets

pytestmark = pytest.mark.once

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:SECRET@host/file", "http://***@host/file"),
        ("HTTPS://SECRET@host", "HTTPS://***@host"),
        ("http://:SECRET@host:80/", "http://***@host:80/"),
        ("http://me:SECRET@SECRET@host/a@b", "http://***@host/a@b"),
        ("http://me:SECRET/SECRET@host/x", "http://***@host/x"),
        ("http://me:SECRET'\"<SECRET@host/x", "http://***@host/x"),
        ("http://me:SECRET@[::1]:80/x", "http://***@[::1]:80/x"),
        ("https://host/x?X-Amz-Signature=SECRET&a=SECRET#SECRET", "https://host/x?***"),
        ("https://host/x#token=SECRET", "https://host/x#***"),
        ('see "https://me:SECRET@host/x?y=SECRET"SECRET, and', 'see "https://***@host/x?***, and'),
        ("url 'https://host/x?y=SECRET'.", "url 'https://host/x?***'."),
        ("a http://u:SECRET@h: b (http://u:SECRET@h)", "a http://***@h: b (http://***@h)"),
        ("URL('http://me:[secure]@host')", "URL('http://***@host')"),
        *[(same, same) for same in ("hf://user/name@v1", "http://host:8000/a@b", "a@b", "x?y", "")],
        *[(same, same) for same in ("http://[::1]:80/a@b", "file:///x/a:b@c", "http://host:80")],
    ],
)
def test_an_address_is_shown_without_its_secrets(text, expected):
    assert without_secrets(text) == one_line(text) == expected
    assert without_secrets(expected) == expected


def test_other_secrets_are_not_shown():
    text = "no Bearer hf_abc, hf_abc\n or x"
    assert without_secrets(text, "hf_abc\n", None, "") == "no Bearer ***, *** or x"


@pytest.mark.parametrize(
    ("address", "place", "login"),
    [
        ("http://host:80/x@y", "http://host:80/x@y", None),
        ("http://[::1]:80", "http://[::1]:80", None),
        ("http://[", "http://[", None),
        ("http://me:p%40ss%2F@host/x", "http://host/x", ("me", "p@ss/")),
        ("http://me:p/a ss@host/x", "http://host/x", ("me", "p/a ss")),
        ("http://me:a:b@c@host", "http://host", ("me", "a:b@c")),
        ("http://me@host", "http://host", ("me", "")),
        ("me:pass@host/x", "host/x", ("me", "pass")),
        ("", "", None),
    ],
)
def test_a_login_stands_apart_from_its_address(address, place, login):
    assert split_login(address) == (place, login)
