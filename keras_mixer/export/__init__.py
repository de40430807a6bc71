"""Writes models for runtimes other than Keras, and checks in these what was written."""

from keras_mixer.export.check import Comparison, MismatchError, compare
from keras_mixer.export.export import Exported, export
from keras_mixer.export.formats import FORMATS, QUANTIZE, Format, format_of
from keras_mixer.export.runtimes import load

__all__ = [
    "FORMATS",
    "QUANTIZE",
    "Comparison",
    "Exported",
    "Format",
    "MismatchError",
    "compare",
    "export",
    "format_of",
    "load",
]
