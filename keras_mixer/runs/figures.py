"""Figures of a finished run: curves, confusion matrix, examples of its predictions."""

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixer.data import Split
from keras_mixer.writing import in_one_step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.4  # Inches; narrow, so that text stays legible on a phone.
MANY_CLASSES = 100  # Beyond, only the worst ones are shown one by one.
MATRIX_CLASSES = 30
COUNTED_CLASSES = 20  # So many classes leave room for numbers in the cells.
EXAMPLES = 12
COLUMNS = 3
GREEN, RED = "#1a7f37", "#c62828"


def curves(history: list[dict]) -> "Figure":
    """Loss, top-1 and learning rate against optimiser steps.

    Args:
        history: one row for each round, with `step` and any of `loss`, `val_loss`, `top_1`,
            `val_top_1` and `learning_rate`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH, 8.5), layout="constrained")
    panels = figure.subplots(3, sharex=True)
    training, held_out = "training (as optimised)", "held out"
    for axes, title, unit, scale, lines in (
        (panels[0], "Loss", "loss (nats)", 1, {"loss": training, "val_loss": held_out}),
        (panels[1], "Top-1", "right (%)", 100, {"top_1": training, "val_top_1": held_out}),
        (panels[2], "Learning rate", "learning rate", 1, {"learning_rate": "learning rate"}),
    ):
        for (key, name), style in zip(lines.items(), ("o-", "s--"), strict=False):
            rows = [row for row in history if row.get(key) is not None]
            if any(np.isfinite(row[key]) for row in rows):
                steps = [row["step"] for row in rows]
                axes.plot(steps, [scale * row[key] for row in rows], style, ms=4, label=name)
        if not axes.lines:
            axes.text(0.5, 0.5, "no finite values recorded", ha="center", transform=axes.transAxes)
        elif len(lines) > 1:
            axes.legend()
        axes.set(title=title, ylabel=unit)
        axes.grid(alpha=0.3)
    panels[2].set_xlabel("optimiser steps")
    panels[2].set_xlim(left=0)
    panels[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def confusion(labels: np.ndarray, predicted: np.ndarray, label_names) -> "Figure":
    """How many pictures of each class were taken for which class.

    Args:
        labels: true class of each picture.
        predicted: class that the model gave it.
        label_names: names of the classes, in order. Of more than `MANY_CLASSES` the
            `MATRIX_CLASSES` with the most errors are shown, with a column for all others.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    classes = len(label_names)
    right = labels == predicted
    title = f"Confusion matrix: top-1 {right.mean():.2%} of {len(labels):,} held-out images"
    names = drawable(label_names, 24)
    shown = np.arange(classes)
    if classes > MANY_CLASSES:
        errors = np.bincount(labels[~right], minlength=classes)
        shown = np.argsort(-errors, kind="stable")[:MATRIX_CLASSES]
        names = [names[i] for i in shown]
        title += f"\nthe {len(shown)} of {classes:,} classes with the most errors"
    place = np.full(classes, len(shown))  # Row and column of a class; one past the end: no own.
    place[shown] = np.arange(len(shown))
    counts = np.zeros((len(shown) + 1, len(shown) + 1), int)
    np.add.at(counts, (place[labels], place[predicted]), 1)
    counts = counts[:-1] if classes > MANY_CLASSES else counts[:-1, :-1]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))

    side = float(np.clip(3 + 0.28 * len(shown), WIDTH, 11))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    # The square root lets one error in fifty be seen.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    figure.colorbar(image, label="share of the images of the true class", shrink=0.6)
    if len(shown) <= COUNTED_CLASSES:
        for i, j in np.argwhere(counts):
            color = "white" if shares[i, j] > 0.35 else "black"
            axes.text(j, i, counts[i, j], ha="center", va="center", size=8, color=color)
    step = -(-len(shown) // 50)
    columns = [*names, "(any other)"][: counts.shape[1]]
    text: dict[str, Any] = {"parse_math": False, "size": 8}
    axes.set_xticks(range(0, len(columns), step), columns[::step], rotation=90, **text)
    axes.set_yticks(range(0, len(names), step), names[::step], **text)
    axes.set(title=title, xlabel="predicted class", ylabel="true class")
    return figure


def samples(
    split: Split, predicted: np.ndarray, probabilities: np.ndarray, label_names
) -> "Figure":
    """Pictures with what they are and what the model took them for.

    Args:
        split: the pictures that were judged.
        predicted: class that the model gave each.
        probabilities: of each class for each picture.
        label_names: names of the classes, in order.
    """
    from matplotlib.figure import Figure

    surety = np.take_along_axis(probabilities, predicted[:, None], axis=1)[:, 0]
    names = drawable(label_names, 20)
    right = np.flatnonzero(predicted == split.labels)
    wrong = np.flatnonzero(predicted != split.labels)
    spread = np.linspace(0, max(0, len(right) - 1), min(EXAMPLES, len(right))).astype(int)
    surest = wrong[np.argsort(-surety[wrong], kind="stable")[:EXAMPLES]]
    groups = (
        (
            "right",
            GREEN,
            right[spread],
            f"Right: {len(spread)} of {len(right):,}, spread evenly over the images",
        ),
        ("wrong", RED, surest, f"Wrong: the {len(surest)} surest of {len(wrong):,}"),
    )
    rows = [-(-len(chosen) // COLUMNS) for _, _, chosen, _ in groups]
    heights = [0.5 + 2.0 * n for n in rows]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, height_ratios=heights)
    for part, n, (mark, color, chosen, title) in zip(parts, rows, groups, strict=True):
        part.suptitle(title if n else f"There are no {mark} predictions.")
        cells = list(part.subplots(n, COLUMNS, squeeze=False).flat) if n else []
        for axes in cells:
            axes.axis("off")
        for axes, i in zip(cells, chosen, strict=False):
            picture, label = split[i]
            picture.thumbnail((300, 300))
            axes.imshow(picture)
            axes.axis("on")
            axes.set_anchor("N")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color=color, linewidth=3)
            caption = f"{mark}, {surety[i]:.1%}\ntrue: {names[label]}\npred.: {names[predicted[i]]}"
            axes.set_title(caption, size=9, color=color, parse_math=False)
    return figure


def save(figure: "Figure", path: pathlib.Path) -> None:
    """Writes a figure as PNG; its titles and legends may have names in them from anywhere."""
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from matplotlib.legend import Legend

    texts = [text for part in figure.findobj(FigureBase) for text in part.texts]
    texts += [text for legend in figure.findobj(Legend) for text in legend.get_texts()]
    texts += [axes.title for axes in figure.findobj(Axes)]
    for text in texts:
        text.set_parse_math(False)  # A dollar sign begins no formula.
        lines = (_in_the_font(line[:200]) for line in text.get_text().split("\n"))
        text.set_text("\n".join(lines))
    with in_one_step(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, bbox_inches="tight")


def drawable(label_names, limit: int) -> list[str]:
    """Names of classes in at most `limit` characters that the font has.

    Matplotlib warns of each glyph that its font lacks and draws an empty box, and the bidirectional
    controls would turn the rest of a caption around. A name that loses characters is told apart by
    its number.
    """

    def draw(number: int, name: str) -> str:
        name = " ".join(name.split())
        text = _in_the_font(name)
        if text != name or not text:
            text = f"#{number} {text}"
        head = limit * 2 // 3
        return text if len(text) <= limit else f"{text[:head]}…{text[head + 1 - limit :]}"

    return [draw(number, name) for number, name in enumerate(label_names)]


def _in_the_font(text: str) -> str:
    """A line in which what cannot be drawn is a box."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(c if c.isprintable() and ord(c) in known else "\ufffd" for c in text)
