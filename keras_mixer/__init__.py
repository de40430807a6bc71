"""MLP-Mixer (Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601) for Keras 3.

Names are imported on first use, so that `import keras_mixer` loads no framework.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
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
    )
    from keras_mixer.preprocessing import preprocess_input
    from keras_mixer.specs import SPECS, MixerSpec

_HOME = {
    **dict.fromkeys(("SPECS", "MixerSpec"), "specs"),
    **dict.fromkeys(("MixerLayer", "MlpBlock", "Patches", "StochasticDepth"), "layers"),
    **dict.fromkeys(("Mixer", "MixerS32", "MixerS16", "MixerS8", "MixerB32"), "models"),
    **dict.fromkeys(("MixerB16", "MixerL32", "MixerL16", "MixerH14"), "models"),
    "preprocess_input": "preprocessing",
}
_MODULES = ("data", "evaluation", "layers", "models", "preprocessing", "specs", "training", "weights")

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
    "preprocess_input",
]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_MODULES])
