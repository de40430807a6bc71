"""Whether a model is as often right as it is sure."""

import dataclasses

import numpy as np

BINS = 15  # As in the experiments of https://arxiv.org/abs/1706.04599.


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The expected calibration error (ECE), and the reliability diagram that it sums up.

    After Guo et al. 2017 (https://arxiv.org/abs/1706.04599).

    Args:
        error: ECE, in [0, 1]; NaN where a confidence is not a number.
        edges: borders of the bins of the confidence, from 0 to 1, `(bins + 1,)`.
        images: how many images each bin has, `(bins,)`.
        confidence: mean confidence in each bin, NaN for a bin without images, `(bins,)`.
        accuracy: share of the images of each bin that is right, likewise.
    """

    error: float
    edges: np.ndarray
    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @classmethod
    def of(cls, confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> "Calibration":
        """The mean over all images of |accuracy - mean confidence| in the bin of each.

        Bins have equal widths; each holds its upper border, and the first one 0 as well.

        Args:
            confidence: probability of the predicted class of each image, `(n,)`.
            right: whether that class is the image's own, `(n,)`.
            bins: how many bins.

        Raises:
            ValueError: no images, or less than one bin.
        """
        if len(confidence) == 0 or bins < 1:
            raise ValueError(
                "Calibration takes at least one image and one bin. Received: "
                f"{len(confidence)} images, {bins} bins"
            )
        edges = np.arange(bins + 1) / bins
        place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
        images = np.bincount(place, minlength=bins)
        sure, hits = (np.bincount(place, values, minlength=bins) for values in (confidence, right))
        means = (
            np.divide(total, images, out=np.full(bins, np.nan), where=images > 0)
            for total in (sure, hits)
        )
        return cls(float(np.abs(hits - sure).sum() / len(confidence)), edges, images, *means)
