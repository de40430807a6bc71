"""What `run.json` says to others: without paths, user names and host names of this computer."""

import contextlib
import getpass
import pathlib
import re
import shlex
import socket
from typing import Any

from keras_mixer.data import DATASETS
from keras_mixer.weights import WEIGHTS

# A path from a root, a home, a drive or a folder above; "head/kernel" or "images/s" is none.
_ROOTED = re.compile(
    r"(?<![\w:/.~\\])(?:file://|~\w*[/\\]|\.{1,2}[/\\]|/|\\\\|[A-Za-z]:[/\\])[^\s;,'\"]*"
)
# The same in brackets, as where weights were loaded from; there may be spaces in it.
_BRACKETED = re.compile(
    r"\(((?:file://|~|\.{1,2}[/\\]|/|\\\\|[A-Za-z]:[/\\])(?:[^()]|\([^()]*\))*)\)"
)
_KNOWN = {*DATASETS, *(name for row in WEIGHTS.values() for name in row)}
_CHOICES = ("versions", "backend", "output")  # Nothing that a user writes.


def without_private(config: dict) -> dict:
    """A copy of a run's configuration in which paths are their last part, and nobody is named.

    Args:
        config: the contents of `run.json`.
    """
    request = config.get("request", {})
    places = [config.get("data"), request.get("data")]
    places += [part.get("recipe", {}).get("weights") for part in (config, request)]
    own = {place: last_part(place) for place in places if isinstance(place, str)}
    changed = {place: part for place, part in own.items() if len(place) > 1 and place != part}
    names = _names()

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            if key == "recipe":  # Its other fields are choices from lists.
                return {k: clean(v, k) if k in ("weights", "data") else v for k, v in value.items()}
            return {k: v if k in _CHOICES else clean(v, k) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [clean(one, key) for one in value]
        if not isinstance(value, str) or value in _KNOWN:
            return value
        if key == "command":
            value = _command(value)
        for place in sorted(changed, key=len, reverse=True):
            value = value.replace(place, changed[place])
        value = _BRACKETED.sub(lambda found: f"({last_part(found[1])})", value)
        value = _ROOTED.sub(lambda found: last_part(found[0]), value)
        for name, instead in names.items():
            value = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", instead, value)
        return value

    return clean(config)


def last_part(place: str) -> str:
    """The last part of a path; the name of a data set or of weights as it is."""
    if place in _KNOWN or place.startswith("tfds:") or not re.search(r"[/\\]", place):
        return place
    return re.split(r"[/\\]+", place.rstrip("/\\"))[-1] or "folder"


def _command(text: str) -> str:
    """A command line with the last part of each path in it."""
    try:
        words = shlex.split(text)
    except ValueError:
        return ""
    parts = (word.partition("=") for word in words)
    return shlex.join(f"{last_part(k)}{sep}{last_part(v)}" for k, sep, v in parts)


def _names() -> dict[str, str]:
    """The names of this user and this host, and what stands instead of them."""
    hosts, users = set(), set()
    with contextlib.suppress(OSError):
        hosts |= {socket.gethostname(), socket.gethostname().partition(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError):
        users.add(getpass.getuser())
    with contextlib.suppress(RuntimeError):
        users.add(pathlib.Path.home().name)
    named = {**dict.fromkeys(hosts, "host"), **dict.fromkeys(users, "user")}
    return {name: named[name] for name in sorted(named, key=len, reverse=True) if name}
