"""The page of a finished run: one file with its numbers, pictures and configuration."""

import base64
import html
import pathlib

import numpy as np

from keras_mixer.data import Split
from keras_mixer.evaluation import predicted_classes
from keras_mixer.printable import printable
from keras_mixer.runs import figures
from keras_mixer.writing import write_text

WORST_CLASSES = 50
SHOWN = 1000  # Characters of a text; `run.json` has all of it.
METRICS = {
    "top_1": "top-1",
    "top_5": "top-5",
    "loss": "loss (cross-entropy, nats)",
    "test_images": "held-out images",
    "training_seconds": "training time (s)",
}
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: break-word }
figure { margin: 1rem 0; overflow-x: auto }
img { width: 100%; background: white }
table { border-collapse: collapse; margin-bottom: 1rem }
th, td { border-bottom: 1px solid #8886; padding: .2rem .6rem .2rem 0; text-align: left;
  vertical-align: top }
td { overflow-wrap: anywhere }
.classes :is(th, td):not(:nth-child(2)) { text-align: right; white-space: nowrap }
.classes td:nth-child(2) { min-width: 7rem }
"""


def write_report(
    run: pathlib.Path,
    config: dict,
    history: list[dict],
    split: Split,
    probabilities: np.ndarray,
    label_names,
) -> None:
    """Writes `curves.png`, `confusion.png`, `samples.png` and `report.html` into a run directory.

    Args:
        run: the directory.
        config: the contents of `run.json`.
        history: one row for each round of training, as `figures.curves` takes them.
        split: the held-out pictures.
        probabilities: of each class for each of them, `(n, classes)`.
        label_names: names of the classes, in order.
    """
    predicted = predicted_classes(probabilities, split.labels)
    right = int((predicted == split.labels).sum())
    curves = _picture(
        run / "curves.png",
        "Loss, top-1 and learning rate against optimiser steps.",
        figures.curves(history),
    )
    confusion = _picture(
        run / "confusion.png",
        f"Confusion matrix: {right:,} of {len(split):,} held-out images are right.",
        figures.confusion(split.labels, predicted, label_names),
    )
    samples = _picture(
        run / "samples.png",
        "Held-out images with true class, predicted class and its probability.",
        figures.samples(split, predicted, probabilities, label_names),
    )
    title = _text(f"{config['model']} on {config['data']}")
    metrics = {METRICS.get(key, key): _html(v, key) for key, v in config["metrics"].items()}
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{_table([(_text(name), value) for name, value in metrics.items()])}
<h2>Training</h2>
{curves}
<p>Both losses are the recipe's, with its label smoothing. The training curves are means over each
round, on images changed and mixed by the recipe; the held-out ones are judged after the round, on
images as they are.</p>
<h2>Held-out images</h2>
{confusion}
{samples}
<h2>Classes</h2>
{_classes(split.labels, predicted, label_names)}
<h2>Configuration</h2>
{_configuration(config)}
</body>
</html>
"""
    write_text(run / "report.html", page)


def _picture(path: pathlib.Path, alt: str, figure) -> str:
    """Writes a figure to a file; returns it as HTML that holds the picture itself."""
    figures.save(figure, path)
    data = base64.b64encode(path.read_bytes()).decode()
    inches = figure.get_figwidth()  # A wide figure is scrolled on a phone, not shrunk.
    style = f"min-width: {3.4 * inches:.1f}rem; max-width: {6.9 * inches:.1f}rem"
    return f'<figure><img style="{style}" alt="{alt}" src="data:image/png;base64,{data}"></figure>'


def _classes(labels: np.ndarray, predicted: np.ndarray, label_names) -> str:
    """The table of the classes; of many, the worst."""
    classes = len(label_names)
    images = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[labels == predicted], minlength=classes)
    top_1 = np.divide(right, images, out=np.full(classes, np.nan), where=images > 0)
    shown, note = np.arange(classes), ""
    if classes > figures.MANY_CLASSES:
        shown = np.lexsort((-images, top_1))[:WORST_CLASSES]  # NaN comes last.
        note = f"<p>The {len(shown)} of {classes:,} classes with the lowest top-1.</p>\n"
    rows = [
        (
            str(i),
            _text(label_names[i]),
            str(images[i]),
            str(right[i]),
            _html(float(top_1[i]), "top_1") if images[i] else "&ndash;",
        )
        for i in shown
    ]
    head = ("#", "class", "images", "right", "top-1")
    return f'{note}<div class="classes">{_table(rows, head)}</div>'


def _configuration(config: dict) -> str:
    """The plain values in one table, then a heading and a table for each of the others."""
    nested = {
        key: value
        for key, value in config.items()
        if key != "metrics" and (isinstance(value, dict) or _is_table(value))
    }
    plain = {k: v for k, v in config.items() if k != "metrics" and k not in nested}
    parts = [f"<h3>{_text(key)}</h3>\n{_html(value)}" for key, value in nested.items()]
    return "\n".join([_html(plain), *parts])


def _is_table(value) -> bool:
    """Whether it is a list of rows."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _html(value, key: str = "") -> str:
    """Any value of a configuration as HTML; `key` is what it stands under."""
    if isinstance(value, dict):
        return _table([(_text(k), _html(v, str(k))) for k, v in value.items()])
    if _is_table(value):
        keys = list(dict.fromkeys(key for row in value for key in row))
        rows = [[_html(row.get(key), key) for key in keys] for row in value]
        return _table(rows, [_text(key) for key in keys])
    if isinstance(value, list | tuple):
        return ", ".join(_html(v, key) for v in value)
    if value is None or value == "":
        return "&ndash;"
    if isinstance(value, float):
        return f"{value:.2%}" if key.endswith(("top_1", "top_5")) else f"{value:.6g}"
    return _text(value)


def _text(value: object) -> str:
    """A name, or another text, as HTML that shows it and nothing else."""
    return html.escape(printable(value, SHOWN))


def _table(rows, head=()) -> str:
    """A table of cells that are HTML already; without a head, the first column names the rows."""
    lines = ["<table>"]
    if head:
        lines.append("<tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr>")
    for first, *others in rows:
        first = f"<td>{first}</td>" if head else f'<th scope="row">{first}</th>'
        lines.append(f"<tr>{first}" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>")
    return "\n".join([*lines, "</table>"])
