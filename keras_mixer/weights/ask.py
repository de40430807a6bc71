"""One request over HTTP that ends, however slowly the other side speaks."""

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from keras_mixer.printable import without_secrets

HEAD_SECONDS = 60.0  # From a request to the whole head of its answer.
WINDOW = 60.0  # Seconds over which the pace of a body is taken.
PACE = 1024  # Bytes a second, below which a download counts as broken.
_REDIRECTS = 10


class BrokenOffError(Exception):
    """A try that may go better the next time."""


def within(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a call that asks a server returns.

    Raises:
        BrokenOffError: it takes longer than `HEAD_SECONDS`; its thread is left to itself.
    """
    answer: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            answer.set_result(call(*arguments, **options))
        except BaseException as error:
            answer.set_exception(error)

    # Python has no other end for a read of which each byte comes in time.
    threading.Thread(target=run, daemon=True).start()
    concurrent.futures.wait([answer], HEAD_SECONDS)
    if not answer.done():
        raise BrokenOffError(f"it did not answer within {HEAD_SECONDS:g} s")
    return answer.result()


@contextlib.contextmanager
def answered(client, address: str, headers: dict[str, str]) -> Iterator[Any]:
    """The answer to a GET request, behind its redirects, whose bodies are not read.

    Args:
        client: of `httpx`, which does not follow redirects itself. Where one leads elsewhere, the
            login stays behind.
        address: what is asked for.
        headers: what else is said.

    Raises:
        BrokenOffError: no answer in time, or redirects that lead nowhere or to plain HTTP.
        httpx.HTTPError: as `httpx` has it.
    """
    request = client.build_request("GET", address, headers=headers)
    for _ in range(_REDIRECTS + 1):
        response = within(client.send, request, stream=True)
        try:
            if response.next_request is None:
                yield response
                return
            before, request = request.url, response.next_request
            if before.scheme == "https" and request.url.scheme != "https":
                raise BrokenOffError(
                    f"it leads from https to {without_secrets(request.url)}, which is not encrypted"
                )
        finally:
            response.close()
    raise BrokenOffError(f"it has more than {_REDIRECTS} redirects")


def paced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a body, as long as they come fast enough.

    Raises:
        BrokenOffError: less than `PACE` bytes a second over `WINDOW` seconds.
    """
    begun, received = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        received += len(chunk)
        seconds = time.monotonic() - begun
        if seconds >= WINDOW:
            if received < PACE * seconds:
                raise BrokenOffError(
                    f"it sent {received} bytes in {seconds:.0f} s, less than {PACE} a second"
                )
            begun, received = time.monotonic(), 0
