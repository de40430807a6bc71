"""Judges a model."""

from keras_mixer.evaluation.accuracy import Accuracy, evaluate, predict, score

__all__ = ["Accuracy", "evaluate", "predict", "score"]
