"""The run directory: everything about a trained model in one folder.

`model.keras` the model, `run.json` its configuration, versions, seed and metrics, `history.csv`
one row for each round of training, `labels.json` the names of the classes in order.
"""

import dataclasses
import json
import os
import pathlib

import keras


def new_run(path: str | os.PathLike | None, name: str) -> pathlib.Path:
    """Makes an empty run directory, at `path` or at the first free `runs/NAME-NUMBER`.

    Raises:
        FileExistsError: `path` holds something already.
    """
    if path is None:
        number = 1
        while (run := pathlib.Path("runs", f"{name}-{number}")).exists():
            number += 1
    else:
        run = pathlib.Path(path)
        if run.exists() and (not run.is_dir() or any(run.iterdir())):
            raise FileExistsError(
                f"{run} is not an empty folder, and nothing is overwritten. Choose another "
                "--output or remove it."
            )
    run.mkdir(parents=True, exist_ok=True)
    return run


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, read from its directory.

    Args:
        path: the directory.
        config: the contents of `run.json`.
        label_names: names of the classes, in order.
    """

    path: pathlib.Path
    config: dict
    label_names: tuple[str, ...]

    def load_model(self) -> keras.Model:
        """The trained model, not compiled."""
        return keras.saving.load_model(self.path / "model.keras", compile=False)


def save_run(run: pathlib.Path, model: keras.Model, config: dict, label_names) -> None:
    """Writes `model.keras`, `labels.json`, and last `run.json`, whose presence means complete."""
    _bare(model).save(run / "model.keras")
    _write_json(run / "labels.json", list(label_names))
    _write_json(run / "run.json", config)


def load_run(path: str | os.PathLike) -> Run:
    """Reads a run directory.

    Raises:
        FileNotFoundError: it is none, or its run did not finish.
        ValueError: its files cannot be read.
    """
    run = pathlib.Path(path)
    for name in ("run.json", "labels.json", "model.keras"):
        if not (run / name).is_file():
            raise FileNotFoundError(
                f"{run} is not the directory of a finished run: it has no {name}."
            )
    try:
        config = json.loads((run / "run.json").read_text(encoding="utf-8"))
        labels = json.loads((run / "labels.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{run} holds a file that is not valid JSON: {error}") from error
    return Run(run, config, tuple(labels))


def _bare(model: keras.Model) -> keras.Model:
    """The same model without its optimiser, whose class depends on the backend."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    return bare


def _write_json(path: pathlib.Path, content) -> None:
    """Writes a file in one step: a reader sees all of it or none."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
