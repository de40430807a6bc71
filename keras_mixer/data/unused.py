"""What lies in a folder of data and is not used: counted, and said."""

import os
from typing import NamedTuple

from keras_mixer.data.files import HIDDEN, OWN, Note, is_image, shown
from keras_mixer.data.walk import Walk


class Listed(NamedTuple):
    """The entries of a folder by what they are.

    Args:
        folders: names of folders, links followed.
        files: names of all else that is not hidden.
        runs: names of folders that hold a run or a study of keras_mixer.
        hidden: how many are hidden, by a dot at the beginning of their name, or `__MACOSX`.
    """

    folders: list[str]
    files: list[str]
    runs: list[str]
    hidden: int


def listed(folder: str) -> Listed:
    """The entries of a folder; nothing is opened."""
    found, hidden = Listed([], [], [], 0), 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(HIDDEN):
                hidden += 1
            elif not _is_folder(entry):
                found.files.append(entry.name)
            elif any(os.path.lexists(os.path.join(entry.path, name)) for name in OWN):
                found.runs.append(entry.name)
            else:
                found.folders.append(entry.name)
    return found._replace(hidden=hidden)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that leads in a circle.
        return False


class Unused:
    """Counts what is not used, by why; `notes` says it."""

    def __init__(self) -> None:
        self.hidden = 0
        self._files: dict[tuple[str, bool], list[str]] = {}
        self._folders: dict[str, list[str]] = {}
        self._said: list[Note] = []

    def say(self, text: str) -> None:
        """Adds a line on something that is used, and might have been meant otherwise."""
        self._said.append(Note(text, problem=False))

    def add_runs(self, root: str, names: list[str]) -> None:
        """Folders that a command has written."""
        self.add_folders(root, names, "of runs or studies")

    def add_folders(self, root: str, names: list[str], where: str) -> None:
        """Folders of which nothing is read."""
        if names:
            self._folders.setdefault(where, []).extend(os.path.join(root, name) for name in names)

    def add_beside(self, root: str, files: list[str]) -> None:
        """Files that stand where the folders of the classes do."""
        for image, what in (
            (True, "images beside the folders"),
            (False, "files beside them"),
        ):
            self._add(root, [f for f in files if is_image(f) == image], what, image)

    def add_class(self, folder: str, inside: Listed) -> None:
        """What is in the folder of a class besides its images."""
        self.hidden += inside.hidden
        others = [name for name in inside.files if not is_image(name)]
        self._add(folder, others, "files of classes that are no images by name", True)
        self.add_runs(folder, inside.runs)
        self.add_folders(folder, inside.folders, "within those of classes")

    def _add(self, root: str, names: list[str], what: str, problem: bool) -> None:
        if names:
            paths = self._files.setdefault((what, problem), [])
            paths.extend(os.path.join(root, name) for name in names)

    def notes(self) -> tuple[Note, ...]:
        """A line for each kind, with a count and an example."""
        notes = list(self._said)
        for where, folders in self._folders.items():
            images = sum(found.problem is None for found in Walk(folders))
            notes.append(
                Note(
                    f"not used: {len(folders):,} folders {where}, with {images:,} images, such as "
                    f"{shown(min(folders))}"
                )
            )
        for (what, problem), paths in self._files.items():
            text = f"not used: {len(paths):,} {what}, such as {shown(min(paths))}"
            notes.append(Note(text, problem))
        if self.hidden:
            notes.append(Note(f"not used: {self.hidden:,} hidden files or folders", False))
        return tuple(notes)
