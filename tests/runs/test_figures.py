"""The figures of a run, against scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from hostile_names import HOSTILE as HOSTILE_NAMES
from PIL import Image
from runs.judged import HISTORY, HOSTILE, ROW, judged
from sklearn.metrics import accuracy_score, confusion_matrix

from keras_mixer.data import Split
from keras_mixer.evaluation import predicted_classes
from keras_mixer.runs import figures, study_figures

pytestmark = pytest.mark.once


def shares(figure):
    """The values behind the confusion matrix that a figure shows."""
    return np.asarray(figure.axes[0].images[0].get_array())


@pytest.mark.parametrize("classes", [2, 10, 37])
def test_confusion_is_sklearns(rng, classes):
    split, probabilities = judged(rng, classes, 400)
    names = [f"class {i}" for i in range(classes)]
    guess = probabilities.argmax(axis=1)
    figure = figures.confusion(split.labels, guess, names)
    expected = confusion_matrix(split.labels, guess, normalize="true")
    np.testing.assert_allclose(shares(figure), expected, rtol=1e-12)
    axes = figure.axes[0]
    assert f"{accuracy_score(split.labels, guess):.2%} of 400 held-out" in axes.get_title()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == names
    counts = np.zeros((classes, classes), int)
    for text in axes.texts:
        column, row = text.get_position()
        counts[row, column] = int(text.get_text())
    matrix = confusion_matrix(split.labels, guess)
    np.testing.assert_array_equal(counts, matrix if classes <= 20 else 0)


@pytest.mark.parametrize("classes", [150, 1000])
def test_of_many_classes_the_worst_are_shown(rng, classes):
    split, probabilities = judged(rng, classes, 3000)
    guess = probabilities.argmax(axis=1)
    figure = figures.confusion(split.labels, guess, [f"class {i}" for i in range(classes)])
    axes = figure.axes[0]
    assert f"the 30 of {classes:,} classes with the most errors" in axes.get_title()
    shown = [int(label.get_text().split()[1]) for label in axes.get_yticklabels()]
    matrix = confusion_matrix(split.labels, guess, labels=np.arange(classes))
    errors = matrix.sum(axis=1) - matrix.diagonal()
    assert errors[shown].tolist() == sorted(errors, reverse=True)[:30]
    inside = matrix[np.ix_(shown, shown)]
    total = matrix[shown].sum(axis=1, keepdims=True)
    expected = np.hstack([inside, total - inside.sum(axis=1, keepdims=True)]) / total
    np.testing.assert_allclose(shares(figure), expected, rtol=1e-12)
    assert axes.get_xticklabels()[-1].get_text() == "(any other)"


def test_labels_of_a_hundred_classes_are_thinned(rng):
    labels = np.arange(100)
    figure = figures.confusion(labels, labels, [f"class {i}" for i in labels])
    texts = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert texts == [f"class {i}" for i in range(0, 100, 2)]


def test_curves_show_the_history():
    figure = figures.curves(HISTORY)
    loss, top_1, rate = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["Loss", "Top-1", "Learning rate"]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss (nats)", "right (%)", "learning rate"]
    assert rate.get_xlabel() == "optimiser steps"
    legend = [text.get_text() for text in loss.get_legend().get_texts()]
    assert legend == ["training (as optimised)", "held out"]
    np.testing.assert_array_equal(loss.lines[1].get_xdata(), [66, 132, 198])
    np.testing.assert_allclose(loss.lines[1].get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(top_1.lines[1].get_ydata(), [0, 50, 200 / 3])
    np.testing.assert_allclose(top_1.lines[0].get_ydata(), [55, 55, 55])


@pytest.mark.parametrize(
    ("history", "lines", "empty"),
    [
        ([ROW], [1, 1, 1], [0, 0, 0]),
        ([{"step": 1, "loss": float("nan"), "top_1": None}], [0, 0, 0], [1, 1, 1]),
        ([], [0, 0, 0], [1, 1, 1]),
    ],
)
def test_a_short_history(history, lines, empty):
    figure = figures.curves(history)
    assert [len(axes.lines) for axes in figure.axes] == lines
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [["no finite values recorded"] * n for n in empty]


def captions(figure):
    """The captions of right and of wrong predictions, and the headings of both."""
    parts = figure.subfigs
    lines = [[a.get_title().split("\n") for a in p.axes if a.images] for p in parts]
    return *lines, [part.get_suptitle() for part in parts]


def test_samples_are_marked_in_words_and_colour(rng):
    split, probabilities = judged(rng, 4, 100, skill=1.0)
    predicted = probabilities.argmax(axis=1)
    figure = figures.samples(split, predicted, probabilities, "abcd")
    right, wrong, headings = captions(figure)
    missed = np.flatnonzero(predicted != split.labels)
    surest = missed[np.argsort(-probabilities.max(axis=1)[missed])][:12]
    assert wrong == [
        [
            f"wrong, {probabilities[i].max():.1%}",
            f"true: {'abcd'[split.labels[i]]}",
            f"pred.: {'abcd'[predicted[i]]}",
        ]
        for i in surest
    ]
    assert len(right) == 12
    for first, true, guess in right:
        assert first.startswith("right, ")
        assert true.removeprefix("true: ") == guess.removeprefix("pred.: ")
    assert headings == [
        f"Right: 12 of {100 - len(missed)}, spread evenly over the images",
        f"Wrong: the 12 surest of {len(missed)}",
    ]
    shown = [axes for axes in figure.subfigs[1].axes if axes.images]
    for axes, i in zip(shown, surest, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), split.image(i))
    colours = [
        {axes.spines["left"].get_edgecolor() for axes in part.axes if axes.images}
        for part in figure.subfigs
    ]
    assert len(colours[0]) == len(colours[1]) == 1
    assert colours[0] != colours[1]


@pytest.mark.parametrize("skill", [99.0, -99.0])
def test_nothing_wrong_and_nothing_right(rng, skill):
    split, probabilities = judged(rng, 2, 5, skill)
    mark = "wrong" if skill > 0 else "right"
    predicted = predicted_classes(probabilities, split.labels)
    *lines, headings = captions(figures.samples(split, predicted, probabilities, "ab"))
    assert sorted(map(len, lines)) == [0, 5]
    assert f"There are no {mark} predictions." in headings


def test_only_the_pictures_shown_are_decoded(rng):
    class Counting(Split):
        seen = 0

        def __getitem__(self, index):
            self.seen += 1
            return super().__getitem__(index)

    split, probabilities = judged(rng, 2, 300, skill=0.0)
    split = Counting(split.pictures, split.labels, split.names)
    figures.samples(split, probabilities.argmax(axis=1), probabilities, "ab")
    assert split.seen == 24


def test_large_pictures_are_made_small(rng):
    split = Split([np.zeros((2000, 900, 3), "uint8")], np.array([0]), ["large"])
    figure = figures.samples(split, np.array([0]), np.array([[0.9, 0.1]]), "ab")
    assert max(figure.subfigs[0].axes[0].images[0].get_array().shape) == 300


def test_names_that_can_be_drawn():
    got = figures.drawable(HOSTILE, 20)
    assert got[4] == "#4 ������"
    assert got[5] == HOSTILE[5]
    assert got[6] == "#6 turned � around"
    assert got[7] == "WWWWWWWWWWWWW…WWWWWW"
    assert got[10] == "#10 "
    assert max(map(len, got)) == 20


@pytest.mark.parametrize(
    "name",
    [*HOSTILE_NAMES.values(), "$x^2$ and \\frac{", "日本", "n" * 10_000],
    ids=lambda n: ascii(n)[:20],
)
def test_names_in_titles_and_legends_of_studies(name, tmp_path):
    """Warnings are errors: of a glyph that is not there, of a formula that is none."""
    row = SimpleNamespace(
        model=name, history=[(1, 0.5), (2, 0.75)], top_1=0.75, training_seconds=2.0, inference=3.0
    )
    cost = study_figures.tradeoff([row, row], "training_seconds", f"{name}: top-1\n({name})")
    curves = {(name, "in order"): [(1, 0.5)], (name, "in disorder"): [(1, 0.25)]}
    for number, figure in enumerate((cost, study_figures.disorder(curves, name))):
        figures.save(figure, tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as image:
            assert max(image.size) < 10_000
