"""Where the Hugging Face hub is, and who asks it, apart: the login is in no address."""

import base64
import contextlib
import logging
import os

from keras_mixer.printable import split_login, without_secrets

# They log what they ask for, the address that a redirect leads to among it.
_LOGGERS = ("httpx", "httpx2", "huggingface_hub.file_download", "huggingface_hub.utils._http")


def hub_place() -> tuple[str, dict[str, str]]:
    """The address of the hub, without a login, and the headers that its login takes.

    A login in `HF_ENDPOINT` goes before the token, as `huggingface_hub` has it.
    """
    from huggingface_hub import constants

    keep_out_of_logs()
    address, login = split_login(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)
    return address.rstrip("/"), basic(login)


def keep_out_of_logs() -> None:
    """Lets the libraries that speak HTTP log addresses without logins and signatures."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_clean)  # Once, however often.


def _clean(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_secrets(record.getMessage()), ()
    return True


def basic(login: tuple[str, str] | None) -> dict[str, str]:
    """The headers of a user and a password."""
    if login is None:
        return {}
    return {"authorization": f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"}


def hub_secrets() -> list[str]:
    """What a message of the hub's library may hold of this login."""
    import huggingface_hub as hub

    _, login = split_login(os.environ.get("HF_ENDPOINT", ""))
    found = [os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN")]
    found += [*basic(login).values(), login and login[1]]
    with contextlib.suppress(Exception):  # It may ask a server for one.
        found.append(hub.get_token())
    return [one for one in found if one]
