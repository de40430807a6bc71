"""The learning rate at each optimiser step."""

import keras
from keras import ops

from keras_mixer.arguments import plain


@keras.saving.register_keras_serializable(package="keras_mixer")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth from 0, then a decay to 0: `peak * step / warmup_steps` up to the peak.

    MLP-Mixer (https://arxiv.org/abs/2105.01601), section 3: linear for pre-training, cosine for
    fine-tuning. Keras' own decays go down; they know neither a linear way with a warm-up nor
    accumulation, which calls a schedule once for each part of a batch.

    Args:
        peak: rate at the end of the warm-up.
        steps: optimiser steps of the whole run.
        warmup_steps: those of the growth.
        decay: `"cosine"` or `"linear"`.
        accumulation: calls for each optimiser step.
        first_step: optimiser step of the first call.
    """

    def __init__(self, peak, steps, warmup_steps=0, decay="cosine", accumulation=1, first_step=0):
        super().__init__()
        self.peak = peak = plain(peak)
        self.steps = steps = plain(steps)
        self.warmup_steps = warmup_steps = plain(warmup_steps)
        self.decay = decay
        self.accumulation = plain(accumulation)
        self.first_step = plain(first_step)
        schedules = keras.optimizers.schedules
        self._down = {
            "cosine": lambda: schedules.CosineDecay(peak, steps - warmup_steps),
            "linear": lambda: schedules.PolynomialDecay(peak, steps - warmup_steps, 0.0),
        }[decay]()

    def __call__(self, step):
        # As integers, for a float32 counts to 2^24 only.
        step = ops.cast(ops.floor_divide(step, self.accumulation) + self.first_step, "float32")
        down = self._down(ops.maximum(step - self.warmup_steps, 0.0))
        if not self.warmup_steps:
            return down
        return ops.where(step < self.warmup_steps, self.peak * step / self.warmup_steps, down)

    def get_config(self):
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "decay": self.decay,
            "accumulation": self.accumulation,
            "first_step": self.first_step,
        }
