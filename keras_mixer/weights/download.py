"""Bytes from a storage server or the Hugging Face hub into a file, again and again if need be."""

import base64
import contextlib
import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Said:
    """What the server says of a file: its length, its hash where it gives one, where it began."""

    length: int | None
    algorithm: str = "length"
    digest: str = ""
    resumed: bool = False


class _BrokenOffError(Exception):
    """A try that may go better the next time."""


def download(url: str, part: pathlib.Path, timeout: float, pause: float) -> Said:
    """Fills `part` with the file at `url`, from where an earlier try has left it.

    Args:
        url: `https://...`, or `hf://OWNER/REPOSITORY/FILE`.
        part: where the bytes go; what a later try has to know of them stands beside it.
        timeout: seconds without a byte after which a connection counts as broken.
        pause: seconds before the second try; it doubles with each further one.

    Returns:
        What the server says of the file; nothing of it has been compared.

    Raises:
        ConnectionError: it is not there, or several tries in a row brought nothing.
        OSError: it could not be written; `part` keeps what has come.
    """
    if url.startswith("hf://"):
        return _from_hub(url, part)
    return _from_storage(url, part, timeout, pause)


def _from_hub(url: str, part: pathlib.Path) -> Said:
    """Fills `part` from the Hugging Face hub, whose library retries by itself."""
    import huggingface_hub as hub

    owner, repository, name = url.removeprefix("hf://").split("/", 2)
    repo, endpoint = f"{owner}/{repository}", os.environ.get("HF_ENDPOINT")
    folder = part.with_name(f".{part.stem}.hub")
    try:
        said = hub.get_hf_file_metadata(hub.hf_hub_url(repo, name, endpoint=endpoint))
        with writing(part, said.size):
            received = hub.hf_hub_download(repo, name, endpoint=endpoint, local_dir=folder)
            os.replace(received, part)
            shutil.rmtree(folder)
    except Exception as error:  # Which HTTP library's errors depends on the hub's version.
        if getattr(error, "errno", None):
            raise
        raise ConnectionError(error) from error
    if said.etag and re.fullmatch("[0-9a-f]{64}", said.etag):
        return Said(said.size, "sha256", said.etag)
    return Said(said.size)


def _from_storage(url: str, part: pathlib.Path, timeout: float, pause: float) -> Said:
    """Fills `part` over HTTP, each try from where the last one broke off."""
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


def _try(client, address: str, part: pathlib.Path, show: Callable[[int, int], None]) -> Said:
    """One request: all of the file, or what `part` lacks of it."""
    notes = read_json(beside(part)) or {}
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
                drop(part)
                raise _BrokenOffError(f"it answered {answer} and did not go on from byte {start}")
        elif status == 200 and "Content-Length" in response.headers:
            start, notes = 0, _notes(address, response.headers)
            total = int(response.headers["Content-Length"])
        else:
            length = "" if status != 200 else " and not how long the file is"
            raise ConnectionError(f"{address} answered {answer}{length}")
        with writing(part, total), open(part, "ab" if start else "wb") as file:
            write_json(beside(part), notes)  # Once the bytes of another object are gone.
            for chunk in response.iter_raw():
                file.write(chunk)
                show(file.tell(), total)
    if _size(part) != total:
        raise _BrokenOffError(f"it gave {_size(part)} of {total} bytes")
    return Said(total, "md5" if notes["md5"] else "length", notes["md5"], resumed=start > 0)


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
def writing(path: pathlib.Path, size: int | None = None) -> Iterator[None]:
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


def beside(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(f"{path}.json")


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


def drop(part: pathlib.Path) -> None:
    part.unlink(missing_ok=True)
    beside(part).unlink(missing_ok=True)


def read_json(path: pathlib.Path) -> dict | None:
    """The object in a file, empty where it is damaged; `None` where there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: pathlib.Path, content: dict) -> None:
    """Writes a file at once: a reader sees the old one or the new one."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)
