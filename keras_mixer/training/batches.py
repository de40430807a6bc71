"""What a run still has to see: its batches from any step on, whole or in parts."""

import functools
from typing import Any

import keras
import numpy as np

from keras_mixer.data import ImageData, TrainingBatches, augmented
from keras_mixer.training.recipe import Recipe


class Parts(keras.utils.PyDataset):
    """Batches of a run in equal parts, one after the other.

    Args:
        batches: `TrainingBatches`.
        parts: number of parts of each batch; divides its size.
        first: number of the part to begin with.
        class_weights: weight of each class `(classes,)`, or `None`. A mixed image weighs what its
            label's shares do.

    Its items are `(images, labels)`, or `(images, labels, weights)` with `class_weights`.
    """

    def __init__(self, batches: TrainingBatches, parts=1, first=0, class_weights=None):
        super().__init__(workers=1)  # As in `TrainingBatches`, which works ahead by itself.
        self.classes = batches.classes
        self.image_size = batches.image_size
        self.weights = batches.weights
        self._batches = batches
        self._parts = parts
        self._first = first
        self._class_weights = class_weights
        self._batch = functools.lru_cache(2)(batches.__getitem__)

    def __len__(self) -> int:
        return len(self._batches) * self._parts - self._first

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        batch, part = divmod(self._first + number, self._parts)
        whole = self._batches[batch] if self._parts == 1 else self._batch(batch)
        size = len(whole[0]) // self._parts
        x, y = (array[part * size : (part + 1) * size] for array in whole)
        return (x, y) if self._class_weights is None else (x, y, y @ self._class_weights)


def training_batches(
    data: ImageData,
    recipe: Recipe,
    size: tuple[int, int],
    *,
    seed: int = 0,
    weights=None,
    first: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Any:
    """What a recipe trains on: its crops, flips and mixtures of `data.train`.

    Args:
        data: the images.
        recipe: with its `steps`.
        size: height and width in pixels.
        seed: of the order of the images and of all changes to them.
        weights: what the images are prepared for, as in `keras_mixer.preprocess_input`.
        first: number of the part of a batch (see `Recipe.accumulation`) to begin with.
        shard: (number, count), the part of each batch that this process reads.

    Returns:
        `Parts`, or with `recipe.augment` a `tf.data.Dataset`.
    """
    batches = TrainingBatches(
        data.train,
        data.classes,
        size,
        recipe.batch_size,
        steps=recipe.steps,
        crop=recipe.crop,
        flip=recipe.flip,
        randaugment=(recipe.randaugment_layers, recipe.randaugment_magnitude),
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        seed=seed,
        weights=weights,
        shard=shard,
    )
    balance = None
    if recipe.class_weights == "balanced":
        balance = balanced_weights(data.train.labels, data.classes)
    parts = Parts(batches, recipe.accumulation, first, balance)
    return parts if recipe.augment is None else augmented(parts, recipe.augment, weights)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weight of each class, images / (classes * images of the class), float32 `(classes,)`.

    Raises:
        ValueError: a class has no images.
    """
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(
            f"Class number {int(counts.argmin())} has no images to train on, so it cannot be "
            'balanced. Remove it, or leave out `class_weights="balanced"`.'
        )
    return (len(labels) / (classes * counts)).astype("float32")
