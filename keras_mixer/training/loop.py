"""The calls of `model.fit` that make up a run, from any step on.

A run is one call, but for a round that was cut short and is taken up again, a last round that is
shorter, and the change from training the head alone to training everything.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_mixer.data import EvaluationBatches, ImageData, Split
from keras_mixer.data.ahead import Lent
from keras_mixer.data.pipeline import image_size
from keras_mixer.distribution import Distribution
from keras_mixer.training import adapt
from keras_mixer.training.batches import training_batches
from keras_mixer.training.keeper import Keeper, Pace
from keras_mixer.training.linear_probe import start_from_linear_probe
from keras_mixer.training.losses import Top1, gives_logits, make_loss
from keras_mixer.training.optimizers import make_optimizer
from keras_mixer.training.recipe import Recipe


@dataclasses.dataclass
class Fit:
    """A model and all that it is trained with; see `finetune`."""

    model: keras.Model
    data: ImageData
    validation: Split
    recipe: Recipe
    seed: int
    callbacks: Any
    verbose: Any
    compile_options: dict
    distribution: Distribution

    def run(self, keeper: Keeper) -> keras.Model:
        """Trains from the keeper's state to the end, and returns the model."""
        model, recipe, state = self.model, self.recipe, keeper.state
        size = image_size(model)
        at_once = recipe.batch_size // recipe.accumulation
        place = self.distribution
        place.check_batch(at_once)
        if recipe.linear_probe and not state.arrays:
            crop = recipe.evaluation_crop
            start_from_linear_probe(model, self.data, crop=crop, batch_size=at_once)
        if recipe.lora_rank:
            adapt.add_lora(model, recipe.lora_rank)
        judged = EvaluationBatches(
            self.validation,
            self.data.classes,
            size,
            at_once,
            crop=recipe.evaluation_crop,
            weights=model,
            parts=place.replicas,
            shard=place.shard,
        )
        for watcher in keeper.watchers:
            watcher.on_run_begin(recipe, model, state.step)
        if state.ended:
            keeper.restore(model, 0)
        trainable = model.trainable_variables
        for first, last, variables in self._phases(trainable):
            if state.ended or state.step >= last:
                continue
            adapt.train_only(model, variables)
            self._compile(first)
            keeper.restore(model, first)
            place.settle(model)
            while state.step < last and not state.ended:
                step = state.step
                number, length, count = stretch(recipe.rounds(), step, last)
                batches = training_batches(
                    self.data,
                    recipe,
                    size,
                    seed=self.seed,
                    weights=model,
                    first=step * recipe.accumulation,
                    shard=place.shard,
                )
                model.fit(
                    Lent(batches) if isinstance(batches, keras.utils.PyDataset) else batches,
                    initial_epoch=number,
                    epochs=number + count,
                    steps_per_epoch=length * recipe.accumulation,
                    validation_data=Lent(judged),
                    shuffle=False,  # The order is the batches' own.
                    callbacks=[Pace(), *place.callbacks(), *self.callbacks, keeper.finite, keeper],
                    verbose=self.verbose,
                )
            if state.ended:
                keeper.finish(model)
        adapt.train_only(model, trainable)
        return adapt.merge_lora(model) if recipe.lora_rank else model

    def _phases(self, trainable) -> Iterator[tuple[int, int, list]]:
        """First step, last step and what trains, of the head alone and then of everything."""
        recipe = self.recipe
        assert recipe.steps is not None
        if recipe.head_steps:
            yield 0, recipe.head_steps, adapt.head_of(self.model).weights
        if recipe.head_steps < recipe.steps:
            yield recipe.head_steps, recipe.steps, trainable

    def _compile(self, first: int) -> None:
        """A new optimiser for what is trainable, whose first step is step `first` of the run."""
        model = self.model
        optimizer = make_optimizer(self.recipe, model.trainable_variables, first)
        optimizer.hold_averages = True  # `Keeper.finish` puts them in place.
        optimizer.build(model.trainable_variables)
        model.compile(
            optimizer=optimizer,
            loss=make_loss(self.recipe, gives_logits(model)),
            metrics=[Top1(name="top_1")],
            **self.compile_options,
        )


def stretch(rounds: list[int], step: int, last: int) -> tuple[int, int, int]:
    """The rounds of equal length that one `fit` can do from `step` on.

    Args:
        rounds: the step that each round ends at.
        step: steps that are done.
        last: step to end at, the end of a round.

    Returns:
        Number of the first round, steps of each, and how many; the rest of a round that was begun
        stands alone.
    """
    starts = [0, *rounds]
    number = next(i for i, end in enumerate(rounds) if end > step)
    length = rounds[number] - step
    if step > starts[number]:
        return number, length, 1
    count = 0
    for start, end in list(zip(starts, rounds, strict=False))[number:]:
        if end > last or end - start != length:
            break
        count += 1
    return number, length, count
