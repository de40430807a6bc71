"""What a recipe says: everything about a training run but the model and the data."""

import dataclasses
import math
from typing import Any

from keras_mixer.arguments import plain
from keras_mixer.training.ranges import RANGES

CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "decay": ("cosine", "linear"),
    "loss": ("softmax", "sigmoid"),
    "class_weights": (None, "balanced"),
    "precision": ("float32", "mixed_bfloat16"),
}
OPTIONAL = ("steps", "epochs", "clip_norm", "ema")  # They may be `None`.


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train: a row of `RECIPES`, or one of your own.

    Args:
        name: what a user types.
        source: where the numbers come from.
        result: what was published for it.
        cost: what it cost there.
        data: data set that it is meant for, or `None` for any.
        model: key of `SPECS` that it is meant for.
        weights: name of the weights to start from, or `None` for random initial ones.
        optimizer: `"sgd"` with momentum 0.9, or `"adamw"` with b1 0.9, b2 0.999.
        learning_rate: at the end of the warm-up.
        learning_rates: what a sweep tries.
        batch_size: images in an optimiser step.
        accumulation: parts that a batch is computed in, one after the other, for small memory; the
            numbers are those of the whole batch.
        steps: number of optimiser steps; or `None`, and `epochs` says it.
        epochs: passes over the training images, instead of `steps`; what `keep_best` or
            `early_stopping` hold out of them is counted.
        warmup_steps: steps of linear growth of the rate from 0, part of the steps; below 1, their
            share of the steps.
        decay: form of the way down to 0 after the warm-up, `"cosine"` or `"linear"`.
        clip_norm: largest global norm of a gradient, or `None`.
        weight_decay: decoupled, of kernels alone, multiplied by the learning rate; `"adamw"` only.
        layer_decay: factor on the rate from each layer to the one before it; 1 for none.
        ema: momentum of the moving average of the weights that is judged and kept, or `None`. The
            statistics of batch normalisation are not averaged.
        loss: `"softmax"`, or `"sigmoid"`, which sums over the classes.
        label_smoothing: share of each label that is spread over all classes.
        class_weights: `"balanced"` weighs each class by the inverse of its share, or `None`.
        head_bias: where the bias of a new head begins.
        head_steps: steps at the beginning that train the head alone; an optimiser of its own, with
            averages of its own, then trains everything on the same schedule.
        linear_probe: whether the head begins at the l2-regularised linear regression from the
            frozen features.
        lora_rank: rank of low-rank adapters of both MLPs, which then are all that trains besides
            the head; 0 for none.
        dropout: rate inside both MLPs.
        stochastic_depth: rate at the last MLP; it grows linearly from 0 at the first.
        precision: `"float32"` or `"mixed_bfloat16"`.
        remat: whether each layer's activations are computed again in the backward pass, for
            small memory; not with dropout.
        crop: key of `TRAINING_CROPS`.
        flip: whether to mirror half of the images.
        randaugment_layers: changes to each image by RandAugment, one after the other.
        randaugment_magnitude: their strength, 0 for none to 30.
        mixup: strength of mixup, 0 for none.
        cutmix: strength of CutMix, 0 for none.
        augment: key of `keras_mixer.data.AUGMENTATIONS`, or `None`; a run with one is not the
            same twice.
        evaluation_crop: key of `EVALUATION_CROPS`.
        evaluations: how often to judge the model during the run, about.
        early_stopping: evaluations without a better top-1 after which to stop; 0 for never.
        keep_best: whether to keep the weights of the best evaluation instead of the last ones.

    Raises:
        ValueError: a number is out of its range, or two fields exclude each other.
    """

    name: str
    source: str
    result: str = ""
    cost: str = ""
    data: str | None = None
    model: str = "mixer_b16"
    weights: str | None = "imagenet21k"
    optimizer: str = "sgd"
    learning_rate: float = 0.03
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.06)
    batch_size: int = 512
    accumulation: int = 1
    steps: int | None = 500
    epochs: float | None = None
    warmup_steps: float = 50
    decay: str = "cosine"
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    ema: float | None = None
    loss: str = "softmax"
    label_smoothing: float = 0.0
    class_weights: str | None = None
    head_bias: float = 0.0
    head_steps: int = 0
    linear_probe: bool = False
    lora_rank: int = 0
    dropout: float = 0.0
    stochastic_depth: float = 0.0
    precision: str = "float32"
    remat: bool = False
    crop: str = "random_crop"
    flip: bool = True
    randaugment_layers: int = 2
    randaugment_magnitude: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    augment: str | None = None
    evaluation_crop: str = "resmall_crop"
    evaluations: int = 10
    early_stopping: int = 0
    keep_best: bool = False

    def __post_init__(self) -> None:
        for row in dataclasses.fields(self):
            object.__setattr__(self, row.name, plain(getattr(self, row.name)))
        for field, allowed in CHOICES.items():
            if getattr(self, field) not in allowed:
                self._refuse(field, f"one of {', '.join(map(str, allowed))}")
        for field in RANGES:
            object.__setattr__(self, field, _checked(field, getattr(self, field)))
        if not self.learning_rates:
            self._refuse("learning_rates", f"one number or more, each {RANGES['learning_rates']}")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("A recipe has either `steps` or `epochs`.")
        if self.steps is not None:
            if not self.warmup_steps < self.steps:
                self._refuse("warmup_steps", f"at least 0 and below `steps` = {self.steps}")
            if self.head_steps > self.steps:
                self._refuse("head_steps", f"at most `steps` = {self.steps}")
        if self.batch_size % self.accumulation:
            self._refuse("accumulation", f"a divisor of `batch_size` = {self.batch_size}")
        for one, other, excluded in (
            ("remat", "dropout", "the masks would be drawn again in the backward pass"),
            ("augment", "class_weights", "keras-cv's augmentations carry no weights"),
        ):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"`{one}` and `{other}` exclude each other: {excluded}.")
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError('`weight_decay` goes with `optimizer="adamw"` alone.')

    def _refuse(self, field: str, wanted: str) -> None:
        raise ValueError(f"`{field}` must be {wanted}. Received: {getattr(self, field)!r}")

    def replace(self, **changes: Any) -> "Recipe":
        """The recipe with other values.

        `steps` takes the place of `epochs`, and the other way round. Unless it is given, the
        warm-up keeps its share of the steps; from epochs to steps, where that is not known, its
        steps.
        """
        changes |= {k: _checked(k, v) for k, v in changes.items() if k in RANGES}
        if changes.get("epochs") is not None:
            changes.setdefault("steps", None)
            if self.warmup_steps >= 1:
                warmup = self.warmup_steps / self.steps if self.steps else self.warmup_steps
                if self.epochs is not None:
                    # In steps too, and less than 1 would be a share.
                    warmup = max(1, round(warmup * changes["epochs"] / self.epochs))
                changes.setdefault("warmup_steps", warmup)
        elif changes.get("steps") is not None:
            changes.setdefault("epochs", None)
            if self.steps is not None and self.warmup_steps >= 1:
                changes.setdefault(
                    "warmup_steps", self.warmup_steps * changes["steps"] // self.steps
                )
        return dataclasses.replace(self, **changes)

    def for_images(self, images: int) -> "Recipe":
        """The recipe in whole steps: those that its `epochs` over so many images are."""
        steps, warmup = self.steps, self.warmup_steps
        if steps is None:
            assert self.epochs is not None
            steps = max(1, int(self.epochs * images / self.batch_size))
            if steps not in RANGES["steps"]:
                wanted = f"at most {RANGES['steps'].max:,} steps; with {images:,} images and"
                self._refuse("epochs", f"{wanted} `batch_size` = {self.batch_size} they are more")
        warmup = int(warmup * steps) if warmup < 1 else int(warmup)
        return dataclasses.replace(self, steps=steps, epochs=None, warmup_steps=warmup)

    @property
    def holds_out(self) -> bool:
        """Whether a tenth of the training images is what rounds are judged on."""
        return self.keep_best or self.early_stopping > 0

    def rounds(self) -> list[int]:
        """The optimiser steps after which the model is judged; the last one ends the run."""
        assert self.steps is not None
        length = math.ceil(self.steps / self.evaluations)
        ends = {*range(length, self.steps, length), self.steps}
        return sorted(ends | ({self.head_steps} - {0}))

    def rate(self, step: int) -> float:
        """The learning rate of an optimiser step, counted from 0; of the last one after the end."""
        assert self.steps is not None
        step = min(step, self.steps)
        if step < self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        share = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        down = 1 - share if self.decay == "linear" else 0.5 * (1 + math.cos(math.pi * share))
        return self.learning_rate * down


def _checked(field: str, value: Any) -> Any:
    """A field that is a number, or several."""
    if value is None and field in OPTIONAL:
        return None
    if field == "learning_rates":
        return tuple(RANGES[field].check(field, one) for one in value)
    return RANGES[field].check(field, value)
