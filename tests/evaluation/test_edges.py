"""Scores at ties and edges, by hand; which few images are chosen."""

import math

import numpy as np
import pytest
from chance import even, independent

from keras_mixer import evaluation
from keras_mixer.data import ImageData, Split
from keras_mixer.evaluation import Calibration
from keras_mixer.evaluation.fewshot import _choose


def descending(classes):
    """Scores of one image whose k-th class has rank k + 1."""
    scores = 2.0 ** -np.arange(1, classes + 1)
    return scores / scores.sum()


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 6, 7, 20])
def test_ranks_one_by_one(classes):
    """The first is top-1, the first five are top-5, and up to five classes have none."""
    for order in (np.arange(classes), np.random.default_rng(classes).permutation(classes)):
        probabilities = np.empty(classes)
        probabilities[order] = descending(classes)
        for rank, label in enumerate(order, start=1):
            found = evaluation.score(probabilities[None], np.array([label]))
            assert found.top_1 == (rank == 1)
            assert found.top_5 == (None if classes <= 5 else rank <= 5)
            assert found.loss == pytest.approx(-math.log(probabilities[label]))
            assert found.predicted.tolist() == [order[0]]


@pytest.mark.parametrize("tied", [2, 3, 6])
@pytest.mark.parametrize("above", range(7))
def test_a_tie_counts_against_each_that_is_in_it(above, tied):
    """Of classes with higher scores and with the own one: all of them come before the own class."""
    scores = np.array([9.0] * above + [5.0] * tied + [1.0] * 3)
    labels = np.arange(above, above + tied)
    found = evaluation.score(np.tile(scores / scores.sum(), (tied, 1)), labels)
    assert found.top_1 == 0
    classes = len(scores)
    assert found.top_5 == (None if classes <= 5 else float(above + tied <= 5))
    assert not np.equal(found.predicted, labels).any()


@pytest.mark.parametrize("bins", [1, 2, 3, 7, 10, 15])
def test_a_bin_holds_its_upper_border_and_not_its_lower_one(bins):
    borders = [k / bins for k in range(bins + 1)]
    for k, border in enumerate(borders):
        around = np.array([np.nextafter(border, 0), border, np.nextafter(border, 1)])
        found = Calibration.of(around, np.ones(3, bool), bins).images
        expected = np.zeros(bins, int)
        for place in (k - 1, k - 1, k):  # Up to the border, and just above.
            expected[min(max(place, 0), bins - 1)] += 1
        np.testing.assert_array_equal(found, expected, f"{border}")


def data_of(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    names = [str(i) for i in range(len(labels))]
    split = Split([np.zeros((1, 1, 3), "uint8")] * len(labels), labels, names)
    return ImageData("x", split, split, tuple(map(str, range(len(counts)))))


def test_the_few_images_are_any_of_their_class_and_of_each_seed_other_ones():
    counts = (5, 8, 12)
    data, begins = data_of(counts), (0, 5, 13)
    chosen = np.array([np.stack(_choose(data, 3, seed)) for seed in range(240)])
    for number, (count, begin) in enumerate(zip(counts, begins, strict=True)):
        own = chosen[:, number] - begin
        for shot in range(3):
            assert even(np.bincount(own[:, shot], minlength=count))
            assert independent(own[:, shot], 0)
    # Classes are drawn apart: the first place in one says nothing of that in the other.
    pairs = np.zeros((5, 8), int)
    np.add.at(pairs, (chosen[:, 0, 0], chosen[:, 1, 0] - 5), 1)
    assert even(pairs)


def test_as_many_images_as_a_class_has_and_no_more():
    data = data_of((3, 4))
    assert sorted(_choose(data, 3, 0)[0].tolist()) == [0, 1, 2]
    with pytest.raises(ValueError, match="class 0 of x has 3 training images and 4 shots"):
        _choose(data, 4, 0)
