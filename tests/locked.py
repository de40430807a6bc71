"""Whether every package that is installed here has its version in constraints.txt.

    python tests/locked.py

Prints those that have not, as lines for that file, and exits with 1. The sessions of noxfile.py
call it after they have installed something. The standard library alone.
"""

import importlib.metadata
import pathlib
import re
import sys
from collections.abc import Iterable

CONSTRAINTS = pathlib.Path(__file__).parents[1] / "constraints.txt"
# What an environment begins with, and the package itself.
OWN = {"pip", "setuptools", "wheel", "keras-mixer"}
# PyTorch's builds with CUDA ask for an exact version of each of these.
OF_PYTORCH = re.compile(r"(nvidia|cuda)-.*|triton")


def normal(name: str) -> str:
    """The name of a package as indexes know it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Version by normal name, of the lines of a constraints file.

    Raises:
        ValueError: a line is not NAME==VERSION, or names a package again.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line)
        if not match or normal(match[1]) in found:
            raise ValueError(f"{line!r} is not NAME==VERSION, or names a package again.")
        found[normal(match[1])] = match[2]
    return found


def unlocked(installed: Iterable[tuple[str, str]], versions: dict[str, str]) -> list[str]:
    """`NAME==VERSION` of each installed package that is not among the versions; sorted.

    A local version counts as the public one: `2.13.0+cpu` is a build of 2.13.0 (PEP 440).
    """
    return sorted(
        f"{normal(name)}=={version}"
        for name, version in set(installed)
        if normal(name) not in OWN
        and not OF_PYTORCH.fullmatch(normal(name))
        and versions.get(normal(name)) not in (version, version.partition("+")[0])
    )


def main() -> int:
    installed = [(d.metadata["Name"], d.version) for d in importlib.metadata.distributions()]
    lines = unlocked(installed, pinned(CONSTRAINTS.read_text(encoding="utf-8")))
    if lines:
        print(f"{len(lines)} packages are not in constraints.txt as installed:", *lines, sep="\n")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
