"""What `keras-mixer evaluate` evaluates on: which images, and which number each class has."""

import contextlib
import os

from keras_mixer_cli.printing import echo
from keras_mixer_cli.reading import load_data, load_own

CHANGED = (
    "Name DATA to evaluate on it as it is now; images the model was trained on may be among them."
)
PARTS = {
    "test": "its test part",
    "val": "its validation part, for it has no test part",
    "held out": "the fifth of each class that is held out, for it has no test or validation part",
    "all": "all of them, for it has no test or validation part",
}


def load_for(target, data, run, weights, outputs, data_dir, max_bad):
    """What a model is evaluated on, with the classes in its order; said, as is the part of it."""
    from keras_mixer_cli.find_model import own_data
    from keras_mixer_cli.training import check_data

    known = run or _run_beside(target) or _run_beside(weights)
    if run and data is None:
        name = own_data(target, run, "DATA, what to judge it on")
        check_data(name, *outputs)
        loaded = load_own(name, run, data_dir, max_bad, CHANGED)
    else:
        name = data
        check_data(name, *outputs)
        whole = known is None or not _trained_on(name, data_dir, known)
        loaded = load_data(name, data_dir, max_bad, whole=whole)
    if run and sorted(loaded.label_names) != sorted(run.label_names):
        raise ValueError(
            f"{name} has the classes {_some(loaded.label_names)} and the run was trained on "
            f"{_some(run.label_names)}."
        )
    if known and sorted(known.label_names) == sorted(loaded.label_names):
        loaded = loaded.in_order(known.label_names)
    elif loaded.label_names != tuple(sorted(loaded.label_names)) and os.path.exists(name):
        echo(
            f"data: {target} does not name its classes; they are taken to be "
            f"{_some(loaded.label_names)}, in this order. Earlier versions sorted 10 before 2.",
            err=True,
        )
    among = known and loaded.part == "all" and len(loaded.test) == _images_of(known)
    echo(f"data: evaluating {len(loaded.test):,} images: {PARTS[loaded.part]}", err=True)
    if among:
        echo(
            f"data: these are as many as {target} was trained and evaluated on; if they are copies "
            "of them, those that it was trained on are among these",
            err=True,
        )
    return loaded


def _images_of(run) -> int | None:
    """How many images a run had in all, if it says so."""
    config, metrics = run.config, run.config.get("metrics")
    numbers = [config.get("train_images"), isinstance(metrics, dict) and metrics.get("test_images")]
    return sum(numbers) if all(type(number) is int for number in numbers) else None


def _run_beside(file):
    """The run in whose directory a model or a file of weights lies, or `None`."""
    from keras_mixer import runs

    if file and os.path.isfile(file):
        with contextlib.suppress(OSError, ValueError):
            return runs.load_run(os.path.dirname(os.path.abspath(file)))
    return None


def _trained_on(name, data_dir, run) -> bool:
    """Whether a run was trained on this data, of which then only what it held out is evaluated."""
    from keras_mixer import data

    trained = run.config.get("data")
    if isinstance(trained, str) and os.path.realpath(name) == os.path.realpath(trained):
        return True
    with contextlib.suppress(ValueError):  # A run that was moved, or comes from the hub.
        held = data.load(name, data_dir, check=False).in_order(run.label_names)
        return held.test.fingerprint() == run.config.get("test_fingerprint")
    return False


def _some(names) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
