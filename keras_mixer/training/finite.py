"""Ends a run whose numbers are no longer finite, and says where that began."""

import math

import keras
import numpy as np
from keras import ops

from keras_mixer.training.checkpoint import Checkpoints, State
from keras_mixer.training.recipe import Recipe


class Finite(keras.callbacks.Callback):
    """Raises a `FloatingPointError` of one line before the next step, or the next but one on JAX.

    It looks at the loss of each step, which costs nothing, for Keras has it in hand; on JAX that of
    a step that is still being computed comes later. What it names is where it began, for the
    optimiser keeps the norm of the first gradient that is not finite. If that comes from a finite
    loss, the loss of the next step shows it, or the end of the round.

    Args:
        recipe: with its `steps`.
        state: where the run stands.
        checkpoints: where it is saved, or `None`.
    """

    async_safe = True  # `on_train_batch_end` may run in a thread, as `Pace`'s.

    def __init__(self, recipe: Recipe, state: State, checkpoints: Checkpoints | None):
        super().__init__()
        self._recipe = recipe
        self._state = state
        self._checkpoints = checkpoints
        self._seen: tuple[int, float] | None = None  # Step and loss.

    def on_epoch_begin(self, epoch, logs=None):
        start = self._recipe.rounds()[epoch - 1] if epoch else 0
        self._begin = max(start, self._state.step)

    def on_train_batch_end(self, batch, logs=None):
        loss = logs["loss"]  # The mean of the round so far: finite up to the first that is not.
        if not math.isfinite(loss):
            seen = self._begin + batch // self._recipe.accumulation + 1, loss
            self._seen = min(self._seen or seen, seen)

    def on_train_batch_begin(self, batch, logs=None):
        if self._seen and batch % self._recipe.accumulation == 0:
            self._refuse(self.model)

    def on_test_begin(self, logs=None):
        if self._seen or _norms(self.model)[1]:
            self._refuse(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if self._seen:
            self._refuse(self.model)
        step = self._recipe.rounds()[epoch]
        if not math.isfinite(loss := logs["val_loss"]):
            self._raise(f"The held-out loss is {loss} after step {step}", step)

    def check(self, arrays: dict[str, np.ndarray], step: int) -> None:
        """Raises unless what is to be saved after a step is finite."""
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                self._raise(f"{name} holds numbers that are not finite after step {step}", step)

    def _refuse(self, model: keras.Model) -> None:
        before, broken, norm = _norms(model)
        # The optimiser may have begun in the middle of the run.
        began = model.optimizer._learning_rate.first_step + int(broken)
        step, loss = self._seen or (began, 0.0)
        what, numbers = f"The loss is {loss}", "a finite gradient"
        if broken:
            what = what if self._seen and began == step else "The gradient is not finite"
            step, numbers = began, f"gradient norm {norm:.4g}"
            if broken > 1:
                numbers += f", {before:.4g} in the step before"
        self._raise(f"{what} in step {step}", step, numbers)

    def _raise(self, what: str, step: int, *numbers: str) -> None:
        rate = f"learning rate {self._recipe.rate(max(step - 1, 0)):.4g}"
        newest = self._checkpoints and self._checkpoints.newest()
        raise FloatingPointError(
            f"{what}: {', '.join([rate, *numbers])}. Lower --learning-rate, clip harder "
            "(--clip-norm), or see the images of that step (docs/reliability.md). "
            + (f"The last good checkpoint stays: {newest}" if newest else "None was saved before.")
        )


def _norms(model: keras.Model) -> list[float]:
    return [float(number) for number in ops.convert_to_numpy(model.optimizer.norms)]
