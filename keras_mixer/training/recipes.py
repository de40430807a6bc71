"""How to train: one row for each recipe."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything about a training run but the model and the data.

    Args:
        name: what a user types.
        source: where the numbers come from.
        model: key of `SPECS` that it is meant for.
        weights: name of the weights to start from, or `None` for random initial ones.
        optimizer: `"sgd"` with momentum 0.9, or `"adamw"`.
        learning_rate: at the end of the warm-up; cosine decay takes it to 0.
        batch_size: images in an optimiser step.
        steps: number of optimiser steps.
        warmup_steps: steps of linear growth from 0; part of `steps`.
        clip_norm: largest global norm of a gradient, or `None`.
        weight_decay: decoupled, multiplied by the learning rate; `"adamw"` only.
        label_smoothing: share of each label that is spread over all classes.
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

    Raises:
        ValueError: a number is out of its range.
    """

    name: str
    source: str
    model: str = "mixer_b16"
    weights: str | None = "imagenet21k"
    optimizer: str = "sgd"
    learning_rate: float = 0.03
    batch_size: int = 512
    steps: int = 500
    warmup_steps: int = 50
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    crop: str = "random_crop"
    flip: bool = True
    randaugment_layers: int = 2
    randaugment_magnitude: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    augment: str | None = None
    evaluation_crop: str = "resmall_crop"
    evaluations: int = 10

    def __post_init__(self) -> None:
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"`optimizer` must be sgd or adamw. Received: {self.optimizer!r}")
        for field in ("learning_rate", "batch_size", "steps"):
            if not getattr(self, field) > 0:
                raise ValueError(f"`{field}` must be positive. Received: {getattr(self, field)}")
        if not 0 <= self.warmup_steps < self.steps:
            raise ValueError(
                f"`warmup_steps` must be at least 0 and below `steps` = {self.steps}. "
                f"Received: {self.warmup_steps}"
            )

    def replace(self, **changes) -> "Recipe":
        """The recipe with other values; the warm-up keeps its share of the steps."""
        if "steps" in changes and "warmup_steps" not in changes:
            changes["warmup_steps"] = self.warmup_steps * changes["steps"] // self.steps
        return dataclasses.replace(self, **changes)

    @property
    def steps_per_round(self) -> int:
        """Steps between two evaluations: a divisor of `steps`, so that no round is cut short."""
        wanted = self.steps / self.evaluations
        divisors = [n for n in range(1, self.steps + 1) if self.steps % n == 0]
        return min(divisors, key=lambda n: (abs(n - wanted), n))


# Steps, batch, clipping, decay: section 3 of the paper (https://arxiv.org/abs/2105.01601), which
# follows the ViT paper (https://arxiv.org/abs/2010.11929, Table 4 and appendix B.1.1). Rate 0.03
# is the default of google-research/vision_transformer and one of the four the paper tries (0.003,
# 0.01, 0.03, 0.06). The warm-up is that repository's 500 steps for 10,000; for 500 steps no
# source gives one, and a tenth is taken.
_PAPER = "MLP-Mixer, section 3 and appendix C"
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("imagenet", _PAPER, steps=20_000, warmup_steps=500),
        Recipe("pets", _PAPER),
        Recipe("flowers102", _PAPER),
        Recipe("cifar10", _PAPER, steps=10_000, warmup_steps=500),
        Recipe("cifar100", _PAPER, steps=10_000, warmup_steps=500),
        Recipe(
            "vtab",
            f"{_PAPER}; the whole picture and no flips, for some tasks ask where things are",
            learning_rate=0.01,
            steps=2500,
            warmup_steps=250,
            crop="resize",
            flip=False,
            evaluation_crop="resize",
        ),
        Recipe("folder", f"{_PAPER}, as for the small data sets"),
        Recipe(
            "digits",
            "this package",
            model="mixer_ti4",
            weights=None,
            optimizer="adamw",
            learning_rate=4e-3,
            batch_size=64,
            steps=660,
            warmup_steps=44,
            clip_norm=1.0,
            weight_decay=0.1,
            label_smoothing=0.1,
            crop="affine",
            flip=False,
            evaluation_crop="resize",
        ),
    )
}


def default_recipe(data: str) -> str:
    """Name of the recipe for a data set or a path."""
    if data.startswith("vtab/"):
        return "vtab"
    return data if data in RECIPES else "folder"
