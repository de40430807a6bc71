"""Fetches published files into a cache: once, verified, or with one clear error."""

import datetime
import hashlib
import os
import pathlib
import re
from collections.abc import Callable

from keras_mixer.printable import one_line
from keras_mixer.weights.download import (
    Said,
    beside,
    download,
    drop,
    read_json,
    write_json,
    writing,
)

_OFFLINE = ("KERAS_MIXER_OFFLINE", "HF_HUB_OFFLINE")


def cache_dir() -> pathlib.Path:
    """The folder of fetched files, inside Keras' own cache."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return pathlib.Path(home, "models", "keras_mixer")


def offline() -> str | None:
    """The name of the environment variable that forbids the network, or `None`."""
    on = ("1", "true", "yes", "on")
    return next((name for name in _OFFLINE if os.environ.get(name, "").lower() in on), None)


def is_cached(file_name: str) -> bool:
    """Whether the cache holds `file_name`."""
    return (cache_dir() / file_name).is_file()


def read_record(file_name: str) -> dict | None:
    """What was noted when `file_name` was fetched; `None` where it was not: placed by hand."""
    return read_json(cache_dir() / f"{file_name}.json")


def fetch(
    url: str,
    file_name: str,
    check: Callable[[pathlib.Path], object] | None = None,
    *,
    force: bool = False,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> pathlib.Path:
    """Fetches a file into the cache, unless it is there, and verifies it.

    Args:
        url: where it is: `https://...`, or `hf://OWNER/REPOSITORY/FILE` for the Hugging Face hub.
        file_name: its name in the cache.
        check: is given a path and raises `ValueError` if that file is not what it should be.
        force: fetch it even if the cache has it.
        timeout: seconds without a byte after which a connection counts as broken.
        pause: seconds before the second try; it doubles with each further one.

    Returns:
        The path of the file.

    Raises:
        ValueError: the file is not what it should be; the cache keeps none of a refused download.
        ConnectionError: it could not be fetched.
        OSError: it could not be written.
    """
    import filelock

    path = cache_dir() / file_name
    if path.is_file() and not force:
        _check_cached(path, check)
        return path
    try:
        if variable := offline():
            raise ConnectionError(f"{variable} is set")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            if force or not path.is_file():  # Another process may have fetched it meanwhile.
                part = pathlib.Path(f"{path}.part")
                said = _receive(url, part, check, timeout, pause)
                _put_in_place(part, path, url, said)
    except ConnectionError as error:
        raise ConnectionError(
            f"Cannot fetch {_page(url)}: {one_line(error)}. Get it another way and place the file "
            f"at {path}"
        ) from error
    return path


def _page(url: str) -> str:
    """The address of a file for a browser."""
    return re.sub(r"^hf://([^/]+/[^/]+)/", r"https://huggingface.co/\1/resolve/main/", url)


def _check_cached(path: pathlib.Path, check: Callable[[pathlib.Path], object] | None) -> None:
    record = read_record(path.name)
    if record is None:
        _verify(path, Said(None), check, f"Refused {path}, placed by hand; delete it")
        return
    found = path.stat().st_size, _digest(path, "sha256")
    noted = record.get("bytes"), record.get("sha256")
    if found != noted:
        raise ValueError(
            f"{path} does not match its record {path.name}.json: it has {found[0]} bytes and "
            f"sha256 {found[1]}, the record says {noted[0]} and {noted[1]}; delete both, or "
            "download it again with force (keras-mixer weights download NAME --force)"
        )


def _receive(url, part: pathlib.Path, check, timeout: float, pause: float) -> Said:
    """Fills `part` with verified bytes; a resumed download that proves wrong is begun once anew."""
    for last in (False, True):
        said = download(url, part, timeout, pause)
        try:
            _verify(part, said, check, f"Refused what {_page(url)} gave; try again later")
        except ValueError:
            drop(part)
            if last or not said.resumed:
                raise
        else:
            break
    return said


def _verify(path: pathlib.Path, said: Said, check, refusal: str) -> None:
    """Compares length and hash with what the server said, then asks `check`."""
    size = path.stat().st_size
    if said.length not in (None, size):
        raise ValueError(f"{refusal}: {size} bytes, not {said.length} as the server says")
    if said.digest and (found := _digest(path, said.algorithm)) != said.digest:
        raise ValueError(
            f"{refusal}: its {said.algorithm} is {found}, not {said.digest} as the server says"
        )
    if check:
        try:
            check(path)
        except ValueError as error:
            raise ValueError(f"{refusal}: {one_line(error)}") from error


def _put_in_place(part: pathlib.Path, path: pathlib.Path, url: str, said: Said) -> None:
    record = {
        "url": url,
        "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "bytes": part.stat().st_size,
        "sha256": _digest(part, "sha256"),
        "verified_by": said.algorithm,
    }
    with writing(path):
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        beside(path).unlink(missing_ok=True)  # Never an old record beside a new file.
        os.replace(part, path)
        beside(part).unlink(missing_ok=True)
        write_json(beside(path), record)


def _digest(path: pathlib.Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
