"""Keeps the state of a run as it goes: history, checkpoints, averages, the best weights."""

import threading
import time

import keras
import numpy as np
from keras import ops

from keras_mixer.distribution import Distribution
from keras_mixer.training import adapt
from keras_mixer.training.checkpoint import Checkpoints, State
from keras_mixer.training.finite import Finite
from keras_mixer.training.recipe import Recipe
from keras_mixer.training.signals import Interrupted, Request

ALONE = Distribution()
AHEAD = 2  # Steps that may be waiting for the computation.
SAVE_EVERY = 300  # Seconds between two checkpoints, at most.
SAVE_BEFORE_EVALUATION = 30  # The age in seconds from which one is saved before an evaluation too.


class RunCallback(keras.callbacks.Callback):
    """A callback of Keras that also hears of the run as a whole, which may take several `fit`s."""

    def on_look(self, done: int, of: int, bad: int) -> None:
        """Called as a run goes through its pictures: how many were, there are, and are bad."""

    def on_run_begin(self, recipe: Recipe, model: keras.Model, step: int) -> None:
        """Called once, with the number of optimiser steps that are done already."""

    def on_round_end(self, history: list[dict]) -> None:
        """Called after each evaluation, with a row for each one so far."""

    def on_run_end(self, model: keras.Model) -> None:
        """Called with the last weights, before `keep_best` puts the best ones in their place."""


class Pace(keras.callbacks.Callback):
    """Lets `fit` run ahead of the computation a little, and no more.

    On JAX a step is begun before the one before it is done. Were Keras to wait for each, small
    models would be slower; without any wait it would have begun a whole round before a signal in
    it is heard, or a checkpoint due. It has to be the first callback.
    """

    async_safe = True  # `on_train_batch_end` may run in a thread, after the step's computation.

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = self._ended = 0
        self._one_ended = threading.Condition()

    def on_train_batch_begin(self, batch, logs=None):
        self._wait_for_all_but(AHEAD - 1)
        self._begun += 1

    def on_train_batch_end(self, batch, logs=None):
        with self._one_ended:
            self._ended += 1
            self._one_ended.notify()

    def on_test_begin(self, logs=None):
        self._wait_for_all_but(0)  # `Finite` has then seen the loss of each.

    def _wait_for_all_but(self, some):
        with self._one_ended:
            # Where a computation fails, none ends, and Keras raises at the next step.
            self._one_ended.wait_for(lambda: self._begun - self._ended <= some, timeout=120)


class Keeper(keras.callbacks.Callback):
    """The callback that holds the `State` of a run.

    It saves at the end of each round, before the evaluation of a long one, every few minutes, and
    at the end of the step in which a signal came; one in an evaluation ends that without saving. It
    acts before a step rather than after one, so that Keras on JAX need not wait for each.

    Args:
        recipe: with its `steps`.
        state: where the run stands.
        checkpoints: where it is saved, or `None`.
        request: whether the run was asked to end.
        watchers: the other callbacks.
        distribution: the processes that train; another one's signal is as one that came here.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: State,
        checkpoints: Checkpoints | None,
        request: Request,
        watchers=(),
        distribution: Distribution = ALONE,
    ):
        super().__init__()
        self.recipe = recipe
        self.state = state
        self.finite = Finite(recipe, state, checkpoints)  # Goes before this one.
        self._checkpoints = checkpoints
        self._request = request
        self._distribution = distribution
        self.watchers = [w for w in watchers if isinstance(w, RunCallback)]
        self._rounds = recipe.rounds()
        self._saved_at = time.monotonic()
        self._best = {n: a for n, a in state.arrays.items() if n.startswith("best/")}
        self._raw: list[np.ndarray] | None = None
        self._metrics: dict[str, np.ndarray] = {}

    def restore(self, model: keras.Model, first: int) -> None:
        """Puts the state's arrays into a compiled model, whose optimiser begins at step `first`."""
        arrays, self.state.arrays = self.state.arrays, {}
        if not arrays:
            return
        _assign("model", model.variables, arrays)
        if self.state.step > first and not self.state.ended:
            _assign("optimizer", model.optimizer.variables, arrays)
        self._metrics = {n: a for n, a in arrays.items() if n.startswith("metrics/")}

    def on_epoch_begin(self, epoch, logs=None):
        start = self._rounds[epoch - 1] if epoch else 0
        self._begin = max(start, self.state.step)
        if self._metrics:
            model = self.model
            # On TensorFlow the variables of the metrics are made when these are first used.
            nothing = np.zeros((1, model.output_shape[-1]), "float32")
            model.compute_metrics(None, nothing, nothing)
            _assign("metrics", model.metrics_variables, self._metrics)
        self._metrics = {}

    def on_train_batch_begin(self, batch, logs=None):
        done, part = divmod(batch, self.recipe.accumulation)
        step = self._begin + done
        if part:
            return
        if step > self.state.step and self._due(step):
            self.state.step = step
            self._save(metrics=True)
        self._obey()

    def _due(self, step: int) -> bool:
        if self._checkpoints is None:
            return False
        age = time.monotonic() - self._saved_at
        before_evaluation = step + 1 in self._rounds and age > SAVE_BEFORE_EVALUATION
        return before_evaluation or age > SAVE_EVERY or self._signum() is not None

    def _signum(self) -> int | None:
        return self._distribution.asked_to_end(self._request.signum)

    def _obey(self) -> None:
        if (signum := self._signum()) is not None:
            raise Interrupted(signum, self.state.step)

    def on_test_begin(self, logs=None):
        # The averages are what is judged. Keras' SwapEMAWeights adds and subtracts to exchange them
        # on TensorFlow, which changes the weights a little at each evaluation.
        if self.recipe.ema is not None:
            model = self.model
            self._raw = _copies(model.trainable_variables)
            _set(model.trainable_variables, _averages(model))

    def on_test_batch_begin(self, batch, logs=None):
        self._obey()

    def on_test_end(self, logs=None):
        if self._raw is not None:
            _set(self.model.trainable_variables, self._raw)
            self._raw = None

    def on_epoch_end(self, epoch, logs=None):
        model, state = self.model, self.state
        state.step = self._rounds[epoch]
        logs = {name: float(value) for name, value in (logs or {}).items()}
        rate = self.recipe.rate(state.step - 1)
        row = {"round": epoch + 1, "step": state.step, "learning_rate": rate, **logs}
        state.history.append(row)
        scores = [row["val_top_1"] for row in state.history]
        best = scores.index(max(scores))  # The first of equals.
        if self.recipe.keep_best and best == len(scores) - 1:
            self._best = _arrays("best", model.variables)
            if self.recipe.ema is not None:
                averages = {
                    id(v): a
                    for v, a in zip(model.trainable_variables, _averages(model), strict=True)
                }
                self._best |= _arrays("best", [averages.get(id(v), v) for v in model.variables])
        patience = self.recipe.early_stopping
        if patience and len(scores) - 1 - best >= patience:
            model.stop_training = True
        state.ended = model.stop_training or state.step == self._rounds[-1]
        if not state.ended:  # The end is saved when the weights are final.
            self._save()
        for watcher in self.watchers:
            watcher.on_round_end(state.history)
        if not state.ended:
            self._obey()

    def finish(self, model: keras.Model) -> None:
        """Gives a model its final weights, the averages or the best ones, and saves the end."""
        if self.recipe.ema is not None:
            _set(model.trainable_variables, _averages(model))
        last = adapt.merge_lora(model) if self.recipe.lora_rank else model
        for watcher in self.watchers:
            watcher.on_run_end(last)
        if self._best:
            _assign("best", model.variables, self._best)
        model.optimizer.hold_averages = False
        self.state.arrays = _arrays("model", model.variables)
        self.finite.check(self.state.arrays, self.state.step)
        if self._checkpoints:
            self._checkpoints.save(self.state)
        self._obey()

    def _save(self, metrics: bool = False) -> None:
        self._saved_at = time.monotonic()
        if self._checkpoints is None:
            return
        model = self.model
        groups = {"model": model.variables, "optimizer": model.optimizer.variables}
        if metrics:
            groups["metrics"] = model.metrics_variables
        arrays = dict(self._best)
        for group, variables in groups.items():
            arrays |= _arrays(group, variables)
        self.finite.check(arrays, self.state.step)  # Two others would leave no good one.
        self.state.arrays = arrays
        self._checkpoints.save(self.state)
        self.state.arrays = {}


def _averages(model: keras.Model) -> list[np.ndarray]:
    return _copies(model.optimizer._model_variables_moving_average)


def _copies(values) -> list[np.ndarray]:
    """As arrays of their own: what a backend shows of its memory changes with it."""
    return [np.array(ops.convert_to_numpy(value)) for value in values]


def _set(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _arrays(group: str, values) -> dict[str, np.ndarray]:
    """`{group/number: array}`; names of variables are no use, for seeds are named by chance."""
    return {f"{group}/{i:05d}": array for i, array in enumerate(_copies(values))}


def _assign(group: str, variables, arrays: dict[str, np.ndarray]) -> None:
    own = {name: array for name, array in arrays.items() if name.startswith(f"{group}/")}
    if [own[name].shape for name in sorted(own)] != [tuple(v.shape) for v in variables]:
        raise ValueError(
            f"The checkpoint is of another model: its {len(own)} arrays of the {group} do not have "
            f"the shapes of the {len(variables)} here."
        )
    _set(variables, [own[name] for name in sorted(own)])
