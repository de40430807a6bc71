"""The pictures below folders of any size, one after the other, always in the same order."""

import dataclasses
import os
import re
import stat
from collections.abc import Iterator, Sequence

from keras_mixer.data.folder import HIDDEN, SUFFIXES


@dataclasses.dataclass(frozen=True)
class Found:
    """Something that a walk came to.

    Args:
        path: of a picture by name, or of what stands in the way; below the path that was given.
        problem: why it must not be opened, or `None`.
    """

    path: str
    problem: str | None = None


class Walk:
    """Pictures and what is below folders; each iteration reads the disk anew.

    Entries of a folder come in the order of the bytes of their names, what is in a subfolder where
    its own name stands. Nothing is opened, and of the names no more are in memory than those of one
    folder and of the folders above it.

    - A path that is given itself is taken whatever it is called. Below folders what is hidden, by a
      dot at the beginning of its name, and `__MACOSX` are left out; files that are not pictures by
      name (.jpg, .jpeg, .png, .webp, .bmp, .gif) are counted in `passed_over`.
    - Links are followed: to a folder unless it is one that holds the link or that another link led
      to before, so that the walk ends. Such links, links to nothing, pipes, sockets, devices and
      folders that cannot be listed are found with a problem.

    Args:
        paths: pictures or folders, walked in this order.
    """

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self.paths = [os.fsdecode(path) for path in paths]
        self.passed_over = 0

    def __iter__(self) -> Iterator[Found]:
        self.passed_over = 0
        followed: set[tuple[int, int]] = set()
        for given in self.paths:
            above: list[tuple[int, int]] = []  # The folders that the walk is in, outermost first.
            waiting: list[list[str]] = [[given]]  # What is left in each of them, last first.
            while waiting:
                if not waiting[-1]:
                    waiting.pop()
                    if above:
                        above.pop()
                    continue
                path = waiting[-1].pop()
                try:
                    about = os.stat(path)
                    if stat.S_ISDIR(about.st_mode):
                        identity = about.st_dev, about.st_ino
                        if path != given and os.path.islink(path):
                            if identity in above:
                                yield Found(path, "a link to a folder that holds it")
                                continue
                            if identity in followed:
                                yield Found(path, "a link to a folder that another link led to")
                                continue
                            followed.add(identity)
                        inside = _entries(path)
                        above.append(identity)
                        waiting.append(inside)
                    elif not stat.S_ISREG(about.st_mode):
                        yield Found(path, "not a regular file")
                    elif path == given or path.lower().endswith(SUFFIXES):
                        yield Found(path)
                    else:
                        self.passed_over += 1
                except FileNotFoundError:
                    broken = os.path.islink(path)
                    yield Found(path, "a link to nothing" if broken else "no such file")
                except OSError as error:
                    yield Found(path, str(error.strerror))


def _entries(folder: str) -> list[str]:
    """Paths of a folder's entries that are not hidden, last first."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(HIDDEN)]
    names.sort(key=os.fsencode, reverse=True)
    return [os.path.join(folder, name) for name in names]


def escaped(text: str) -> str:
    r"""A path, or other text, as one line of UTF-8: `unescaped` gives it back.

    A backslash, a control character and each byte that is not UTF-8 become `\x` and two hexadecimal
    digits.

    >>> escaped("two\nlines")
    'two\\x0alines'
    """
    text = os.fsencode(text).decode("utf-8", "surrogateescape")
    return re.sub(r"[\\\x00-\x1f\x7f\udc80-\udcff]", lambda m: f"\\x{ord(m[0]) & 0xFF:02x}", text)


def unescaped(text: str) -> str:
    """The path that `escaped` wrote."""
    parts = re.split(rb"\\x([0-9a-f]{2})", text.encode())
    parts[1::2] = [bytes.fromhex(digits.decode()) for digits in parts[1::2]]
    return os.fsdecode(b"".join(parts))
