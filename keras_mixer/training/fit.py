"""Trains a model by a recipe: the calls for users."""

import contextlib
import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

import keras

from keras_mixer import distribution
from keras_mixer.arguments import whole
from keras_mixer.data import ImageData, Split, hold_out
from keras_mixer.settings import check_nothing_is_cut_short, pinned
from keras_mixer.specs import MixerSpec
from keras_mixer.training import signals
from keras_mixer.training.build import build_model, check_model
from keras_mixer.training.checkpoint import Checkpoints, State, shared
from keras_mixer.training.keeper import Keeper
from keras_mixer.training.loop import Fit
from keras_mixer.training.recipe import Recipe
from keras_mixer.training.recipes import RECIPES, default_pretraining, default_recipe


class Trained(NamedTuple):
    """What a training gives.

    Args:
        model: the trained model.
        history: a list for each of `round`, `step`, `learning_rate`, `loss`, `top_1`, `val_loss`
            and `val_top_1`, with an entry for each evaluation.
    """

    model: keras.Model
    history: dict[str, list]


def finetune(
    model: keras.Model | MixerSpec | str,
    data: ImageData,
    recipe: Recipe | str | None = None,
    *,
    seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
    validation: Split | None = None,
    checkpoints: str | os.PathLike | None = None,
    say: Callable[[str], None] = print,
    callbacks=(),
    verbose="auto",
    **compile_options,
) -> Trained:
    """Trains a model on `data.train` by a recipe, and judges it on `data.test` as it goes.

    Args:
        model: the name of an architecture or a spec, which is built with the recipe's weights; or
            any Keras model from RGB images to class scores `(batch, classes)`, logits where its
            last layer has no activation, else probabilities. The images are prepared as its
            weights ask for, in [-1, 1] for a model of another kind.
        data: what `keras_mixer.data.load` returns.
        recipe: a row of `keras_mixer.training.RECIPES`, its name, or a `Recipe` of your own; by
            default the data set's own.
        seed: of the initial weights, the order of the images, their crops, flips and mixtures.
        image_size: height and width in pixels of a model that is built here.
        validation: what it is judged on after each round. By default `data.test`; with
            `keep_best` or `early_stopping` a tenth of each class of the training images, which are
            then not trained on, for the test images must not choose.
        checkpoints: folder where the state of the run is kept, and from which a run that was cut
            short goes on: it ends in the same weights, bit for bit on one machine and backend.
            SIGINT and SIGTERM then end it after a step, with everything saved. With several
            processes (`keras_mixer.distribution.initialize`) that of process 0 alone.
        say: called with a line on whatever is out of the ordinary.
        callbacks: more Keras callbacks; a `RunCallback` also hears of the run as a whole.
        verbose: as in `model.fit`.
        compile_options: more arguments of `model.compile`, such as `jit_compile`, `run_eagerly`.

    Returns:
        The model and its history. With `lora_rank` the model is a plain one, with the adapters
        merged; with `ema` its weights are the averages.

    Raises:
        ValueError: Keras is set to cut each training short; an unknown recipe, a model of another
            number of classes, one that does not take RGB images, or one that lacks what the recipe
            asks for; a checkpoint of another configuration; processes of unequal data.
        FloatingPointError: the loss or a weight is not finite; the checkpoints are from before.
        keras_mixer.training.Interrupted: a signal ended the run, which is saved.
    """
    recipe = _recipe(recipe, default_recipe(data.name)).for_images(len(data.train))
    seed = whole(seed, "seed", least=0)
    check_nothing_is_cut_short()
    if isinstance(model, keras.Model):
        check_model(model, recipe, data.classes)
    else:
        model = build_model(model, recipe, data.classes, image_size=image_size, seed=seed)
    data, validation = _judged_on(data, recipe, validation)
    place = distribution.current()
    place.check_accumulation(recipe.accumulation)
    place.refuse(augment=recipe.augment, linear_probe=recipe.linear_probe)
    store, state, identity = None, State(), {}
    if checkpoints is not None or place.processes > 1:
        identity = _identity(model, data, validation, recipe, seed)
    if checkpoints is not None and place.chief:
        store = Checkpoints(checkpoints, identity, say)
        state = store.load() or state
    if place.processes > 1:
        state = shared(state, identity, place)
    fit = Fit(model, data, validation, recipe, seed, callbacks, verbose, compile_options, place)
    noted = store or not place.chief  # Who is not the chief passes its signals on.
    heard = signals.deferred() if noted else contextlib.nullcontext(signals.Request())
    with pinned(), heard as request:
        keeper = Keeper(recipe, state, store, request, callbacks, place)
        return Trained(fit.run(keeper), _columns(state.history))


def pretrain(
    model: keras.Model | MixerSpec | str,
    data: ImageData,
    recipe: Recipe | str | None = None,
    **options,
) -> Trained:
    """Trains from random weights: `finetune` with another default recipe, and no weights.

    Args:
        model: as in `finetune`.
        data: as in `finetune`.
        recipe: as in `finetune`; by default Table 4's for the data set and the model's size, or
            `"small"`.
        options: more arguments of `finetune`.
    """
    name = model if isinstance(model, str) else getattr(model, "name", None)
    chosen = _recipe(recipe, default_pretraining(data.name, name)).replace(weights=None)
    return finetune(model, data, chosen, **options)


def _recipe(recipe: Recipe | str | None, default: str) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    name = default if recipe is None else recipe
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe {name!r}. Choose one of: {', '.join(RECIPES)}")
    return RECIPES[name]


def _judged_on(
    data: ImageData, recipe: Recipe, validation: Split | None
) -> tuple[ImageData, Split]:
    """What is trained on, and what is judged on after each round."""
    if validation is not None:
        return data, validation
    if not recipe.holds_out:
        return data, data.test
    train, held = hold_out(data.train, 0.1, seed=1)
    return dataclasses.replace(data, train=train), held


def _identity(model, data: ImageData, validation: Split, recipe: Recipe, seed: int) -> dict:
    """What makes two runs the same."""
    told = ("name", "source", "result", "cost", "data", "model", "learning_rates")
    fields = {k: v for k, v in dataclasses.asdict(recipe).items() if k not in told}
    return {
        "recipe": fields,
        "seed": seed,
        "input_shape": model.input_shape[1:],
        "train": f"{len(data.train)} images, {data.train.fingerprint()}",
        "validation": f"{len(validation)} images, {validation.fingerprint()}",
        "classes": list(data.label_names),
        "backend": keras.backend.backend(),
    }


def _columns(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
