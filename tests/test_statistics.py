"""Means, deviations of samples and medians, wherever a figure is one, worked out by hand."""

import itertools
import math
import types

import numpy as np
import pytest

from keras_mixer import Mixer, data, evaluation, runs
from keras_mixer.data import ImageData, Split
from keras_mixer.evaluation.fewshot import FewShot
from keras_mixer.export import check
from keras_mixer.profiling import speed
from keras_mixer.runs.suites import SuiteResult, TaskResult
from keras_mixer.training import RECIPES, Trained

VALUES = [(0.2, 0.9, 0.4), (0.5, 0.75), (0.1, 0.2, 0.3, 0.9, 0.05)]


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values):
    """Of a sample: the sum of squares is divided by one less than there are values."""
    squares = math.fsum((value - mean(values)) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1))


def median(values):
    """The middle one, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def test_by_hand():
    assert deviation((1, 2, 6)) == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert (median((3, 1, 100)), median((4, 1, 100, 2))) == (2 + 1, 3)


@pytest.mark.parametrize("values", VALUES, ids=len)
def test_few_shot_over_seeds(values):
    found = FewShot({1: values, 5: (*values, 0.0)}, 9, 9)
    assert found.mean(1) == pytest.approx(mean(values))
    assert found.deviation(1) == pytest.approx(deviation(values))
    assert FewShot({1: values[:1]}, 9, 9).deviation(1) is None


@pytest.mark.parametrize("values", VALUES, ids=len)
def test_a_suite_over_seeds(values):
    """Of the means over the data sets, seed by seed; a group of its own has its own."""
    others, far = tuple(v / 2 + 0.1 for v in values), tuple(1 - v**2 for v in values)
    tasks = [("a", "x", values), ("b", "x", others), ("c", "y", far), ("d", "y", ())]
    found = SuiteResult("vtab", tuple(TaskResult(*task) for task in tasks))
    for group, members in (("x", (values, others)), ("y", (far,)), (None, (values, others, far))):
        seeds = [mean(column) for column in zip(*members, strict=True)]
        assert found.mean(group) == pytest.approx(mean(seeds))
        assert found.deviation(group) == pytest.approx(deviation(seeds))


def test_a_training_with_several_seeds(tmp_path, rng, tiny):
    """Models that name one class for everything, of which the test has three and seven images."""
    images = rng.integers(0, 256, (10, 8, 12, 3), dtype="uint8")
    pictures = data.from_arrays((images, np.arange(10) % 2), (images, np.array([1] * 7 + [0] * 3)))

    def train(recipe, data, seed, folder):
        model = Mixer(tiny, weights=None, classes=2)
        model.get_layer("head").bias.assign([0.0, 1.0] if seed == 5 else [1.0, 0.0])
        return Trained(model, {})

    first = evaluation.score(np.eye(2)[[0] * 10], np.array([0] + [1] * 9))
    recipe, seeds = RECIPES["folder"], (4, 5, 6)
    found = runs.trials.repeat(tmp_path, recipe, pictures, seeds, first, train, lambda line: None)
    assert found["top_1"] == pytest.approx({"4": 0.1, "5": 0.7, "6": 0.3})
    assert found["mean"] == pytest.approx(mean((0.1, 0.7, 0.3)))
    assert found["deviation"] == pytest.approx(deviation((0.1, 0.7, 0.3)))


class Clock:
    """A clock that calls move on, each by the next of its lengths."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def call(self, lengths):
        lengths = iter(lengths)

        def work():
            self.now += next(lengths)

        return work


@pytest.mark.parametrize("rounds", [1, 2, 5, 6])
def test_images_a_second_are_by_the_median_of_what_is_timed(rounds, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speed, "time", clock)
    monkeypatch.setattr(speed, "peak_growth", lambda call: call())
    lengths = (1.0, 30.0, 2.0, 4.0, 3.0, 90.0)[:rounds]
    task = types.SimpleNamespace(
        flops=7, call=lambda size: clock.call((500.0, 700.0, *lengths)), state_bytes=lambda: 0
    )
    (point,) = speed.sweep({"one": task}, (8,), rounds=rounds, say=lambda line: None)["one"].points
    assert point.seconds == lengths
    assert point.first_call == 500
    assert point.images_per_second == pytest.approx(8 / median(lengths))
    assert point.flops == pytest.approx(7 * 8 / median(lengths))


def test_an_exported_file_and_the_model_are_timed_by_medians_after_three_calls(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(check, "time", clock)
    lengths = [[*range(1, check.ROUNDS), 1000.0], [3.0, *range(100, 99 + check.ROUNDS)]]
    found = check._in_turn(*(clock.call((500.0, 0.0, 700.0, *each)) for each in lengths))
    assert found == pytest.approx([median(each) for each in lengths])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_sizes_of_a_data_set(count):
    """Smallest, median and largest; heights and widths are told apart."""
    heights, widths = (9, 1, 30, 5, 6, 2)[:count], (90, 80, 20, 40, 35, 70)[:count]
    images = [np.zeros((h, w, 3), "uint8") for h, w in zip(heights, widths, strict=True)]
    names = [str(i) for i in range(count)]
    some = Split(images, np.zeros(count, int), names)
    none = Split([], np.zeros(0, int), [])
    found = data.check(ImageData("x", some, none, ("a",)))
    for figures, sides in ((found.heights, heights), (found.widths, widths)):
        assert figures == (min(sides), int(median(sides)), max(sides))


def test_shares_and_means_of_an_evaluation():
    """Over images, not over classes, however unequal they are."""
    labels = np.array([0] * 8 + [1] * 2)
    scores = np.array([[0.9, 0.1]] * 6 + [[0.2, 0.8]] * 4)
    found = evaluation.score(scores, labels)
    assert found.top_1 == pytest.approx(0.8)
    assert found.per_class.tolist() == pytest.approx([0.75, 1.0])
    each = [0.9] * 6 + [0.2] * 2 + [0.8] * 2
    assert found.loss == pytest.approx(mean([-math.log(share) for share in each]))
    sure = [max(row) for row in scores.tolist()]
    right = [one.argmax() == label for one, label in zip(scores, labels, strict=True)]
    bins = [[0.9] * 6, [0.8] * 4]
    by_bin = [
        abs(sum(r for s, r in zip(sure, right, strict=True) if s == own[0]) - sum(own))
        for own in bins
    ]
    assert found.calibration.error == pytest.approx(sum(by_bin) / 10)
    assert list(itertools.chain(*bins)) == sure


def test_imbalance_is_the_largest_class_over_the_smallest():
    images = [np.zeros((2, 2, 3), "uint8")] * 8
    some = Split(images, np.array([0] * 6 + [1] * 2), [str(i) for i in range(8)])
    found = data.check(ImageData("x", some, Split([], np.zeros(0, int), []), ("a", "b")))
    assert found.imbalance == 3
