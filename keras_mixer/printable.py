"""Text from elsewhere (files, servers, names) as text that may be printed."""

import re
import urllib.parse

# The login of an address, behind its "//": up to the last "@" before the path. Or, where what looks
# like a port is no number, up to the last one at all: a password with a "/" that is not encoded.
_LOGIN = re.compile(r"[^/?#\s]*@|[^/?#@\[\s]*:(?!\d*(?:[/?#\s]|$))\S*@")
_ADDRESS = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)(\S+)")


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
    """A message, such as an error's, as `printable` and `without_secrets`; its lines become one.

    Args:
        text: the message, or the error.
        most: as in `printable`. Defaults to 10,000.
    """
    return printable(without_secrets(" ".join(str(text).split())), most)


def print_line(text: object) -> None:
    """Prints text as `printable`; what functions that report on their work call by default."""
    print(printable(text))


def without_secrets(text: object, *secrets: str | None) -> str:
    """Text in which no address has a login or a query, which may hold a token or a signature.

        >>> without_secrets("http://me:pass@host/file?signature=x is not there")
        'http://***@host/file?*** is not there'

    Args:
        text: an address, or a message with any number of them.
        secrets: what else must not stand there, such as tokens.
    """
    text = str(text)
    forms = {form for one in secrets if one for form in (one, one.strip()) if form}
    for secret in sorted(forms, key=len, reverse=True):
        text = text.replace(secret, "***")

    def clean(match: re.Match) -> str:
        scheme, rest = match.groups()
        if login := _LOGIN.match(rest):
            rest = f"***@{rest[login.end() :]}"
        return scheme + re.sub(r"([?#]).+?([.,;:'\")\]>]*)$", r"\1***\2", rest, count=1)

    return _ADDRESS.sub(clean, text)


def split_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """An address without its login, and the user and the password, where it has one.

    >>> split_login("http://me:p%40ss@host:8000/folder")
    ('http://host:8000/folder', ('me', 'p@ss'))
    """
    scheme, separator, rest = address.rpartition("://") if "://" in address else ("", "", address)
    login = _LOGIN.match(re.sub(r"\s", "_", rest))
    if login is None:
        return address, None
    user, _, password = rest[: login.end() - 1].partition(":")
    return (
        f"{scheme}{separator}{rest[login.end() :]}",
        (urllib.parse.unquote(user), urllib.parse.unquote(password)),
    )


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
