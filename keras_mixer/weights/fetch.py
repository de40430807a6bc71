"""Fetches published files into a cache: once, verified, or with one clear error."""

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from keras_mixer.weights.registry import STORAGE

_BUSY = (429, 500, 502, 503, 504)  # Answers that may be another a moment later.
_TRIES = 5  # In a row without a new byte, before it is given up.
_OFFLINE = ("KERAS_MIXER_OFFLINE", "HF_HUB_OFFLINE")


@dataclasses.dataclass(frozen=True)
class _Said:
    """What the server says of a file: its length, its hash where it gives one, where it began."""

    length: int | None
    algorithm: str = "length"
    digest: str = ""
    resumed: bool = False


class _BrokenOffError(Exception):
    """A try that may go better the next time."""


def cache_dir() -> pathlib.Path:
    """The folder of fetched files, inside Keras' own cache."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return pathlib.Path(home, "models", "keras_mixer")


def is_cached(file_name: str) -> bool:
    """Whether the cache holds `file_name`."""
    return (cache_dir() / file_name).is_file()


def read_record(file_name: str) -> dict | None:
    """What was noted when `file_name` was fetched; `None` where it was not: placed by hand."""
    return _read_json(cache_dir() / f"{file_name}.json")


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
        for name in _OFFLINE:
            if os.environ.get(name, "").lower() in ("1", "true", "yes", "on"):
                raise ConnectionError(f"{name} is set")
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            if force or not path.is_file():  # Another process may have fetched it meanwhile.
                part = pathlib.Path(f"{path}.part")
                said = _receive(url, part, check, timeout, pause)
                _put_in_place(part, path, url, said)
    except ConnectionError as error:
        raise ConnectionError(
            f"Cannot fetch {_page(url)}: {_one_line(error)}. Get it another way and place the file "
            f"at {path}"
        ) from error
    return path


def _page(url: str) -> str:
    """The address of a file for a browser."""
    return re.sub(r"^hf://([^/]+/[^/]+)/", r"https://huggingface.co/\1/resolve/main/", url)


def _check_cached(path: pathlib.Path, check: Callable[[pathlib.Path], object] | None) -> None:
    record = read_record(path.name)
    if record is None:
        _verify(path, _Said(None), check, f"Refused {path}, placed by hand; delete it")
        return
    found = path.stat().st_size, _digest(path, "sha256")
    noted = record.get("bytes"), record.get("sha256")
    if found != noted:
        raise ValueError(
            f"{path} does not match its record {path.name}.json: it has {found[0]} bytes and "
            f"sha256 {found[1]}, the record says {noted[0]} and {noted[1]}; delete both, or "
            "download it again with force (keras-mixer weights download NAME --force)"
        )


def _receive(url, part: pathlib.Path, check, timeout: float, pause: float) -> _Said:
    """Fills `part` with verified bytes; a resumed download that proves wrong is begun once anew."""
    for last in (False, True):
        if url.startswith("hf://"):
            said = _from_hub(url, part)
        else:
            said = _from_storage(url, part, timeout, pause)
        try:
            _verify(part, said, check, f"Refused what {_page(url)} gave; try again later")
        except ValueError:
            _drop(part)
            if last or not said.resumed:
                raise
        else:
            break
    return said


def _verify(path: pathlib.Path, said: _Said, check, refusal: str) -> None:
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
            raise ValueError(f"{refusal}: {_one_line(error)}") from error


def _put_in_place(part: pathlib.Path, path: pathlib.Path, url: str, said: _Said) -> None:
    record = {
        "url": url,
        "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "bytes": part.stat().st_size,
        "sha256": _digest(part, "sha256"),
        "verified_by": said.algorithm,
    }
    with _writing(path):
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        _beside(path).unlink(missing_ok=True)  # Never an old record beside a new file.
        os.replace(part, path)
        _beside(part).unlink(missing_ok=True)
        _write_json(_beside(path), record)


def _from_hub(url: str, part: pathlib.Path) -> _Said:
    """Fills `part` from the Hugging Face hub, whose library retries by itself."""
    import huggingface_hub as hub

    owner, repository, name = url.removeprefix("hf://").split("/", 2)
    repo, endpoint = f"{owner}/{repository}", os.environ.get("HF_ENDPOINT")
    folder = part.with_name(f".{part.stem}.hub")
    try:
        said = hub.get_hf_file_metadata(hub.hf_hub_url(repo, name, endpoint=endpoint))
        with _writing(part, said.size):
            received = hub.hf_hub_download(repo, name, endpoint=endpoint, local_dir=folder)
            os.replace(received, part)
            shutil.rmtree(folder)
    except Exception as error:  # Which HTTP library's errors depends on the hub's version.
        if getattr(error, "errno", None):
            raise
        raise ConnectionError(error) from error
    if said.etag and re.fullmatch("[0-9a-f]{64}", said.etag):
        return _Said(said.size, "sha256", said.etag)
    return _Said(said.size)


def _from_storage(url: str, part: pathlib.Path, timeout: float, pause: float) -> _Said:
    """Fills `part` over HTTP: tries until nothing more comes, each try from where the last broke.

    Raises:
        ConnectionError: it is not there, or several tries in a row brought nothing.
        OSError: it could not be written; `part` keeps what has come.
    """
    import httpx

    mirror = os.environ.get("KERAS_MIXER_MIRROR") or STORAGE
    address = url.replace(STORAGE, mirror.rstrip("/"), 1)
    tries, furthest = 0, _size(part)
    with (
        httpx.Client(
            timeout=httpx.Timeout(timeout, connect=10),
            follow_redirects=True,
            headers={"Accept-Encoding": "identity"},
        ) as client,
        _progress(part.stem) as show,
    ):
        while True:
            try:
                return _try(client, address, part, show)
            except (httpx.HTTPError, httpx.InvalidURL, _BrokenOffError) as error:
                # Starting again and again from zero is no progress.
                tries = 0 if _size(part) > furthest else tries + 1
                furthest = max(furthest, _size(part))
                if tries == _TRIES:
                    reason = str(error) or type(error).__name__
                    raise ConnectionError(
                        f"{tries} tries brought nothing from {address}, the last one: {reason}"
                    ) from error
            time.sleep(pause * 2 ** (tries - 1))


def _try(client, address: str, part: pathlib.Path, show: Callable[[int, int], None]) -> _Said:
    """One request: all of the file, or what `part` lacks of it."""
    notes = _read_json(_beside(part)) or {}
    resumable = notes.get("address") == address and notes.get("validator")
    start = _size(part) if resumable else 0
    asked = {"Range": f"bytes={start}-", "If-Range": notes["validator"]} if start else {}
    with client.stream("GET", address, headers=asked) as response:
        status, answer = response.status_code, f"{response.status_code} {response.reason_phrase}"
        if status in _BUSY:
            raise _BrokenOffError(f"it answered {answer}")
        if start and status in (206, 416):
            total = _total(response.headers, start, notes["validator"])
            if total is None:
                _drop(part)
                raise _BrokenOffError(f"it answered {answer} and did not go on from byte {start}")
        elif status == 200 and "Content-Length" in response.headers:
            start, notes = 0, _notes(address, response.headers)
            total = int(response.headers["Content-Length"])
        else:
            length = "" if status != 200 else " and not how long the file is"
            raise ConnectionError(f"{address} answered {answer}{length}")
        with _writing(part, total), open(part, "ab" if start else "wb") as file:
            _write_json(_beside(part), notes)  # Once the bytes of another object are gone.
            for chunk in response.iter_raw():
                file.write(chunk)
                show(file.tell(), total)
    if _size(part) != total:
        raise _BrokenOffError(f"it gave {_size(part)} of {total} bytes")
    return _Said(total, "md5" if notes["md5"] else "length", notes["md5"], resumed=start > 0)


def _total(headers, start: int, validator: str) -> int | None:
    """Length of the whole file where the answer goes on from `start` in the same object."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
    etag = headers.get("ETag", validator)  # `If-Range` may have been ignored.
    same = etag == validator or not validator.startswith('"')
    return int(span[2]) if span and int(span[1]) == start and same else None


def _notes(address: str, headers) -> dict:
    """What a later try must know of an answer: its validator, and the hash of the whole file."""
    etag = headers.get("ETag", "")
    hashes = [h.strip() for h in headers.get_list("x-goog-hash", split_commas=True)]
    md5 = next((h.removeprefix("md5=") for h in hashes if h.startswith("md5=")), "")
    return {
        "address": address,
        "validator": etag if etag.startswith('"') else headers.get("Last-Modified"),
        "md5": base64.b64decode(md5).hex(),
    }


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, if that is a terminal; takes the bytes there are and those there will be."""
    from rich import console, progress

    columns = (
        "{task.description}",
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    stderr, silent = console.Console(stderr=True), not sys.stderr.isatty()
    with progress.Progress(*columns, console=stderr, disable=silent) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def _writing(path: pathlib.Path, size: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not error.errno:  # Not of the file system.
            raise
        need = f" (the whole file takes {size} bytes)" if size else ""
        raise OSError(
            error.errno,
            f"Cannot write {path}{need}: {error.strerror}. Make room, or set KERAS_HOME to another "
            "folder, then fetch it again",
        ) from error


def _beside(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(f"{path}.json")


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _drop(part: pathlib.Path) -> None:
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)


def _read_json(path: pathlib.Path) -> dict | None:
    """The object in a file, empty where it is damaged; `None` where there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: pathlib.Path, content: dict) -> None:
    """Writes a file at once: a reader sees the old one or the new one."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)


def _digest(path: pathlib.Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
