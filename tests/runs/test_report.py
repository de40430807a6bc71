"""The page of a run, against scikit-learn and an HTML parser."""

import base64
import html.parser
import io
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image
from runs.judged import HISTORY, HOSTILE, ROW, judged
from sklearn.metrics import confusion_matrix, recall_score

from keras_mixer.data import Split
from keras_mixer.printable import printable
from keras_mixer.runs.report import write_report

pytestmark = pytest.mark.once


def config(**more):
    metrics = {"top_1": 0.875, "top_5": None, "loss": 0.5, "test_images": 8}
    return {"data": "digits", "model": "mixer_ti4", "metrics": metrics} | more


class Page(html.parser.HTMLParser):
    """Tags, attributes and the tables' rows of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.rows, self.open = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag == "tr":
            self.rows.append([])
        self.open = tag in ("td", "th")
        if self.open:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.open &= tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def page(run):
    return Page((run / "report.html").read_text(encoding="utf-8"))


def report(run, split, probabilities, names, history=HISTORY, **more):
    write_report(run, config(**more), history, split, probabilities, names)
    return page(run)


def class_rows(page):
    """The rows of the table of classes."""
    start = page.rows.index(["#", "class", "images", "right", "top-1"]) + 1
    rows = []
    for row in page.rows[start:]:
        if len(row) != 5:
            break
        rows.append(row)
    return rows


@pytest.mark.parametrize("classes", [2, 10, 37])
def test_numbers_are_sklearns(tmp_path, rng, classes):
    split, probabilities = judged(rng, classes, 400)
    names = [f"class {i}" for i in range(classes)]
    guess = probabilities.argmax(axis=1)
    recall = recall_score(split.labels, guess, average=None)
    matrix = confusion_matrix(split.labels, guess)
    assert class_rows(report(tmp_path, split, probabilities, names)) == [
        [str(i), names[i], str(matrix[i].sum()), str(matrix[i, i]), f"{recall[i]:.2%}"]
        for i in range(classes)
    ]


@pytest.mark.parametrize("classes", [150, 1000])
def test_of_many_classes_the_worst_are_shown(tmp_path, rng, classes):
    split, probabilities = judged(rng, classes, 3000)
    rows = class_rows(report(tmp_path, split, probabilities, [str(i) for i in range(classes)]))
    guess = probabilities.argmax(axis=1)
    present = np.unique(split.labels)
    recall = recall_score(split.labels, guess, labels=present, average=None)
    assert [row[4] for row in rows] == [f"{share:.2%}" for share in sorted(recall)[:50]]
    share = dict(zip(present, recall, strict=True))
    assert all(row[4] == f"{share[int(row[1])]:.2%}" for row in rows)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"The 50 of {classes:,} classes with the lowest top-1." in text


def test_a_class_without_images(tmp_path):
    split = Split([np.zeros((2, 2), "uint8")] * 2, np.array([0, 0]), ["a", "b"])
    rows = class_rows(report(tmp_path, split, np.array([[0.9, 0.1], [0.2, 0.8]]), ["x", "y"]))
    assert rows == [["0", "x", "2", "1", "50.00%"], ["1", "y", "0", "0", "\u2013"]]


def test_hostile_names_stay_text(tmp_path, rng):
    split, probabilities = judged(rng, len(HOSTILE), 200, skill=1.0)
    more = {"<b>key": "</td><script>", "list": [{"<i>": "<u>"}], "<h4>": {"a": {"b": [1, "<s>"]}}}
    more["data"] = "</title><script>"
    got = report(tmp_path, split, probabilities, HOSTILE, **more)
    names = [row[1] for row in class_rows(got)]
    assert names == [printable(name) for name in HOSTILE]
    assert set(got.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div"),
        *("figure", "img", "table", "tr", "th", "td"),
    }
    assert ["<b>key", "</td><script>"] in got.rows
    assert ["<i>"] in got.rows
    assert ["<u>"] in got.rows
    assert ["b", "1, <s>"] in got.rows


def test_the_page_needs_nothing_else(tmp_path, rng):
    split, probabilities = judged(rng, 3, 30)
    got = report(tmp_path, split, probabilities, "abc")
    pictures = [value for tag, name, value in got.attributes if name == "src"]
    assert len(pictures) == 3
    for name, source in zip(("curves", "confusion", "samples"), pictures, strict=True):
        start, _, data = source.partition(",")
        assert start == "data:image/png;base64"
        content = base64.b64decode(data)
        assert content == (tmp_path / f"{name}.png").read_bytes()
        assert min(Image.open(io.BytesIO(content)).size) > 400
    names = {name for _, name, _ in got.attributes}
    assert names == {"lang", "charset", "name", "content", "style", "alt", "src", "class", "scope"}
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for outside in ("http", "url(", "@import", "<script", "<link"):
        assert outside not in text
    assert all(len(value) > 20 for _, name, value in got.attributes if name == "alt")
    assert {p.name for p in tmp_path.iterdir()} == {
        *("curves.png", "confusion.png", "samples.png", "report.html")
    }


def test_metrics_and_configuration_are_tables(tmp_path, rng):
    split, probabilities = judged(rng, 3, 30)
    got = report(
        tmp_path,
        split,
        probabilities,
        "abc",
        seed=3,
        recipe={"learning_rate": 3e-5, "clip_norm": None, "steps": 20_000, "flip": False},
        sweep=[{"learning_rate": 0.01, "top_1": 0.9}, {"learning_rate": 0.03, "top_1": 0.95}],
        seeds={"top_1": [0.5, 0.75]},
    )
    assert got.rows[:4] == [
        ["top-1", "87.50%"],
        ["top-5", "\u2013"],
        ["loss (cross-entropy, nats)", "0.5"],
        ["held-out images", "8"],
    ]
    for row in (
        ["data", "digits"],
        ["seed", "3"],
        ["learning_rate", "3e-05"],
        ["steps", "20000"],
        ["flip", "False"],
        ["learning_rate", "top_1"],
        ["0.03", "95.00%"],
        ["top_1", "50.00%, 75.00%"],
    ):
        assert row in got.rows


@pytest.mark.parametrize("history", [[ROW], [{"step": 1, "loss": float("nan")}], []])
@pytest.mark.parametrize("skill", [99.0, -99.0])
def test_a_short_history_and_nothing_wrong_or_right(tmp_path, rng, history, skill):
    split, probabilities = judged(rng, 2, 5, skill)
    assert report(tmp_path, split, probabilities, "ab", history).tags.count("img") == 3


def test_matplotlib_stays_as_it_was(tmp_path, rng, monkeypatch):
    """Pyplot, which keeps every figure and opens windows, is not used; no setting changes."""
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)

    def settings():
        return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != "backend"}

    before = settings()
    split, probabilities = judged(rng, 2, 10)
    report(tmp_path, split, probabilities, ["$\\bad$", "$_$"])
    assert "matplotlib.pyplot" not in sys.modules
    assert settings() == before


def test_a_reader_sees_whole_files(tmp_path, rng, monkeypatch):
    """When the disk is full, the files of before are still whole."""
    split, probabilities = judged(rng, 2, 10)
    report(tmp_path, split, probabilities, "ab")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(figure, path, **_):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(OSError, match="No space left"):
        report(tmp_path, split, probabilities, "ba")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
