"""The run directory: everything about a training in one folder.

`run.json` says what was asked for, on what, and what came out; it is there from the beginning, and
says at the end that the run has `finished`. `model.keras` is the trained model, `labels.json` the
names of the classes in order, `history.csv` has one row for each evaluation. `last.keras` stands
beside `model.keras` where that is the best one; `checkpoints` is there until the run has finished.
`skipped.csv` lists pictures that were left out because they cannot be read, where there were some.
"""

import csv
import dataclasses
import json
import os
import pathlib
import shutil
import sys
from typing import Any

import keras

from keras_mixer.data import EVALUATION_CROPS
from keras_mixer.distribution import alone, copy_of
from keras_mixer.preprocessing import check_label_names
from keras_mixer.printable import printable
from keras_mixer.runs.hub import fetch_run
from keras_mixer.runs.hub_names import is_hub_name
from keras_mixer.runs.known_classes import load_known_model
from keras_mixer.writing import in_one_step, write_text

LABELS = "labels.json"
RUN, STUDY = "run.json", "study.json"  # A study is a folder of runs or trials.
SKIPPED = "skipped.csv"  # Written before them; see `skipped.py`.


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, read from its directory.

    Args:
        path: the directory.
        config: the contents of `run.json`.
        label_names: names of the classes, in order.
    """

    path: pathlib.Path
    config: dict
    label_names: tuple[str, ...]

    @property
    def crop(self) -> str:
        """How pictures were cropped to judge it, a key of `keras_mixer.data.EVALUATION_CROPS`."""
        return self.told("recipe", "evaluation_crop")

    def told(self, *keys: str) -> str:
        """A text that `run.json` tells, by the keys that lead to it.

        Raises:
            ValueError: it does not tell it.
        """
        found: Any = self.config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, str):
            raise ValueError(f"{self.path / RUN} is damaged: it has no text {'.'.join(keys)}.")
        return found

    def load_model(self) -> keras.Model:
        """The trained model, not compiled; it gives logits.

        Raises:
            ValueError: it has code of its own in it, or classes that are not known here; whoever
                made the directory, for it may have been downloaded. Or it has another number of
                classes than `labels.json` names.
        """
        model = load_known_model(self.path / "model.keras")
        check_label_names(self.label_names, model.output_shape[-1], str(self.path / LABELS))
        return model


def load_run(path: str | os.PathLike) -> Run:
    """Reads the directory of a finished run.

    Args:
        path: the directory; or `hf://user/name[@revision]`, a run that was pushed to the Hugging
            Face hub, which is fetched once. A branch is asked for what is newest, and a line on
            stderr says what is downloaded.

    Raises:
        FileNotFoundError: it is none, or its run has not finished.
        ValueError: its files cannot be read.
        PermissionError, ConnectionError: the hub cannot be asked.
    """
    if is_hub_name(path):
        run = fetch_run(str(path), lambda line: print(printable(line), file=sys.stderr))
    else:
        run = pathlib.Path(path)
    config = read_config(run)
    if not config.get("finished"):
        raise FileNotFoundError(
            f"The run of {run} has not finished. Give its command again, and it goes on."
        )
    for name in (LABELS, "model.keras"):
        if not (run / name).is_file():
            raise FileNotFoundError(f"{run} is not the directory of a run: it has no {name}.")
    labels = check_label_names(read_json(run / LABELS), whose=str(run / LABELS))
    found = Run(run, config, labels)
    if found.crop not in EVALUATION_CROPS:
        raise ValueError(
            f"{run / RUN} is damaged: recipe.evaluation_crop must be one of "
            f"{', '.join(EVALUATION_CROPS)}. Received: {found.crop!r:.80}"
        )
    for key in ("data", "model", "test_fingerprint"):
        if key in config:
            found.told(key)
    return found


def read_config(path: str | os.PathLike, name: str = RUN) -> dict:
    """The contents of `run.json`, of a finished run or another one; or of `study.json`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read.
    """
    file = pathlib.Path(path, name)
    if not file.is_file():
        kind = name.removesuffix(".json")
        raise FileNotFoundError(f"{path} is not the directory of a {kind}: it has no {name}.")
    config = read_json(file)
    if not isinstance(config, dict):
        raise ValueError(f"{file} holds no JSON object.")
    return config


def find_runs(path: str | os.PathLike) -> list[pathlib.Path]:
    """The directory itself, or those below it, or below a study in it, that hold a run."""
    root = pathlib.Path(path)
    found = [root, *sorted(root.iterdir())]
    for one in found[1:]:
        if (one / STUDY).is_file():
            found += sorted(one.iterdir())
    return [p for p in found if (p / RUN).is_file()]


def write_config(run: pathlib.Path, config: dict, name: str = RUN) -> None:
    """Writes `run.json`, or `study.json`."""
    write_text(run / name, json.dumps(config, indent=2) + "\n")


def write_history(run: pathlib.Path, history: list[dict]) -> None:
    """Writes `history.csv`."""
    lines = [",".join(history[0]), *(",".join(map(repr, row.values())) for row in history)]
    write_text(run / "history.csv", "\n".join(lines) + "\n")


def read_history(run: pathlib.Path) -> list[dict]:
    """The rows of `history.csv`.

    Raises:
        ValueError: it is damaged.
    """
    path = run / "history.csv"
    with open(path, newline="", encoding="utf-8") as file:
        try:
            return [
                {
                    name: (int if name in ("round", "step") else float)(value)
                    for name, value in row.items()
                }
                for row in csv.DictReader(file)
            ]
        except (ValueError, TypeError, csv.Error) as error:
            raise ValueError(f"{path} is damaged: {' '.join(str(error).split())}") from error


def save_model(path: pathlib.Path, model: keras.Model) -> None:
    """Writes a model without its optimiser, whose class depends on the backend."""
    with alone():
        bare = copy_of(model)
    with in_one_step(path) as temporary:
        written = temporary.with_name(path.stem + ".tmp.keras")  # Keras asks for the ending.
        try:
            bare.save(written)
            os.replace(written, temporary)
        finally:
            written.unlink(missing_ok=True)


def finish_run(run: pathlib.Path, model: keras.Model, config: dict, label_names) -> None:
    """Writes `model.keras`, `labels.json` and, last, a `run.json` that says it has finished."""
    save_model(run / "model.keras", model)
    write_text(run / LABELS, json.dumps(list(label_names), indent=2) + "\n")
    write_config(run, {**config, "finished": True})
    shutil.rmtree(run / "checkpoints", ignore_errors=True)


def read_json(path: pathlib.Path) -> Any:
    """The contents of a file of JSON.

    Raises:
        ValueError: it is not valid.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
