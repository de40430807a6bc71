"""Figures of studies: accuracy against cost and throughput, curves in disorder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_mixer.runs.figures import WIDTH, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "os^Dvx*P"
AXES = {
    "training_seconds": "training time (s)",
    "inference": "inference, best batch size (images/s)",
}


def tradeoff(rows: Sequence, quantity: str, title: str) -> "Figure":
    """Top-1 of each model against what it costs, as in the paper's Figures 2 and 3.

    Args:
        rows: `Compared`, one for each model; one without that quantity has no point.
        quantity: key of `AXES`. Against training time the way there is drawn too.
        title: what was measured.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    names = drawable([row.model for row in rows], 30)
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        style: dict[str, Any] = {"color": f"C{number % 10}"}
        if quantity == "training_seconds":
            way = [(seconds, 100 * top_1) for seconds, top_1 in row.history]
            axes.plot(*zip(*way, strict=True), "-", alpha=0.5, **style)
        cost = getattr(row, quantity)
        axes.plot(
            [] if cost is None else [cost],
            [] if cost is None else [100 * row.top_1],
            MARKERS[number % len(MARKERS)],
            ms=9,
            label=f"{name}: {100 * row.top_1:.2f} %" + (", out of memory" if cost is None else ""),
            **style,
        )
    costs = [cost for row in rows if (cost := getattr(row, quantity)) is not None] or [1.0]
    if max(costs) > 10 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_xlim(0, 1.08 * max(costs))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(title=title, xlabel=AXES[quantity], ylabel="top-1 (%)")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def disorder(curves: Mapping[tuple[str, str], Sequence], title: str) -> "Figure":
    """Held-out top-1 against steps, with the pixels in order and in disorder (Figure 4).

    Args:
        curves: points `(step, top-1)` by model and arm.
        title: what was measured.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    models = list(dict.fromkeys(model for model, _ in curves))
    figure = Figure(figsize=(WIDTH, 0.6 + 3.1 * len(models)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(models), sharex=True, sharey=True, squeeze=False)[:, 0]
    arms = list(dict.fromkeys(arm for _, arm in curves))
    for axes, model, name in zip(panels, models, drawable(models, 40), strict=True):
        for number, arm in enumerate(arms):
            points = [(step, 100 * top_1) for step, top_1 in curves[model, arm]]
            style = MARKERS[number] + ("-", "--", ":")[number % 3]
            axes.plot(*zip(*points, strict=True), style, ms=5, label=arm)
        axes.set(title=name, ylabel="held-out top-1 (%)")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    panels[-1].set_xlabel("optimiser steps")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
