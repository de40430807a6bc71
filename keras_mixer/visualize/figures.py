"""Figures of units and of what a prediction rests on."""

from typing import TYPE_CHECKING

import numpy as np

from keras_mixer.runs.figures import WIDTH, drawable
from keras_mixer.visualize.occlusion import Occlusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8  # Units in a row; even, so that a unit and its inverse stay side by side.
COLORS = "RdBu_r"


def units_figure(units: np.ndarray, title: str, limit: int = 64) -> "Figure":
    """Units as pictures, row by row: blue below zero, white at zero, red above.

    The colours of each unit reach as far as its own largest weight, so that weak units are seen.

    Args:
        units: weights `(units, rows, columns)`, as `token_mixing_units` gives them.
        title: what is shown.
        limit: how many to show, from the first.

    Raises:
        ValueError: there are no units, or `limit` is below one.
    """
    from matplotlib import colormaps

    cells = _scaled(units, limit)
    figure, axes = _page(cells, f"{title}\n{_count(units, limit)}")
    image = axes.imshow(
        _mosaic(cells, np.nan),
        cmap=colormaps[COLORS].with_extremes(bad="0.6"),
        vmin=-1,
        vmax=1,
        interpolation="nearest",
    )
    figure.colorbar(
        image,
        label="weight / largest magnitude in its unit",
        ticks=[-1, -0.5, 0, 0.5, 1],
        orientation="horizontal",
        shrink=0.6,
        aspect=30,
    )
    return figure


def stem_figure(patches: np.ndarray, limit: int = 64) -> "Figure":
    """Units of the stem as RGB patches: grey at zero, as bright or dark as its own largest weight.

    Args:
        patches: weights `(units, rows, columns, 3)`, as `stem_units` gives them.
        limit: how many to show, from the first.

    Raises:
        ValueError: there are no units, or `limit` is below one.
    """
    cells = 0.5 + 0.5 * _scaled(patches, limit)
    height, width = patches.shape[1:3]
    figure, axes = _page(
        cells,
        f"Stem: weights of each unit over a patch of {height}x{width} pixels\n"
        f"{_count(patches, limit)}; RGB, grey is 0, scaled by each unit's largest magnitude",
    )
    axes.imshow(_mosaic(cells, 1.0), interpolation="nearest")
    return figure


def occlusion_figure(found: Occlusion, label_names=None) -> "Figure":
    """The picture and, beside it, how far the probability falls with each window covered.

    Args:
        found: what `occlusion` gave.
        label_names: names of the classes, in order; without them the class has its number.
    """
    from matplotlib.figure import Figure

    name = f"class {found.label}"
    if label_names is not None:
        name = f'"{drawable(label_names, 30)[found.label]}"'
    height, width = found.image.shape[:2]
    tall = float(np.clip(2.5 * height / width + 1.5, 3, 12))
    figure = Figure(figsize=(WIDTH, tall), layout="compressed")
    title = f"What the probability of {name} ({found.probability:.1%}) rests on"
    figure.suptitle(title, size=11, parse_math=False)
    picture, drops = figure.subplots(1, 2, sharex=True, sharey=True)
    picture.imshow(found.image, extent=(0, width, height, 0), interpolation="nearest")
    # A window is drawn as a tile of one stride about its own centre.
    rows, columns = found.drops.shape
    top, left = ((w - s) / 2 for w, s in zip(found.window, found.stride, strict=True))
    bottom, right = top + rows * found.stride[0], left + columns * found.stride[1]
    most = float(np.abs(found.drops).max()) or 0.01
    image = drops.imshow(
        100 * found.drops,
        cmap=COLORS,
        vmin=-100 * most,
        vmax=100 * most,
        extent=(left, right, bottom, top),
        interpolation="nearest",
    )
    drops.set_facecolor("0.6")
    covered = f"its fall where {found.window[0]}x{found.window[1]} pixels are grey"
    for axes, title in ((picture, "the image as the model gets it"), (drops, covered)):
        axes.set_title(title, size=10)
        axes.set(xlim=(0, width), ylim=(height, 0), xlabel="pixels")
    picture.set_ylabel("pixels")
    figure.colorbar(image, ax=drops, label="fall (percentage points)")
    return figure


def _page(cells: np.ndarray, title: str):
    """A figure and its one pair of axes, as high as the cells need."""
    from matplotlib.figure import Figure

    _, height, width = cells.shape[:3]
    rows = -(-len(cells) // COLUMNS)
    tall = WIDTH * (rows * (height + 1) + 1) / (COLUMNS * (width + 1) + 1)
    figure = Figure(figsize=(WIDTH, tall + 1.4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, parse_math=False, size=10)
    axes.axis("off")
    return figure, axes


def _scaled(units: np.ndarray, limit: int) -> np.ndarray:
    """The first `limit` units, each divided by its largest magnitude: in [-1, 1]."""
    if limit < 1 or len(units) == 0:
        raise ValueError(
            f"There must be units to show. Received: {len(units)} of them and limit={limit}"
        )
    units = units[:limit]
    most = np.abs(units).max(axis=tuple(range(1, units.ndim)), keepdims=True)
    return units / np.where(most > 0, most, 1)


def _count(units: np.ndarray, limit: int) -> str:
    """How many of the units are shown."""
    many = len(units) > limit
    return f"the first {limit} of {len(units):,} units" if many else f"all {len(units)} units"


def _mosaic(cells: np.ndarray, gap: float) -> np.ndarray:
    """Cells `(n, rows, columns, ...)` row by row in one array, with lines of `gap` around each."""
    _, height, width, *rest = cells.shape
    rows = -(-len(cells) // COLUMNS)
    page = np.full((rows * (height + 1) + 1, COLUMNS * (width + 1) + 1, *rest), gap)
    for i, cell in enumerate(cells):
        top, left = i // COLUMNS * (height + 1) + 1, i % COLUMNS * (width + 1) + 1
        page[top : top + height, left : left + width] = cell
    return page
