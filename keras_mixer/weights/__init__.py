"""Reads weights from files and puts them into a model, all or nothing."""

from keras_mixer.weights.assign import LoadReport, assign
from keras_mixer.weights.formats import Weights, read
from keras_mixer.weights.registry import PUBLISHED
from keras_mixer.weights.resolution import check_resolution, fit_to_image

__all__ = [
    "PUBLISHED",
    "LoadReport",
    "Weights",
    "assign",
    "check_resolution",
    "fit_to_image",
    "read",
]
