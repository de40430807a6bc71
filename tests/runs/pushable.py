"""A finished run with a model of random weights, as a training leaves it, in no time."""

import dataclasses
import pathlib

import keras

from keras_mixer.runs.directory import finish_run
from keras_mixer.training import RECIPES

HOME = "/home/alice/my pictures"


def pushable(path: pathlib.Path, model: keras.Model, data: str = "digits", **changes):
    """Writes the run into a directory, and returns that."""
    path.mkdir(parents=True)
    recipe = dataclasses.asdict(RECIPES["folder"].replace(weights=f"{HOME}/old run/model.keras"))
    config = {
        "command": f"keras-mixer finetune '{HOME}/cats' --output=../alice/run --data-dir ~/tfds",
        "data": data,
        "model": "mixer_ti4",
        "recipe": recipe,
        "seed": 3,
        "output": "logits",
        "train_images": 1438,
        "versions": {"python": "3.11.7", "keras": "3.15.1"},
        "device": "CPU (of somebody)",
        "started": "2026-11-26T09:52:20+00:00",
        "request": {
            **{"data": data, "model": {"name": "mixer_ti4"}, "recipe": recipe},
            "backend": keras.backend.backend(),
        },
        "weights": f"loaded 54 arrays from {HOME}/old run/model.keras; new, at zero: head/kernel",
        "metrics": {
            **{"top_1": 0.9889, "top_5": 1.0, "loss": 0.1272},
            **{"test_images": 359, "training_seconds": 152.0},
        },
        **changes,
    }
    (path / "history.csv").write_text("loss\n1\n")
    finish_run(path, model, config, ("blue", "red"))
    return path
