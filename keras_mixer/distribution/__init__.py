"""Trains one model on several devices, or in several processes, by what the backends bring."""

from keras_mixer.distribution.layout import mixer_layout
from keras_mixer.distribution.local import alone, copy_of, on_this_process
from keras_mixer.distribution.place import Distribution
from keras_mixer.distribution.start import KINDS, current, initialize

__all__ = [
    "KINDS",
    "Distribution",
    "alone",
    "copy_of",
    "current",
    "initialize",
    "mixer_layout",
    "on_this_process",
]
