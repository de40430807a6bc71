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
from keras_mixer.models.convnet import as_convnet
from keras_mixer.models.mixer import MixerModel, build_mixer
from keras_mixer.models.peers import PEERS, Peer, build_by_name, unknown_model
from keras_mixer.models.resolution import change_resolution
from keras_mixer.models.shuffled import permute_weights, shuffled

__all__ = [
    "PEERS",
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
    "Peer",
    "as_convnet",
    "build_by_name",
    "build_mixer",
    "change_resolution",
    "permute_weights",
    "shuffled",
    "unknown_model",
]
