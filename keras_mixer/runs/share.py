"""Hands a trained run on: to the Hugging Face hub, or to a directory to move it in another way."""

import dataclasses
import json
import os
import pathlib
import re
import zipfile

from keras_mixer.printable import one_line
from keras_mixer.runs.card import model_card
from keras_mixer.runs.directory import Run, load_run
from keras_mixer.runs.handover import put_into
from keras_mixer.runs.hub import Change, push_files
from keras_mixer.runs.hub_names import HubName, is_hub_name, is_revision, parse
from keras_mixer.runs.privacy import without_private

CARD = "README.md"


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What was pushed.

    Args:
        target: what `load_run` takes.
        sizes: bytes by name of file.
        change: what that did there.
    """

    target: str
    sizes: dict[str, int]
    change: Change


def push(
    run: Run | str | os.PathLike,
    target: str | os.PathLike,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    license: str | None = None,
) -> Pushed:
    """Pushes a finished run: `model.keras`, `labels.json`, a cleaned `run.json`, a model card.

    `run.json` goes without paths, user names and host names of this computer; pictures, histories
    and reports stay here. On the hub it is one commit: what it replaces stays in the history.

        keras_mixer.runs.push("runs/digits-mixer_ti4-1", "hf://user/digits", license="mit")

    Args:
        run: the run, or what `load_run` takes.
        target: `hf://user/name`, made if it does not exist; or a directory that is empty, not
            there, or holds an earlier push and nothing else, whole or cut short.
        private: whether a new repository is private.
        revision: the branch of the hub, made if it does not exist; by default `main`.
        message: of the commit.
        license: the hub's short name of the licence, such as `"apache-2.0"`; left out, the card
            says that none was stated.

    Returns:
        What was pushed, and what it replaced.

    Raises:
        FileExistsError: the directory holds something else.
        OSError: the directory cannot be written, or another process pushes into it.
        ValueError: the run's model cannot be loaded, has classes that others do not have, or
            another number of them than `labels.json` names; `run.json` is damaged, or an argument
            is wrong.
        FileNotFoundError, PermissionError, ConnectionError: see `keras_mixer.runs.hub`.
    """
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", license):
        raise ValueError(
            f"license={license!r} is no short name of the hub, such as apache-2.0, cc-by-4.0, mit "
            "or other: https://huggingface.co/docs/hub/repositories-licenses."
        )
    on_hub = is_hub_name(target)
    if not on_hub and (private or revision or message):
        raise ValueError("`private`, `revision` and `message` are for hf://user/name.")
    place = _with_revision(parse(str(target)), revision) if on_hub else None
    if message is not None and not message.strip():
        raise ValueError("`message` must say something, or be left out.")
    run = run if isinstance(run, Run) else load_run(run)
    model = run.path / "model.keras"
    run.load_model()  # What cannot be loaded here is not handed on.
    labels = list(run.label_names)
    try:
        config = without_private(run.config)
        card = model_card(
            config,
            run.label_names,
            _image_size(model),
            place=str(place) if place else pathlib.Path(target).resolve().name,
            license=license,
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{run.path} is no directory that a training left: run.json or model.keras lacks what "
            f"a card tells ({type(error).__name__}: {one_line(error)})."
        ) from error
    files: dict[str, bytes | pathlib.Path] = {
        CARD: card.encode("utf-8", "replace"),  # A name of a file may be no UTF-8.
        "labels.json": (json.dumps(labels, indent=2) + "\n").encode(),
        "run.json": (json.dumps(config, indent=2) + "\n").encode(),
        "model.keras": model,
    }
    if place:
        message = message or f"Push {config['model']} on {config['data']}"
        change = push_files(place, files, message, private=private)
    else:
        change = put_into(target, files)
    sizes = {n: len(f) if isinstance(f, bytes) else f.stat().st_size for n, f in files.items()}
    return Pushed(str(place or target), sizes, change)


def _with_revision(name: HubName, revision: str | None) -> HubName:
    if revision is None:
        return name
    if name.revision not in (None, revision):
        raise ValueError(f"{name} and revision={revision!r} are two branches. Give one of them.")
    if not is_revision(revision):
        raise ValueError(f"revision={revision!r} is no name of a branch, such as main.")
    return dataclasses.replace(name, revision=revision)


def _image_size(model: pathlib.Path) -> tuple[int, int]:
    """Height and width in pixels of a saved model's images, without loading it."""
    with zipfile.ZipFile(model) as archive:
        layers = json.loads(archive.read("config.json"))["config"].get("layers", [])
    shapes = [layer["config"].get("batch_shape") for layer in layers]
    _, *shape = next((shape for shape in shapes if shape), (None, 0, 0, 0))
    return tuple(shape[1:] if shape[0] in (1, 3) else shape[:2])
