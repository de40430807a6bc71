"""Fits a model to data by a recipe, and keeps the run in a directory."""

from keras_mixer.training.fit import finetune
from keras_mixer.training.recipes import RECIPES, Recipe
from keras_mixer.training.run import Run, load_run, new_run, save_run

__all__ = ["RECIPES", "Recipe", "Run", "finetune", "load_run", "new_run", "save_run"]
