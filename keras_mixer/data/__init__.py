"""Feeds a model: from pictures as people have them to batches."""

from keras_mixer.data.catalog import DATASETS
from keras_mixer.data.check import Report, check
from keras_mixer.data.csv_lines import csv_cells, csv_line, csv_text
from keras_mixer.data.dataset import Dataset, Splits
from keras_mixer.data.files import SUFFIXES, Found, Note, escaped, shown, unescaped
from keras_mixer.data.gallery import gallery
from keras_mixer.data.images import UnknownFormatError, UnreadableImageError, decode
from keras_mixer.data.keras_cv import AUGMENTATIONS, augmented
from keras_mixer.data.names import check_class_names
from keras_mixer.data.pipeline import EvaluationBatches, TrainingBatches, evaluation_image
from keras_mixer.data.readable import leave_out_bad
from keras_mixer.data.sources import check_outside, from_arrays, load
from keras_mixer.data.splits import ImageData, Split, hold_out
from keras_mixer.data.tf_data import to_tf_data
from keras_mixer.data.transforms import EVALUATION_CROPS, TRAINING_CROPS
from keras_mixer.data.walk import Walk

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "EVALUATION_CROPS",
    "SUFFIXES",
    "TRAINING_CROPS",
    "Dataset",
    "EvaluationBatches",
    "Found",
    "ImageData",
    "Note",
    "Report",
    "Split",
    "Splits",
    "TrainingBatches",
    "UnknownFormatError",
    "UnreadableImageError",
    "Walk",
    "augmented",
    "check",
    "check_class_names",
    "check_outside",
    "csv_cells",
    "csv_line",
    "csv_text",
    "decode",
    "escaped",
    "evaluation_image",
    "from_arrays",
    "gallery",
    "hold_out",
    "leave_out_bad",
    "load",
    "shown",
    "to_tf_data",
    "unescaped",
]
