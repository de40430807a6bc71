"""Keras' optimisers with what the recipes need and these lack."""

import re
from typing import Any

import keras
from keras import ops

from keras_mixer.arguments import plain
from keras_mixer.training.recipe import Recipe
from keras_mixer.training.schedules import WarmUp


def _of_backend(optimizer: Any) -> Any:
    """The class behind a Keras optimiser: PyTorch has its own, which updates all at once."""
    return type(optimizer.__new__(optimizer))


_Optimizer: Any = object  # What stands before a Keras optimiser among the bases of a class.
_AdamW: Any = _of_backend(keras.optimizers.AdamW)
_SGD: Any = _of_backend(keras.optimizers.SGD)


class _Extended(_Optimizer):
    """A rate for each layer, averages that count optimiser steps, and the norm of the gradient.

    The variable `norms`, `(3,)` in float32, has the norm of the last gradient that was finite, the
    step (from 1, of this optimiser) of the first one that was not, or 0, and the norm of that one.
    From then on the three stay, so that they may be read some steps later.

    Args:
        rates: factor on the learning rate, and so on the decay of the weights, by the path of a
            variable; 1 where there is none.
        hold_averages: whether the weights stay as they are at the end of a `fit`, where Keras puts
            the moving averages in their place; for a run that takes several.

    All arguments of the Keras optimizer mean the same.

    Raises:
        ValueError: `ema_overwrite_frequency` together with `gradient_accumulation_steps`, or as the
            Keras optimizer.
    """

    weight_decay: float | None

    def __init__(self, *args, rates=None, hold_averages=False, **kwargs):
        super().__init__(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
        if self.ema_overwrite_frequency and self.gradient_accumulation_steps:
            raise ValueError(
                "`ema_overwrite_frequency` and `gradient_accumulation_steps` exclude each other, "
                "for Keras would overwrite the weights in the middle of a step. Received: "
                f"{self.ema_overwrite_frequency} and {self.gradient_accumulation_steps}. Use one."
            )
        self.rates = tuple(sorted((path, float(rate)) for path, rate in (rates or {}).items()))
        # Threads of several devices change these in turn, and none may begin with another's value.
        self._whole_decay = self.weight_decay
        self._whole_epsilon = getattr(self, "epsilon", None)
        self.hold_averages = hold_averages

    def build(self, variables):
        super().build(variables)
        # On several devices each has the gradient of all.
        self.norms = self.add_variable((3,), aggregation="only_first_replica", name="norms")

    def _by_rate(self, variables):
        """`(factor, places in variables)`, one for each factor."""
        rates = dict(self.rates)
        places: dict[float, list[int]] = {}
        for i, variable in enumerate(variables):
            places.setdefault(rates.get(variable.path, 1.0), []).append(i)
        return places.items()

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        for rate, places in self._by_rate(trainable_variables):
            own = [[one[i] for i in places] for one in (grads, trainable_variables)]
            super()._backend_update_step(*own, learning_rate * rate)

    def _apply_weight_decay(self, variables):
        if self.weight_decay is None:
            return
        whole = self._whole_decay
        for rate, places in self._by_rate(variables):
            own = [variables[i] for i in places]
            self.weight_decay = whole * rate  # Keras multiplies it by the learning rate.
            if any(map(self._use_weight_decay, own)):  # On PyTorch Keras takes no empty list.
                super()._apply_weight_decay(own)
        self.weight_decay = whole

    def _clip_gradients(self, grads):
        norm = _global_norm(grads)
        self._note(norm)
        if keras.backend.backend() != "torch" or not self.global_clipnorm:
            return super()._clip_gradients(grads)  # Compilers take its norm for the same one.
        import torch

        scale = self.global_clipnorm / norm.clamp(self.global_clipnorm)
        return torch._foreach_mul(grads, scale + (norm - norm))  # NaN where it is not finite.

    def _note(self, norm):
        last, broken, first = (self.norms[i] for i in range(3))
        good = ops.equal(broken, 0)
        breaks = ops.logical_and(good, ops.logical_not(ops.isfinite(norm)))
        last = ops.where(ops.logical_and(good, ops.isfinite(norm)), norm, last)
        broken = ops.where(breaks, ops.cast(self.iterations + 1, "float32"), broken)
        self.norms.assign(ops.stack([last, broken, ops.where(breaks, norm, first)]))

    def _update_model_variables_moving_average(self, trainable_variables):
        # Keras moves them with each part of a batch.
        parts = self.gradient_accumulation_steps or 1
        moves = ops.cast(ops.equal((self._iterations + 1) % parts, 0), "float32")
        first = ops.cast(ops.equal(self.iterations, 0), "float32")
        share = ops.maximum(first, moves * (1 - self.ema_momentum))
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is None:  # A variable that Keras overwrites with its gradient.
                continue
            average.assign(average + ops.cast(share, average.dtype) * (variable - average))

    def finalize_variable_values(self, var_list):
        if self.hold_averages or not self.use_ema:
            return
        super().finalize_variable_values(var_list)
        if keras.backend.backend() == "jax":  # A step cannot take one array as two variables.
            for variable in var_list:
                variable.assign(ops.copy(variable.value))

    def get_config(self):
        held = {"hold_averages": True} if self.hold_averages else {}
        return {**super().get_config(), "rates": dict(self.rates), **held}


def _global_norm(grads):
    if keras.backend.backend() == "torch":
        import torch

        return torch.nn.utils.get_total_norm([g for g in grads if g is not None])
    return ops.sqrt(ops.sum(ops.stack([ops.sum(ops.square(g)) for g in grads if g is not None])))


@keras.saving.register_keras_serializable(package="keras_mixer")
class AdamW(_Extended, _AdamW):
    """`keras.optimizers.AdamW` with a rate for each layer, and epsilon where Adam's paper has it.

    The step is `m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)` (Kingma and Ba 2014,
    https://arxiv.org/abs/1412.6980, algorithm 1), as in Optax. Keras adds epsilon to `sqrt(v)`
    itself, which makes it 32 times as large at the first step: much, where a head of zeros lets
    gradients begin at nothing. The decay of the weights is multiplied by the rate.

    On PyTorch the step is one kernel of its own. Keras' sequence of operations on lists of tensors
    writes five copies of the weights on the way (`apps/benchmarks/optimizer.py` times both).
    """

    epsilon: Any

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if keras.backend.backend() == "torch":  # Whose kernel has epsilon there already.
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        whole, step = self._whole_epsilon, ops.cast(self.iterations + 1, "float32")
        self.epsilon = whole * ops.sqrt(1 - ops.power(self.beta_2, step))
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        self.epsilon = whole

    def _parallel_update_step(self, grads, variables, learning_rate):
        from torch.optim.adam import adam

        places = [self._get_variable_index(v) for v in variables]
        done = ops.cast(self.iterations, "float32")
        adam(
            [v.value for v in variables],
            [g.contiguous() for g in grads],  # The kernel goes by the memory alone.
            [self._momentums[i].value for i in places],
            [self._velocities[i].value for i in places],
            [self._velocity_hats[i].value for i in places] if self.amsgrad else [],
            [done.clone() for _ in places],
            fused=True,
            amsgrad=self.amsgrad,
            beta1=self.beta_1,
            beta2=self.beta_2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=self.epsilon,
            maximize=False,
        )


@keras.saving.register_keras_serializable(package="keras_mixer")
class SGD(_Extended, _SGD):
    """Momentum as in the official code: `t = g + momentum * t`, then `w -= rate * t`.

    Keras has the rate inside of its velocity, which gives other weights as soon as the rate
    changes from step to step. With `nesterov` the step is `w -= rate * (g + momentum * t)`, as in
    Optax; without momentum it is `w -= rate * g`. All other options are Keras'.
    """

    def update_step(self, gradient, variable, learning_rate):
        step = gradient = ops.cast(gradient, variable.dtype)
        if self.momentum:
            trace = self.momentums[self._get_variable_index(variable)]
            step = gradient + self.momentum * trace
            self.assign(trace, step)
            if self.nesterov:
                step = gradient + self.momentum * step
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * step)

    def _parallel_update_step(self, grads, variables, learning_rate):
        """The same with PyTorch, for all variables at once."""
        import torch

        steps = grads
        if self.momentum:
            steps = [self.momentums[self._get_variable_index(v)].value for v in variables]
            torch._foreach_mul_(steps, self.momentum)
            torch._foreach_add_(steps, grads)
            if self.nesterov:
                steps = torch._foreach_add(grads, steps, alpha=self.momentum)
        torch._foreach_add_([v.value for v in variables], steps, alpha=-learning_rate)


def make_optimizer(recipe: Recipe, variables, first_step: int = 0) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe.

    Args:
        recipe: with its `steps`.
        variables: what it trains, `model.trainable_variables`.
        first_step: optimiser step of the run that it begins at.
    """
    assert recipe.steps is not None
    schedule = WarmUp(
        recipe.learning_rate,
        recipe.steps,
        recipe.warmup_steps,
        recipe.decay,
        recipe.accumulation,
        first_step,
    )
    options: dict[str, Any] = {
        "global_clipnorm": recipe.clip_norm,
        "use_ema": recipe.ema is not None,
        "ema_momentum": recipe.ema or 0.0,
        "gradient_accumulation_steps": recipe.accumulation if recipe.accumulation > 1 else None,
        "rates": layer_rates(variables, recipe.layer_decay),
    }
    if recipe.optimizer == "sgd":
        return SGD(schedule, momentum=0.9, **options)
    # Epsilon of Optax and of the official code; Keras has 1e-7.
    optimizer = AdamW(schedule, weight_decay=recipe.weight_decay, epsilon=1e-8, **options)
    # Kernels alone, the default of google-research/big_vision (`wd_mults`).
    optimizer.exclude_from_weight_decay([v for v in variables if "kernel" not in v.name])
    return optimizer


def layer_rates(variables, layer_decay: float) -> dict[str, float]:
    """Factor on the learning rate of each variable, by its path.

    The head and the last normalisation have 1, each layer `layer_decay` times the one behind it,
    the stem the least (Bao et al. 2021, https://arxiv.org/abs/2106.08254, appendix H).
    """
    blocks = [re.search(r"(?:^|/)mixer_block_(\d+)/", v.path) for v in variables]
    numbers = [int(block[1]) for block in blocks if block]
    if layer_decay == 1 or not numbers:
        return {}
    behind = max(numbers) + 1

    def layers_behind(variable, block) -> int:
        if block:
            return behind - int(block[1])
        return behind + 1 if re.search(r"(?:^|/)stem/", variable.path) else 0

    return {
        v.path: layer_decay ** layers_behind(v, block)
        for v, block in zip(variables, blocks, strict=True)
    }
