"""Judges a model."""

from keras_mixer.evaluation.accuracy import Accuracy, predicted_classes, score
from keras_mixer.evaluation.bulk import BulkPredictions, check_output, predict_to_file
from keras_mixer.evaluation.calibration import Calibration
from keras_mixer.evaluation.fewshot import FewShot, fewshot
from keras_mixer.evaluation.figures import reliability
from keras_mixer.evaluation.predictions import (
    Predictions,
    evaluate,
    picture_names,
    predict,
    probabilities_of,
)
from keras_mixer.evaluation.real import (
    RealAccuracy,
    image_numbers,
    load_real_labels,
    real_accuracy,
)
from keras_mixer.evaluation.stream import PredictedBatch, predict_stream

__all__ = [
    "Accuracy",
    "BulkPredictions",
    "Calibration",
    "FewShot",
    "PredictedBatch",
    "Predictions",
    "RealAccuracy",
    "check_output",
    "evaluate",
    "fewshot",
    "image_numbers",
    "load_real_labels",
    "picture_names",
    "predict",
    "predict_stream",
    "predict_to_file",
    "predicted_classes",
    "probabilities_of",
    "real_accuracy",
    "reliability",
    "score",
]
