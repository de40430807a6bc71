"""The state of a run on disk: written whole or not at all, and checked before it is used.

A checkpoint is a file of arrays and, written after it, a manifest with the sha256 of that file and
of its own contents; without a manifest that agrees it does not count.
"""

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_mixer.distribution import Distribution
from keras_mixer.printable import print_line
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.writing import in_one_step, make_folder, write_text

KEPT = 2


@dataclasses.dataclass
class State:
    """Where a run stands.

    Args:
        step: optimiser steps that are done.
        history: one row for each evaluation so far.
        arrays: every number of the model, of its optimiser and its metrics, by name.
        ended: whether it has ended.
    """

    step: int = 0
    history: list[dict] = dataclasses.field(default_factory=list)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    ended: bool = False


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; made at the first one.
        configuration: what a run that goes on from one must agree in; like JSON.
        say: called with a line on whatever is out of the ordinary.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        configuration: dict[str, Any],
        say: Callable[[str], None] = print_line,
    ):
        self.folder = pathlib.Path(folder)
        self.configuration = json.loads(json.dumps(configuration))
        self._say = say

    def save(self, state: State) -> None:
        """Writes a checkpoint and removes all but the newest two."""
        from safetensors.numpy import save_file

        make_folder(self.folder)
        path = self._arrays(state.step)
        # safetensors writes memory as it lies.
        arrays = {name: np.asarray(array, order="C") for name, array in state.arrays.items()}
        with in_one_step(path) as temporary:
            save_file(arrays, temporary)
            digest = _sha256(temporary)
        manifest = {
            "step": state.step,
            "ended": state.ended,
            "sha256": digest,
            "history": state.history,
            "configuration": self.configuration,
        }
        manifest["manifest_sha256"] = _sha256_of(manifest)
        write_text(path.with_suffix(".json"), json.dumps(manifest, indent=2) + "\n")
        # Later ones were damaged, for the run went on from an earlier one.
        kept = [step for step in self._steps() if step <= state.step][-KEPT:]
        for step in set(self._steps()) - set(kept):
            self._arrays(step).with_suffix(".json").unlink(missing_ok=True)
        files = {self._arrays(step) for step in kept}
        for path in self.folder.glob("step-*.safetensors*"):
            if path not in files:  # Of a removed manifest, or of a save that was cut short.
                path.unlink(missing_ok=True)

    def load(self) -> State | None:
        """The newest checkpoint that is whole; `None` where there is none at all.

        Raises:
            ValueError: the run was configured otherwise, or every checkpoint is damaged.
        """
        steps = self._steps()
        for step in reversed(steps):
            try:
                return self._read(self._arrays(step))
            except (OSError, _DamagedError) as error:
                raise_system_fault(error, self._arrays(step), own=(errno.EIO,))
                self._say(f"checkpoint: that of step {step} is damaged ({error}); not used")
        if steps:
            raise ValueError(
                f"No checkpoint in {self.folder} can be read. Remove the folder to begin anew."
            )
        return None

    def newest(self) -> pathlib.Path | None:
        """The file of the newest checkpoint; `None` where there is none."""
        steps = self._steps()
        return self._arrays(steps[-1]) if steps else None

    def _read(self, path: pathlib.Path) -> State:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if _sha256_of(manifest) != manifest.pop("manifest_sha256"):
                raise _DamagedError("its manifest is not what was written")
            if _sha256(path) != manifest["sha256"]:
                raise _DamagedError(f"{path.name} is not what was written")
            step, ended, history = (manifest[key] for key in ("step", "ended", "history"))
            was = manifest["configuration"]
            if type(step) is not int or type(ended) is not bool or not isinstance(history, list):
                raise _DamagedError("its manifest does not tell where it stands")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _DamagedError(f"its manifest cannot be read: {error}") from error
        if different := list(differences(was, self.configuration)):
            raise ValueError(
                f"{self.folder} belongs to a run of another configuration: "
                + "; ".join(different)
                + ". Give the same options to go on, or another folder to begin anew."
            )
        try:
            return State(step, history, load_file(path), ended)
        except SafetensorError as error:
            raise _DamagedError(f"{path.name} holds no arrays: {error}") from error

    def _arrays(self, step: int) -> pathlib.Path:
        return self.folder / f"step-{step:09d}.safetensors"

    def _steps(self) -> list[int]:
        """Steps that have a manifest, ascending."""
        names = (path.stem.removeprefix("step-") for path in self.folder.glob("step-*.json"))
        return sorted(int(name) for name in names if name.isdecimal())


class _DamagedError(Exception):
    """A checkpoint is not whole."""


def shared(state: State, configuration: dict[str, Any], place: Distribution) -> State:
    """The state of the chief's run, in every process.

    Raises:
        ValueError: a process has another configuration, such as other pictures.
    """
    from safetensors.numpy import load, save

    about = {"configuration": configuration, "step": state.step, "history": state.history}
    about["ended"] = state.ended
    told = json.loads(place.broadcast(json.dumps(about).encode()))
    own = json.loads(json.dumps(configuration))
    if different := list(differences(told["configuration"], own)):
        raise ValueError(
            f"Process {place.process} has something else to do than process 0: "
            f"{'; '.join(different)}. Give all the same options and pictures."
        )
    arrays = {name: np.asarray(array, order="C") for name, array in state.arrays.items()}
    arrays = load(place.broadcast(save(arrays)))
    return State(told["step"], told["history"], arrays, told["ended"])


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(manifest: dict) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def differences(was, now, name: str = ""):
    """What differs between two configurations, leaf by leaf."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from differences(was.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif was != now:
        yield f"{name} was {was!r} and is now {now!r}"
