"""What is a picture by name, why a path must not be opened as one, and paths as text."""

import contextlib
import dataclasses
import os
import re
import stat

from keras_mixer.printable import escape

SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
LATER = (".jpe", ".jfif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")  # Since version 0.2.
SUFFIXES += LATER
OWN = ("run.json", "study.json")  # A folder with one of them is no class.
HIDDEN = (".", "__MACOSX")  # How the names of entries begin that are left out.
MAX_BYTES = 2**30  # Six bytes, the most that a pixel takes, for as many pixels as PIL allows.

# What would break a line, or move the cursor or the words of a terminal. Fewer than `printable`
# escapes: folders give classes their names, and runs have recorded them like this.
_SET = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_UNSHOWN = re.compile(rf"[{_SET}\udc80-\udcff]")
_UNESCAPED = re.compile(rf"[{_SET}\\\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Note:
    """One line on a data set that a person should read.

    Args:
        text: the line.
        problem: whether it may spoil a training.
    """

    text: str
    problem: bool = True


@dataclasses.dataclass(frozen=True)
class Found:
    """Something that a walk came to.

    Args:
        path: of a picture by name, or of what stands in the way; below the path that was given.
        problem: why it cannot be read, or must not be opened, or `None`.
    """

    path: str
    problem: str | None = None


def is_image(name: str) -> bool:
    """Whether something is an image by its name: the one rule of folders and of `Walk`."""
    return name.lower().endswith(SUFFIXES)


def obstacle(path: str | os.PathLike) -> str | None:
    """Why a path must not be opened as a picture, or `None`; it opens nothing itself.

    Pipes, devices and sockets could block for ever or have no end.
    """
    try:
        about = os.stat(path)
    except FileNotFoundError:
        return "a link to nothing" if os.path.islink(path) else "no such file"
    except OSError as error:
        return str(error.strerror)
    if stat.S_ISDIR(about.st_mode):
        return "a folder"
    if not stat.S_ISREG(about.st_mode):
        return "not a regular file"
    if about.st_size > MAX_BYTES:
        return f"it has {about.st_size:,} bytes, and at most {MAX_BYTES:,} are allowed"
    return None


def shown(path: str | os.PathLike) -> str:
    r"""A path as one line of text that can be printed and written, whatever its name has.

    >>> shown("two\nlines")
    'two\\x0alines'
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    return _UNSHOWN.sub(escape, text)


def escaped(text: str) -> str:
    r"""A path, or other text, as one line of UTF-8: `unescaped` gives it back.

    Each byte of a backslash, of a character that breaks a line or steers a terminal, and of what is
    not UTF-8 becomes `\x` and two hexadecimal digits.

    >>> escaped("two\nlines")
    'two\\x0alines'
    """
    with contextlib.suppress(UnicodeEncodeError):  # Of half a character, which is in no path.
        text = os.fsencode(text).decode("utf-8", "surrogateescape")

    def code(match: re.Match) -> str:
        try:
            found = match[0].encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            found = match[0].encode("utf-8", "surrogatepass")
        return "".join(f"\\x{byte:02x}" for byte in found)

    return _UNESCAPED.sub(code, text)


def unescaped(text: str) -> str:
    """The path that `escaped` wrote."""
    parts = re.split(rb"\\x([0-9a-f]{2})", text.encode())
    parts[1::2] = [bytes.fromhex(digits.decode()) for digits in parts[1::2]]
    return os.fsdecode(b"".join(parts))
