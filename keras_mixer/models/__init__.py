"""From a spec to a Keras model, with or without weights."""

from keras_mixer.models.applications import (
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
from keras_mixer.models.mixer import MixerModel, build_mixer
from keras_mixer.models.resolution import change_resolution

__all__ = [
    "Mixer",
    "MixerB16",
    "MixerB32",
    "MixerH14",
    "MixerL16",
    "MixerL32",
    "MixerModel",
    "MixerS8",
    "MixerS16",
    "MixerS32",
    "build_mixer",
    "change_resolution",
]
