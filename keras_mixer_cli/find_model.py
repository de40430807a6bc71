"""From what a user names to a model. Imports Keras, so the commands import it in their bodies."""

import collections
import dataclasses
import os
import pathlib
import sys

import click
import keras

from keras_mixer import runs
from keras_mixer.data import DATASETS
from keras_mixer.models import build_by_name, unknown_model
from keras_mixer_cli.options import is_run, not_taken
from keras_mixer_cli.printing import echo

TAKEN = (
    "the directory of a run, hf://user/name[@revision], a .keras file, package.module:factory, or "
    "the name of a model (keras-mixer models) with its weights"
)


@dataclasses.dataclass(frozen=True)
class Found:
    """A model by what it was named.

    Args:
        name: what to call it.
        model: from images to class scores.
        run: the run that it was trained in, or `None`.
        label_names: names of its classes, in order, where they are known.
    """

    name: str
    model: keras.Model
    run: runs.Run | None = None
    label_names: tuple[str, ...] | None = None

    @property
    def crop(self) -> str:
        """How pictures are cropped for it: as the run was judged, else as the paper's Table 3."""
        return self.run.crop if self.run else "resmall_crop"


def own_data(target: str, run: runs.Run, instead: str) -> str:
    """Name of the data that a run was trained on.

    Args:
        target: what the run was named by.
        run: the run.
        instead: what to give where that data cannot be taken.

    Raises:
        click.UsageError: a run of the hub names other data than the catalogue's; whoever pushed it
            does not choose what is loaded here.
    """
    name = run.told("data")
    if target.startswith("hf://") and name not in DATASETS:
        raise click.UsageError(
            f"{target} was trained on {name!r}, which `keras-mixer datasets` does not list: give "
            f"{instead}."
        )
    return name


def find_model(
    target: str,
    *,
    weights: str | None = None,
    classes: int | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Found:
    """Loads or builds a model.

    Args:
        target: what `load_run` takes, a `.keras` file, the name of a Mixer or of a peer, or
            `package.module:factory`, looked for in the working directory too.
        weights: for a name: published weights or a weight file; `"none"` for random ones.
        classes: for a name: number of classes; by default the weights' own, or 1000.
        image_size: for a name: height and width in pixels.
        seed: for a name: of random weights.
    """
    if is_run(target) or target.endswith(".keras"):
        if weights or image_size:
            raise click.UsageError(
                f"{target} has its own weights and size: leave out --weights and --image-size."
            )
    else:
        if unknown_model(target):
            raise click.BadParameter(not_taken(target, TAKEN), param_hint="TARGET")
        check_model_name(target)
        if weights is None and ":" not in target:  # A factory may have its own.
            raise click.UsageError(
                f"{target} needs --weights: published ones, a file, or none for random ones."
            )
    if is_run(target):
        run = runs.load_run(target)
        return Found(target, run.load_model(), run, run.label_names)
    if target.endswith(".keras"):
        return Found(target, runs.load_known_model(target))
    model = build_by_name(
        target,
        classes=classes,
        image_size=image_size,
        weights=None if weights == "none" else weights,
        seed=seed,
    )
    say_what_was_taken(model)
    return Found(f"{target} ({weights})" if weights else target, model)


def say_what_was_taken(model: keras.Model) -> None:
    """Says so where a file of weights holds more than one model, or other names."""
    if (report := getattr(model, "load_report", None)) and report.taken:
        echo(f"weights: {report}", err=True)


def public_name(target: str, found_name: str) -> str:
    """What to call a model before strangers, who are not told where it lies."""
    return pathlib.Path(target).resolve().name if os.path.exists(target) else found_name


def published_labels(weights: str) -> list[str] | None:
    """The names of the classes of published weights, with the id where two are alike."""
    from keras_mixer.weights import WEIGHTS, class_names

    classes = {row[weights].classes for row in WEIGHTS.values() if weights in row}
    if not classes:
        return None
    found = class_names(classes.pop())
    alike = collections.Counter(name for _, name in found)
    return [f"{name} ({id})" if alike[name] > 1 else name for id, name in found]


def check_model_name(name: str, option: str = "--model") -> None:
    """A usage error unless a model has this name; a factory may be in the working directory.

    That folder is looked in for a factory alone, and last: it may hold files of anybody.
    """
    if ":" in name and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    if problem := unknown_model(name):
        raise click.BadParameter(problem, param_hint=option)
