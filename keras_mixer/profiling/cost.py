"""What the paper's pre-training runs would take on the device that was measured."""

import dataclasses

from keras_mixer.training import RECIPES

# Images in an epoch, and classes: section 3 of the paper (https://arxiv.org/abs/2105.01601), which
# rounds those of ImageNet-21k and JFT-300M; ImageNet's 1.3 million are 1,281,167 (ILSVRC2012), and
# ImageNet-21k's 21 thousand classes are 21,843 (google-research/vision_transformer).
IMAGES = {"imagenet": 1_281_167, "imagenet21k": 14_000_000, "jft300m": 300_000_000}
CLASSES = {"imagenet": 1000, "imagenet21k": 21_843, "jft300m": 18_000}
DAY = 86_400  # Seconds.


@dataclasses.dataclass(frozen=True)
class PretrainingCost:
    """An estimate for one row of Table 4 of the paper.

    Args:
        recipe: key of `RECIPES`.
        images: that the run sees, in millions: epochs times images of the data set.
        device_days: images by the measured rate of training.
        tpuv3_core_days: what the paper took, its Table 3.
    """

    recipe: str
    images: float
    device_days: float
    tpuv3_core_days: float


def pretraining_costs(model: str, images_per_second: float) -> tuple[PretrainingCost, ...]:
    """Estimates the paper's pre-training runs of an architecture from a measured rate of training.

    The rate is taken as kept from beginning to end. What the measurement leaves out, the estimate
    does: reading and changing images, the larger head of ImageNet-21k and JFT-300M, evaluations.

    Args:
        model: key of `SPECS`; one that the paper does not pre-train has no runs.
        images_per_second: images a second of training on one device, at 224 pixels.

    Raises:
        ValueError: the rate is not positive.
    """
    if not images_per_second > 0:
        raise ValueError(f"`images_per_second` must be positive. Received: {images_per_second!r}")
    costs = []
    for recipe in RECIPES.values():
        if recipe.name.startswith("pretrain_") and recipe.model == model:
            assert recipe.epochs is not None
            assert recipe.data is not None
            seen = recipe.epochs * IMAGES[recipe.data]
            days = seen / images_per_second / DAY
            published = float(recipe.cost.removesuffix(" core-days of TPUv3"))
            costs.append(PretrainingCost(recipe.name, seen / 1e6, days, published))
    return tuple(costs)
