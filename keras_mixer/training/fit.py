"""Fine-tuning: compile and fit by a recipe."""

from typing import Any

import keras

from keras_mixer.data import EvaluationBatches, ImageData, TrainingBatches, augmented
from keras_mixer.data.pipeline import image_size
from keras_mixer.training.recipes import RECIPES, Recipe


def finetune(
    model: keras.Model,
    data: ImageData,
    recipe: Recipe | str,
    *,
    seed: int = 0,
    callbacks=(),
    verbose="auto",
    **compile_options,
) -> keras.callbacks.History:
    """Trains every weight of `model` on `data.train` by a recipe, and judges it on `data.test`.

    Args:
        model: any Keras model from RGB images to class scores `(batch, classes)`; logits where its
            last layer has no activation, else probabilities. The images are prepared as its
            weights ask for, in [-1, 1] for a model of another kind.
        data: what `keras_mixer.data.load` returns.
        recipe: a row of `keras_mixer.training.RECIPES`, its name, or a `Recipe` of your own.
        seed: of the order of the images, their crops and flips.
        callbacks: more Keras callbacks.
        verbose: as in `model.fit`.
        compile_options: more arguments of `model.compile`, such as `jit_compile`, `run_eagerly`.

    Returns:
        The history of `model.fit`; one entry for each of `recipe.steps / recipe.steps_per_round`
        rounds, which Keras calls epochs. Its `model` is `model`, trained.

    Raises:
        ValueError: an unknown recipe, a model of another number of classes, or one that does not
            take RGB images.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"Unknown recipe {recipe!r}. Choose one of: {', '.join(RECIPES)}")
        recipe = RECIPES[recipe]
    size = image_size(model)
    if model.output_shape != (None, data.classes):
        raise ValueError(
            f"{model.name} has output of shape {model.output_shape} and {data.name} has "
            f"{data.classes} classes. Build it with `classes={data.classes}`."
        )
    train = training_batches(data, recipe, size, seed=seed, weights=model)
    test = EvaluationBatches(
        data.test,
        data.classes,
        size,
        recipe.batch_size,
        crop=recipe.evaluation_crop,
        weights=model,
    )
    model.compile(
        optimizer=make_optimizer(recipe),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=gives_logits(model), label_smoothing=recipe.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="top_1")],
        **compile_options,
    )
    return model.fit(
        train,
        epochs=recipe.steps // recipe.steps_per_round,
        steps_per_epoch=recipe.steps_per_round,
        validation_data=test,
        shuffle=False,  # The order is the batches' own.
        callbacks=list(callbacks),
        verbose=verbose,
    )


def training_batches(
    data: ImageData, recipe: Recipe, size: tuple[int, int], *, seed: int = 0, weights=None
) -> Any:
    """What a recipe trains on: its crops, flips and mixtures of `data.train` at `size`.

    `TrainingBatches`, or with `recipe.augment` a `tf.data.Dataset`.
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
    )
    return batches if recipe.augment is None else augmented(batches, recipe.augment, weights)


def make_optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe: linear warm-up from 0, then cosine decay to 0."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if recipe.warmup_steps else recipe.learning_rate,
        decay_steps=recipe.steps - recipe.warmup_steps,
        warmup_target=recipe.learning_rate if recipe.warmup_steps else None,
        warmup_steps=recipe.warmup_steps,
    )
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=0.9, global_clipnorm=recipe.clip_norm)
    return keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm
    )


def gives_logits(model: keras.Model) -> bool:
    """Whether the last layer has no activation."""
    return getattr(model.layers[-1], "activation", None) in (None, keras.activations.linear)
