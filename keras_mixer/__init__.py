"""MLP-Mixer (Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601) for Keras 3."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

try:
    import keras as _keras  # noqa: F401
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "jax", "torch"):
        raise
    raise ModuleNotFoundError(
        f"Keras is set to the backend {error.name!r}, which is not installed. Run: "
        f'pip install "keras-mixer[{error.name}]", or set the environment variable KERAS_BACKEND '
        "to the one that is: tensorflow, jax or torch.",
        name=error.name,
    ) from error

from keras_mixer import data, distribution, models, training, weights
from keras_mixer.layers import MixerLayer, MlpBlock, Patches, StochasticDepth
from keras_mixer.models import (
    Mixer,
    MixerB16,
    MixerB32,
    MixerH14,
    MixerL16,
    MixerL32,
    MixerS8,
    MixerS16,
    MixerS32,
    change_resolution,
)
from keras_mixer.preprocessing import decode_predictions, preprocess_input
from keras_mixer.specs import SPECS, MixerSpec
from keras_mixer.training import finetune, pretrain

if _TYPE_CHECKING:
    from keras_mixer import evaluation, export, profiling, runs, visualize

__version__ = "0.1.0"

__all__ = [
    "SPECS",
    "Mixer",
    "MixerB16",
    "MixerB32",
    "MixerH14",
    "MixerL16",
    "MixerL32",
    "MixerLayer",
    "MixerS8",
    "MixerS16",
    "MixerS32",
    "MixerSpec",
    "MlpBlock",
    "Patches",
    "StochasticDepth",
    "change_resolution",
    "data",
    "decode_predictions",
    "distribution",
    "evaluation",
    "export",
    "finetune",
    "models",
    "preprocess_input",
    "pretrain",
    "profiling",
    "runs",
    "training",
    "visualize",
    "weights",
]

# What judges, measures and keeps runs is imported on first use: who builds a model does not wait.
# `serving` needs an extra, so `import *` and `dir` leave it out.
_LATER = ("evaluation", "export", "profiling", "runs", "serving", "visualize")


def __getattr__(name):
    if name in _LATER:
        return _importlib.import_module(f"keras_mixer.{name}")
    raise AttributeError(f"module 'keras_mixer' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LATER} - {"serving"})
