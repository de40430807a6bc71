"""Pictures of what an evaluation found."""

from typing import TYPE_CHECKING

import numpy as np

from keras_mixer.evaluation.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.4  # Inches; narrow, so that text stays legible on a phone.


def reliability(calibration: Calibration) -> "Figure":
    """A reliability diagram: accuracy against confidence, and how many images each bin has.

    Args:
        calibration: of a model, such as `Accuracy.calibration`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH, 7.5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    filled = np.isfinite(calibration.confidence)
    left, right = 100 * calibration.edges[:-1][filled], 100 * calibration.edges[1:][filled]
    images = calibration.images[filled]
    bars = {"width": right - left, "align": "edge", "edgecolor": "white"}
    above.bar(left, 100 * calibration.accuracy[filled], color="#1f77b4", label="accuracy", **bars)
    above.plot([0, 100], [0, 100], "--", color="0.3", label="as often right as sure")
    means = 100 * calibration.confidence[filled], 100 * calibration.accuracy[filled]
    above.plot(
        *means, "o", color="#d95f02", ms=5, clip_on=False, label="mean confidence of the bin"
    )
    above.set(
        title=f"Reliability: ECE {calibration.error:.2%}, {calibration.images.sum():,} held-out "
        f"images in {len(calibration.images)} bins",
        ylabel="right (%)",
        xlim=(0, 100),
        ylim=(0, 102),
    )
    figure.legend(loc="outside lower center", ncols=3)
    below.bar(left, images, color="0.6", **bars)
    for centre, count in zip((left + right) / 2, images, strict=True):
        below.annotate(
            f"{count:,}", (centre, count), (0, 2), textcoords="offset points", ha="center", size=8
        )
    below.margins(y=0.2)
    below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    below.set(xlabel="confidence: probability of the predicted class (%)", ylabel="images")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure
