"""Bytes from a storage server or the Hugging Face hub into a file, again and again if need be."""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator

from keras_mixer.printable import split_login, without_secrets
from keras_mixer.weights.ask import PACE, BrokenOffError, answered, paced, within
from keras_mixer.weights.hub_login import basic, hub_place, hub_secrets, keep_out_of_logs
from keras_mixer.weights.registry import STORAGE

_BUSY = (429, 500, 502, 503, 504)  # Answers that may be another a moment later.
_TRIES = 5  # In a row without progress, before it is given up.
_VALIDATOR = re.compile(r"[!-~][ -~]{0,250}")  # What may be said again in a header.


@dataclasses.dataclass(frozen=True)
class Said:
    """What the server says of a file: its length, its hash where it gives one, where it began."""

    length: int | None
    algorithm: str = "length"
    digest: str = ""
    resumed: bool = False


def download(url: str, part: pathlib.Path, timeout: float, pause: float, most: int) -> Said:
    """Fills `part` with the file at `url`, from where an earlier try has left it.

    Args:
        url: `https://...`, or `hf://OWNER/REPOSITORY/FILE`.
        part: where the bytes go; what a later try has to know of them stands beside it.
        timeout: seconds without a byte after which a connection counts as broken.
        pause: seconds before the second try; it doubles with each further one.
        most: bytes that the file may have.

    Returns:
        What the server says of the file; nothing of it has been compared.

    Raises:
        ConnectionError: it is not there, or too long, or several tries in a row brought nothing.
        OSError: it could not be written; `part` keeps what has come.
    """
    if url.startswith("hf://"):
        return _from_hub(url, part, timeout, pause, most)
    mirror = os.environ.get("KERAS_MIXER_MIRROR") or STORAGE
    address, login = split_login(url.replace(STORAGE, mirror.rstrip("/"), 1))
    return _from_server(address, part, timeout, pause, most, basic(login))


def _from_hub(url: str, part: pathlib.Path, timeout: float, pause: float, most: int) -> Said:
    """Fills `part` from the Hugging Face hub, which says length and hash before."""
    import huggingface_hub as hub

    owner, repository, name = url.removeprefix("hf://").split("/", 2)
    endpoint, login = hub_place()
    address = hub.hf_hub_url(f"{owner}/{repository}", name, endpoint=endpoint)
    try:
        said = within(hub.get_hf_file_metadata, address, headers=login)
        headers = hub.utils.build_hf_headers(headers=login)
    except Exception as error:  # Which HTTP library's errors depends on the hub's version.
        if getattr(error, "errno", None):
            raise
        # Its text may hold the login, so it is not chained.
        raise ConnectionError(without_secrets(error, *hub_secrets())) from None
    if said.size is None:
        raise ConnectionError(f"{address} does not say how long the file is")
    received = _from_server(address, part, timeout, pause, min(most, said.size), headers)
    if said.etag and re.fullmatch("[0-9a-f]{64}", said.etag):
        return Said(said.size, "sha256", said.etag, received.resumed)
    return Said(said.size, resumed=received.resumed)


def _from_server(
    address: str,
    part: pathlib.Path,
    timeout: float,
    pause: float,
    most: int,
    headers: dict[str, str],
) -> Said:
    """Fills `part` over HTTP, each try from where the last one broke off."""
    import httpx

    tries, reached, since = 0, _size(part), time.monotonic()
    with _client(timeout) as client, _progress(part.stem) as show:
        while True:
            try:
                return _try(client, address, headers, part, most, show)
            except (httpx.HTTPError, httpx.InvalidURL, BrokenOffError) as error:
                # Neither a few bytes now and then nor starting again from zero is progress.
                now, size = time.monotonic(), _size(part)
                if size > reached and size - reached >= PACE * (now - since):
                    tries, reached, since = 0, size, now
                else:
                    tries += 1
                if tries == _TRIES:
                    reason = str(error) or type(error).__name__
                    raise ConnectionError(
                        f"{tries} tries brought nothing, or too little, from "
                        f"{without_secrets(address)}, the last one: {reason}"
                    ) from error
            time.sleep(pause * 2 ** (tries - 1))


def _client(timeout: float):
    """A client of `httpx` that goes through the proxies of the environment."""
    import httpx

    keep_out_of_logs()
    try:
        return httpx.Client(timeout=httpx.Timeout(timeout, connect=10), follow_redirects=False)
    except (ValueError, httpx.InvalidURL):  # Its text may hold the proxy's login.
        raise ConnectionError(
            "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is no proxy such as http://host:port"
        ) from None


def _try(
    client,
    address: str,
    headers: dict[str, str],
    part: pathlib.Path,
    most: int,
    show: Callable[[int, int], None],
) -> Said:
    """One request: all of the file, or what `part` lacks of it."""
    shown = without_secrets(address)
    notes = _resumable(part, shown)
    start = _size(part) if notes else 0
    asked = {"Accept-Encoding": "identity", **headers}
    if start:
        asked |= {"Range": f"bytes={start}-", "If-Range": notes["validator"]}
    with answered(client, address, asked) as response:
        status, answer = response.status_code, f"{response.status_code} {response.reason_phrase}"
        told = response.headers
        if status in _BUSY:
            raise BrokenOffError(f"it answered {answer}")
        if start and status in (206, 416):
            total = _total(told, start, notes["validator"])
            if total is None:
                drop(part)
                raise BrokenOffError(f"it answered {answer} and did not go on from byte {start}")
        # Only a length is a frame that cannot be drawn out.
        elif status == 200 and "Content-Length" in told and "Transfer-Encoding" not in told:
            start, notes = 0, _notes(shown, told)
            total = int(told["Content-Length"])
        else:
            length = "" if status != 200 else " and not how long the file is"
            raise ConnectionError(f"{shown} answered {answer}{length}")
        if total > most:
            raise ConnectionError(f"{shown} has {total} bytes, and at most {most} are expected")
        with writing(part, total), open(part, "ab" if start else "wb") as file:
            write_json(beside(part), notes)  # Once the bytes of another object are gone.
            for chunk in paced(response.iter_raw()):
                file.write(chunk)
                show(file.tell(), total)
                if file.tell() > total:
                    break
    if _size(part) > total:
        drop(part)
        raise BrokenOffError(f"it gave more than the {total} bytes that it told of")
    if _size(part) < total:
        raise BrokenOffError(f"it gave {_size(part)} of {total} bytes")
    return Said(total, "md5" if notes["md5"] else "length", notes["md5"], resumed=start > 0)


def _resumable(part: pathlib.Path, address: str) -> dict[str, str]:
    """The notes of an earlier try that can be gone on with, else nothing."""
    notes = read_json(beside(part)) or {}
    fits = notes.get("address") == address and isinstance(notes.get("md5"), str)
    validator = notes.get("validator")
    return notes if fits and isinstance(validator, str) and _VALIDATOR.fullmatch(validator) else {}


def _total(headers, start: int, validator: str) -> int | None:
    """Length of the whole file where the answer goes on from `start` in the same object."""
    span = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", headers.get("Content-Range", ""))
    etag = headers.get("ETag", validator)  # `If-Range` may have been ignored.
    same = etag == validator or not validator.startswith('"')
    return int(span[2]) if span and int(span[1]) == start and same else None


def _notes(address: str, headers) -> dict:
    """What a later try must know of an answer: its validator, and the hash of the whole file."""
    etag = headers.get("ETag", "")
    hashes = ",".join(headers.get_list("x-goog-hash"))
    md5 = re.search(r"(?:^|,)\s*md5=([A-Za-z0-9+/]{22}==)", hashes)
    return {
        "address": address,
        "validator": etag if etag.startswith('"') else headers.get("Last-Modified"),
        "md5": base64.b64decode(md5[1]).hex() if md5 else "",
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
