"""Fits a model to data by a recipe, and keeps the run in a directory."""

from keras_mixer.training.fit import finetune, training_batches
from keras_mixer.training.recipes import RECIPES, Recipe, default_recipe
from keras_mixer.training.run import Run, load_run, new_run, save_run

__all__ = [
    "RECIPES",
    "Recipe",
    "Run",
    "default_recipe",
    "finetune",
    "load_run",
    "new_run",
    "save_run",
    "training_batches",
]
