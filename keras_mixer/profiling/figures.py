"""The figure of a benchmark."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_mixer.profiling.profiles import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.4  # Inches: 640 pixels at 100 to the inch.
MARKERS = "os^Dvx*P"


def throughput(profiles: Sequence[Profile], device: str) -> "Figure":
    """Images a second against the batch size, of inference and of training.

    Args:
        profiles: of `benchmark`. A colour and a marker for each model; bfloat16 is dashed.
        device: what they were measured on, for the title.

    Raises:
        ValueError: there are no profiles.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, NullLocator

    if not profiles:
        raise ValueError("There is nothing to draw. Pass the profiles of `benchmark`.")
    phases = ["inference", *["training"] * any(profile.training for profile in profiles)]
    names = list(dict.fromkeys(profile.model for profile in profiles))
    figure = Figure(figsize=(WIDTH, 0.8 + 3.2 * len(phases)), layout="constrained")
    figure.suptitle(f"Images a second by batch size\n{device}")
    panels = figure.subplots(len(phases), squeeze=False)[:, 0]
    for axes, phase in zip(panels, phases, strict=True):
        sizes: set[int] = set()
        for profile in profiles:
            sweep = getattr(profile, phase)
            points = sweep.points if sweep else ()
            place = names.index(profile.model)
            sizes |= {point.batch_size for point in points}
            axes.plot(
                [point.batch_size for point in points],
                [point.images_per_second for point in points],
                MARKERS[place % len(MARKERS)] + ("-" if profile.dtype == "float32" else "--"),
                color=f"C{place % 10}",
                label=f"{profile.model} {profile.dtype}",
            )
        axes.set(title=phase, xlabel="batch size (images)", ylabel="images/s")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(sizes), [str(size) for size in sorted(sizes)])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
