"""The expected calibration error against a case worked by hand and a loop over its definition."""

import numpy as np
import pytest

from keras_mixer import evaluation
from keras_mixer.evaluation import Calibration

pytestmark = pytest.mark.once


def test_a_case_worked_by_hand():
    """Of five bins: two images in (0.4, 0.6], four in (0.8, 1]."""
    confidence = np.array([0.5, 0.6, 0.9, 0.9, 1.0, 1.0])
    right = np.array([True, False, True, True, True, False])
    found = Calibration.of(confidence, right, bins=5)
    np.testing.assert_allclose(found.edges, [0, 0.2, 0.4, 0.6, 0.8, 1])
    assert found.images.tolist() == [0, 0, 2, 0, 4]
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 0.55, np.nan, 0.95])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 0.5, np.nan, 0.75])
    assert found.error == pytest.approx((2 * 0.05 + 4 * 0.2) / 6)


def test_a_bin_holds_its_upper_border():
    confidence = np.array([0.0, 0.2, 0.6, np.nextafter(0.6, 1), 1.0, 1.0000001])
    found = Calibration.of(confidence, np.ones(6, bool))
    assert {i: n for i, n in enumerate(found.images.tolist()) if n} == {
        0: 1,
        2: 1,
        8: 1,
        9: 1,
        14: 2,
    }


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_definition(rng, bins):
    probabilities = rng.dirichlet(np.full(6, 0.5), 400)
    labels = rng.integers(0, 6, 400)
    expected = 0.0
    for m in range(1, bins + 1):
        inside = [
            (max(row), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if (m - 1) / bins < max(row) <= m / bins
        ]
        if inside:
            sure, right = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            expected += len(inside) / 400 * abs(right - sure)
    found = Calibration.of(probabilities.max(1), probabilities.argmax(1) == labels, bins)
    assert found.error == pytest.approx(expected, rel=1e-12)
    assert found.images.sum() == 400
    if bins == 15:
        assert evaluation.score(probabilities, labels).calibration.error == found.error


def test_a_model_that_knows_what_it_does_not_know(rng):
    confidence = rng.uniform(0, 1, 200_000)
    right = rng.uniform(0, 1, 200_000) < confidence
    assert Calibration.of(confidence, right).error < 0.01
    assert Calibration.of(confidence, ~right).error > 0.4


@pytest.mark.parametrize(("images", "bins"), [(0, 15), (3, 0)])
def test_nothing_to_judge(images, bins):
    with pytest.raises(ValueError, match=f"Received: {images} images, {bins} bins"):
        Calibration.of(np.full(images, 0.5), np.ones(images, bool), bins)


def test_the_diagram_shows_the_bins(rng):
    confidence = rng.uniform(0.3, 1, 500)
    found = Calibration.of(confidence, rng.uniform(0, 1, 500) < confidence)
    figure = evaluation.reliability(found)
    above, below = figure.axes
    filled = found.images > 0
    assert not filled.all()
    heights = [bar.get_height() for bar in above.patches]
    np.testing.assert_allclose(heights, 100 * found.accuracy[filled])
    np.testing.assert_allclose(
        [bar.get_x() for bar in above.patches], 100 * found.edges[:-1][filled]
    )
    np.testing.assert_allclose(above.lines[1].get_xdata(), 100 * found.confidence[filled])
    counts = found.images[filled].tolist()
    assert [bar.get_height() for bar in below.patches] == counts
    assert [text.get_text() for text in below.texts] == [str(count) for count in counts]
    title = f"Reliability: ECE {found.error:.2%}, 500 held-out images in 15 bins"
    assert above.get_title() == title
    assert (above.get_ylabel(), below.get_ylabel()) == ("right (%)", "images")
    assert below.get_xlabel() == "confidence: probability of the predicted class (%)"


def test_a_diagram_of_what_is_not_a_number(tmp_path):
    found = Calibration.of(np.array([np.nan, 0.4]), np.array([False, True]))
    assert np.isnan(found.error)
    evaluation.reliability(found).savefig(tmp_path / "nan.png")
