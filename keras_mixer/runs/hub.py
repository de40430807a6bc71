"""What is fetched from the Hugging Face hub and pushed to it.

The login is `huggingface_hub`'s own (`hf auth login` or `HF_TOKEN`); nothing here takes a token.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from keras_mixer.runs.hub_errors import explained
from keras_mixer.runs.hub_names import HubName, parse
from keras_mixer.weights import hub_place, offline

NEEDED = ("run.json", "labels.json", "model.keras")  # What is fetched of a pushed run, and no more.
_TIMEOUT = 30.0  # Seconds without an answer.


@dataclasses.dataclass(frozen=True)
class Change:
    """What a push did to a place.

    Args:
        url: where to look at it.
        commit: of the hub; `None` in a directory.
        replaced: names of files that were there and are other ones now.
        kept: names of files that were there and that a push does not touch.
    """

    url: str
    commit: str | None = None
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def fetch_run(name: str, say: Callable[[str], None]) -> pathlib.Path:
    """The directory with the files of a pushed run, in the cache of `huggingface_hub`.

    Args:
        name: `hf://user/name[@revision]`.
        say: called with a line on what is downloaded, if anything is.

    Raises:
        ValueError: it is no such name.
        FileNotFoundError: there is no such repository or revision, or it holds no run.
        PermissionError: the hub does not show it to this login.
        ConnectionError: the hub cannot be reached, or may not be and nothing is in the cache.
    """
    import huggingface_hub as hub

    asked = parse(name)
    options: dict[str, Any] = {
        "revision": asked.revision or "main",
        "allow_patterns": list(NEEDED),
    }
    if variable := offline():
        try:
            found = hub.snapshot_download(asked.repository, local_files_only=True, **options)
            if missing := [file for file in NEEDED if not pathlib.Path(found, file).is_file()]:
                raise FileNotFoundError(missing)
        except FileNotFoundError:
            raise ConnectionError(
                f"{asked} is not in the cache, and {variable} forbids the network. Unset it, or "
                "give a directory."
            ) from None
        return pathlib.Path(found)
    with explained(asked):
        api = _api()
        info = _look(api, asked)
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    if missing := [file for file in NEEDED if file not in sizes]:
        raise FileNotFoundError(f"{asked} is no pushed run: it has no {', '.join(missing)}.")
    cached = hub.try_to_load_from_cache(asked.repository, NEEDED[-1], revision=info.sha)
    if not isinstance(cached, str):
        files = ", ".join(f"{file} {size_text(sizes[file])}" for file in NEEDED)
        say(f"{asked}: downloading {files} of commit {(info.sha or '')[:8]}")
    with explained(asked):
        found = api.snapshot_download(asked.repository, **options)
    if pathlib.Path(found).name != info.sha:
        raise ConnectionError(f"{asked} changed, or the hub went away, meanwhile. Try again.")
    return pathlib.Path(found)


def push_files(
    target: HubName, files: Mapping[str, bytes | pathlib.Path], message: str, *, private: bool
) -> Change:
    """Makes one commit of files; creates the repository and the branch where there are none.

    Args:
        target: where to; its revision is a branch.
        files: contents, or the file that has them, by name.
        message: of the commit.
        private: whether a new repository is.

    Raises:
        ValueError: `private`, and the repository exists and is public.
        FileNotFoundError, PermissionError, ConnectionError: as `fetch_run`.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors

    if variable := offline():
        raise ConnectionError(f"Cannot push to {target}: {variable} is set. Unset it.")
    api = _api()
    repository, branch = target.repository, target.revision or "main"
    with explained(target):
        try:
            found = api.model_info(repository, timeout=_TIMEOUT)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            found = None
            api.create_repo(repository, private=private or None)
    if found is not None and private and not found.private:
        raise ValueError(
            f"{repository} exists and is public, and --private is for a new repository. Nothing "
            "was pushed. Make it private in its settings on the hub, or leave out --private."
        )
    with explained(target):
        try:
            before = _look(api, target)
        except errors.RevisionNotFoundError:
            api.create_branch(repository, branch=branch)
            before = _look(api, target)
        done = api.create_commit(
            repository,
            [hub.CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=message,
            revision=branch,
            parent_commit=before.sha,  # What came meanwhile is not overwritten.
        )
    there = {file.rfilename: file for file in before.siblings or ()}
    return Change(
        f"{api.endpoint}/{repository}" + (f"/tree/{branch}" if target.revision else ""),
        done.oid,
        tuple(n for n in files if n in there and not _is_same(there[n], files[n])),
        tuple(n for n in there if n not in files and n != ".gitattributes"),
    )


def _api():
    """The hub's library, told the login apart from the address, which it logs."""
    import huggingface_hub as hub

    endpoint, headers = hub_place()
    return hub.HfApi(endpoint=endpoint, headers=headers)


def _look(api, name: HubName):
    """What the hub tells of a revision: its commit and its files."""
    return api.model_info(
        name.repository, revision=name.revision or "main", files_metadata=True, timeout=_TIMEOUT
    )


def _is_same(there, content: bytes | pathlib.Path) -> bool:
    """Whether a file of the hub has this content: by sha256 if it is large, else as Git does."""
    if there.lfs and isinstance(content, pathlib.Path):
        with open(content, "rb") as file:
            return there.lfs.sha256 == hashlib.file_digest(file, "sha256").hexdigest()
    data = content.read_bytes() if isinstance(content, pathlib.Path) else content
    if there.lfs:
        return there.lfs.sha256 == hashlib.sha256(data).hexdigest()
    return there.blob_id == hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


def size_text(size: int | None) -> str:
    """A number of bytes for a person."""
    if size is None:
        return "of unknown size"
    if size < 2**10:
        return f"{size} B"
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"
