"""Fits a model to data by a recipe, in a run that can be cut short and taken up again."""

from keras_mixer.training.batches import training_batches
from keras_mixer.training.build import build_model
from keras_mixer.training.fit import Trained, finetune, pretrain
from keras_mixer.training.keeper import RunCallback
from keras_mixer.training.optimizers import SGD, AdamW
from keras_mixer.training.recipe import Recipe
from keras_mixer.training.recipes import (
    RECIPES,
    default_comparison,
    default_pretraining,
    default_recipe,
)
from keras_mixer.training.signals import Interrupted

__all__ = [
    "RECIPES",
    "SGD",
    "AdamW",
    "Interrupted",
    "Recipe",
    "RunCallback",
    "Trained",
    "build_model",
    "default_comparison",
    "default_pretraining",
    "default_recipe",
    "finetune",
    "pretrain",
    "training_batches",
]
