"""The pictures below folders of any size, one after the other, always in the same order."""

import os
from collections.abc import Iterator, Sequence

from keras_mixer.data.files import HIDDEN, Found, is_image, obstacle
from keras_mixer.system_errors import PERMISSION, raise_system_fault


class Walk:
    """Pictures and what is below folders; each iteration reads the disk anew.

    Entries of a folder come in the order of the bytes of their names, what is in a subfolder where
    its own name stands. Nothing is opened, and of the names no more are in memory than those of one
    folder and of the folders above it.

    - A path that is given itself is taken whatever it is called. Below folders what is hidden, by a
      dot at the beginning of its name, and `__MACOSX` are skipped and counted in `hidden`; files
      that are no images by name (`keras_mixer.data.SUFFIXES`) are counted in `passed_over`.
    - Links are followed: to a folder unless it is one that holds the link or that another link led
      to before, so that the walk ends. Such links, links to nothing, pipes, sockets, devices and
      folders that cannot be listed are found with a problem.

    Args:
        paths: pictures or folders, walked in this order.
    """

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self.paths = [os.fsdecode(path) for path in paths]
        self.passed_over = self.hidden = 0

    def __iter__(self) -> Iterator[Found]:
        self.passed_over = self.hidden = 0
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
                    if os.path.isdir(path):
                        about = os.stat(path)
                        identity = about.st_dev, about.st_ino
                        if path != given and os.path.islink(path):
                            if identity in above:
                                yield Found(path, "a link to a folder that holds it")
                                continue
                            if identity in followed:
                                yield Found(path, "a link to a folder that another link led to")
                                continue
                            followed.add(identity)
                        inside = self._entries(path)
                        above.append(identity)
                        waiting.append(inside)
                    elif (problem := obstacle(path)) is not None:
                        yield Found(path, problem)
                    elif path == given or is_image(path):
                        yield Found(path)
                    else:
                        self.passed_over += 1
                except OSError as error:
                    raise_system_fault(error, path, own=PERMISSION)
                    yield Found(path, str(error.strerror))

    def unused(self) -> str:
        """What the iteration has not used so far, as text; empty where that is nothing."""
        counts = {"files that are no images by name": self.passed_over}
        counts["hidden files or folders"] = self.hidden
        found = " and ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        return found and f"not used: {found}"

    def _entries(self, folder: str) -> list[str]:
        """Paths of a folder's entries that are not hidden, last first."""
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries]
        names = [name for name in found if not name.startswith(HIDDEN)]
        self.hidden += len(found) - len(names)
        names.sort(key=os.fsencode, reverse=True)
        return [os.path.join(folder, name) for name in names]
