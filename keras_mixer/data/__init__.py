"""Feeds a model: from pictures as people have them to batches."""

from keras_mixer.data.catalog import DATASETS, Dataset
from keras_mixer.data.images import ImageData, Split, UnreadableImageError, decode, hold_out
from keras_mixer.data.pipeline import EvaluationBatches, TrainingBatches
from keras_mixer.data.sources import load
from keras_mixer.data.transforms import EVALUATION_CROPS, TRAINING_CROPS

__all__ = [
    "DATASETS",
    "EVALUATION_CROPS",
    "TRAINING_CROPS",
    "Dataset",
    "EvaluationBatches",
    "ImageData",
    "Split",
    "TrainingBatches",
    "UnreadableImageError",
    "decode",
    "hold_out",
    "load",
]
