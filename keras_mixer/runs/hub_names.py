"""Names of pushed runs: `hf://user/name[@revision]`."""

import dataclasses
import re

PREFIX = "hf://"


@dataclasses.dataclass(frozen=True)
class HubName:
    """A repository on the hub.

    Args:
        repository: `"user/name"`.
        revision: a branch, a tag or a commit; `None` for the branch `main`.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(path: object) -> bool:
    """Whether it is a text that begins with `hf://`."""
    return isinstance(path, str) and path.startswith(PREFIX)


def parse(name: str) -> HubName:
    """Reads `hf://user/name` or `hf://user/name@revision`.

    Raises:
        ValueError: it is none of them.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    try:
        validate_repo_id(repository)
        valid = repository.count("/") == 1 and ("@" not in name or is_revision(revision))
    except HFValidationError:
        valid = False
    if not valid:
        raise ValueError(
            f"{name!r} is not hf://user/name or hf://user/name@revision. Names have letters, "
            "digits, '-', '_' and '.', at most 96; a revision is a branch, a tag or a commit."
        )
    return HubName(repository, revision or None)


def is_revision(text: str) -> bool:
    """Whether a branch, a tag or a commit may be called so."""
    return bool(re.fullmatch(r"\w[\w./-]*", text, re.ASCII)) and ".." not in text
