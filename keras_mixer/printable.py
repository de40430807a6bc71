"""Text from elsewhere (files, servers, names) as text that may be printed."""

import re


def printable(text: object, most: int | None = None) -> str:
    r"""Text on one line, without what steers a terminal or cannot be seen.

    Whatever `str.isprintable` calls not printable becomes its code: control characters, escape
    sequences, line breaks, marks of direction, characters without width, spaces other than the
    usual one, and bytes that were not UTF-8. Text that is printable stays as it is, so that doing
    it twice changes nothing.

        >>> printable("red\x1b[31m\n")
        'red\\x1b[31m\\x0a'

    Args:
        text: a name, a message, or anything whose `str` is one.
        most: characters of it that are kept; "..." stands for the others. Defaults to all.
    """
    whole = str(text)
    kept = whole[:most]
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else escape(c) for c in kept)
    return kept + ("..." if len(whole) > len(whole[:most]) else "")


def one_line(text: object, most: int | None = 10_000) -> str:
    """A message, such as an error's, as `printable`; its lines become one.

    Args:
        text: the message, or the error.
        most: as in `printable`. Defaults to 10,000.
    """
    return printable(" ".join(str(text).split()), most)


def print_line(text: object) -> None:
    """Prints text as `printable`; what functions that report on their work call by default."""
    print(printable(text))


def escape(character: str | re.Match) -> str:
    r"""One character, or the one of a match, as its code: `\x1b`, `\u202e`, `\U000e0041`.

    A byte that was not UTF-8 (Python's `surrogateescape`) is `\x` and that byte.
    """
    code = ord(character[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
