"""What goes wrong with the hub, in one line each, without the token."""

import contextlib
import os
from collections.abc import Iterator

from keras_mixer.printable import one_line
from keras_mixer.runs.hub_names import HubName

_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


@contextlib.contextmanager
def explained(name: HubName) -> Iterator[None]:
    """Any error of the hub's library as one line, with the way out and without the token.

    The original is not chained: its text is the server's, or holds headers.
    """

    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # Of the file system: says it itself.
            raise
        kind, line = _explain(name, error)
        raise kind(line) from None


def _explain(name: HubName, error: Exception) -> tuple[type[OSError], str]:
    from huggingface_hub import constants, errors

    while getattr(error, "response", None) is None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = _without_token(getattr(error, "server_message", None) or error)
    if isinstance(error, errors.RevisionNotFoundError):
        return FileNotFoundError, f"{name.repository} has no branch, tag or commit {name.revision}."
    if isinstance(error, errors.GatedRepoError):
        return PermissionError, (
            f"{name} is given to those who were admitted (403). Ask for it on its page, "
            f"{endpoint}/{name.repository}, and {_LOGIN}."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return FileNotFoundError, (
            f"{endpoint} has no {name.repository}, or none for this login ({status}). Check the "
            f"name; if it is private, {_LOGIN}."
        )
    if status == 401:
        return PermissionError, f"{endpoint} does not know this login (401): {_LOGIN}."
    if status == 403:
        return PermissionError, (
            f"{endpoint} refuses this to this login (403), for {name.repository}: {_LOGIN}, with a "
            "token that may write there."
        )
    if status in (409, 412):
        return ConnectionError, f"{name} changed meanwhile ({status}). Look at it and push again."
    if status is not None:
        again = "Try again later." if status >= 500 or status == 429 else f"It said: {said}"
        return ConnectionError, f"{endpoint} answered {status} for {name.repository}. {again}"
    if isinstance(error, UnicodeEncodeError) or "LocalProtocol" in type(error).__name__:
        return PermissionError, f"The login holds characters that no token has: {_LOGIN}."
    if type(error).__module__.startswith("http") or isinstance(error, ConnectionError):
        return ConnectionError, (
            f"Cannot reach {endpoint}: {said}. Check the network and HF_ENDPOINT; with "
            "KERAS_MIXER_OFFLINE=1 the copy in the cache is taken."
        )
    return ConnectionError, f"{endpoint} failed for {name}: {type(error).__name__}: {said}"


def _without_token(error: object) -> str:
    """A message on one line, without the token that this login sends."""
    import huggingface_hub as hub

    text = one_line(error)
    secrets = {os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN")}
    with contextlib.suppress(Exception):  # It may ask a server for one.
        secrets.add(hub.get_token())
    for secret in filter(None, secrets):
        text = text.replace(secret, "<token>").replace(secret.strip(), "<token>")
    return text
