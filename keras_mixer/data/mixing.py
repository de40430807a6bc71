"""Blends of each image of a batch with another one: mixup and CutMix.

One blend is drawn for a batch; each image meets the one before it, the first one the last. What an
image gives up of its area or weight, its label gives up too, so each label still sums to one.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Blend:
    """What becomes of an image and its partner.

    Args:
        weight: share of the image's own label, in [0, 1].
        box: (top, left, bottom, right) of what the partner covers, in pixels; `None` where the
            two are averaged instead.
    """

    weight: float
    box: tuple[int, int, int, int] | None = None

    def images(self, own: np.ndarray, partner: np.ndarray) -> np.ndarray:
        """`own` blended with `partner`, both float `(height, width, 3)`."""
        if self.box is None:
            return self.weight * own + np.float32(1 - self.weight) * partner
        top, left, bottom, right = self.box
        blended = own.copy()
        blended[top:bottom, left:right] = partner[top:bottom, left:right]
        return blended

    def labels(self, own: np.ndarray, partner: np.ndarray) -> np.ndarray:
        """Labels of `images`."""
        return np.float32(self.weight) * own + np.float32(1 - self.weight) * partner


def mixup(alpha: float, rng: np.random.Generator) -> Blend:
    """An average, own weight from Beta(alpha, alpha), never below a half.

    Zhang et al. 2017 (https://arxiv.org/abs/1710.09412), with the paper's strength p as `alpha`
    (Table 4). The larger weight is the image's own, as in google-research/big_vision.
    """
    weight = rng.beta(alpha, alpha)
    return Blend(float(max(weight, 1 - weight)))


def cutmix(alpha: float, size: tuple[int, int], rng: np.random.Generator) -> Blend:
    """The partner's pixels in a box, own area about Beta(alpha, alpha).

    Yun et al. 2019 (https://arxiv.org/abs/1905.04899). The box's centre is uniform over the image
    of `size` (height, width); where it reaches over the border it is cut off, and the label's
    weight is the area that is left.
    """
    weight = rng.beta(alpha, alpha)
    side = np.sqrt(1 - weight)
    spans = []
    for length in size:
        centre, half = rng.uniform(0, length), side * length / 2
        spans.append((max(0, round(centre - half)), min(length, round(centre + half))))
    (top, bottom), (left, right) = spans
    share = (bottom - top) * (right - left) / (size[0] * size[1])
    return Blend(1 - share, (top, left, bottom, right))


def draw(
    mixup_alpha: float, cutmix_alpha: float, size: tuple[int, int], rng: np.random.Generator
) -> Blend | None:
    """The blend of one batch; with both strengths above zero, a coin decides which."""
    if mixup_alpha and (not cutmix_alpha or rng.random() < 0.5):
        return mixup(mixup_alpha, rng)
    return cutmix(cutmix_alpha, size, rng) if cutmix_alpha else None
