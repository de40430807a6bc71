import numpy as np
import pytest

from keras_mixer.data import mixing
from keras_mixer.data.mixing import Blend

pytestmark = pytest.mark.once


def test_mixup_by_hand():
    own, partner = np.full((2, 3, 3), 100.0, "float32"), np.zeros((2, 3, 3), "float32")
    blend = Blend(0.75)
    np.testing.assert_array_equal(blend.images(own, partner), np.full((2, 3, 3), 75.0))
    np.testing.assert_array_equal(blend.labels(np.eye(2)[0], np.eye(2)[1]), [0.75, 0.25])


def test_mixup_weights_are_beta_and_at_least_a_half(rng):
    weights = np.array([mixing.mixup(0.5, rng).weight for _ in range(4000)])
    assert weights.min() >= 0.5
    # Of Beta(a, a) the variance is 1 / (4 (2 a + 1)), and folding about 1/2 keeps it.
    assert abs(((weights - 0.5) ** 2).mean() - 1 / 8) < 0.006


def test_cutmix_label_is_the_area_that_is_left(rng):
    own, partner = np.zeros((20, 30, 1), "float32"), np.ones((20, 30, 1), "float32")
    sizes = []
    for _ in range(500):
        blend = mixing.cutmix(1.0, (20, 30), rng)
        replaced = blend.images(own, partner).mean()
        assert blend.labels(np.eye(2)[0], np.eye(2)[1])[1] == pytest.approx(replaced, abs=1e-6)
        sizes.append(replaced)
    assert not own.any()  # The input is left alone.
    assert min(sizes) < 0.01
    assert max(sizes) > 0.8


def test_cutmix_boxes_are_squares_of_the_picture_and_reach_every_corner(rng):
    touched = np.zeros((20, 30))
    for _ in range(2000):
        top, left, bottom, right = mixing.cutmix(1.0, (20, 30), rng).box
        assert 0 <= top <= bottom <= 20
        assert 0 <= left <= right <= 30
        touched[top:bottom, left:right] += 1
        if top > 0 and bottom < 20 and left > 0 and right < 30:
            assert (right - left) / 30 == pytest.approx((bottom - top) / 20, abs=2 / 20)
    assert touched.min() > 50


@pytest.mark.parametrize("draw", [(0.2, 0), (0, 1.0), (0.8, 1.0)])
def test_labels_keep_their_mass(draw, rng):
    labels = np.eye(5, dtype="float32")
    for _ in range(100):
        mixed = mixing.draw(*draw, (16, 16), rng).labels(labels, np.roll(labels, 1, axis=0))
        np.testing.assert_allclose(mixed.sum(1), 1, atol=1e-6)
        assert (mixed >= 0).all()


def test_draw_takes_each_kind_about_half_of_the_time_when_both_are_on(rng):
    kinds = [mixing.draw(0.2, 1.0, (16, 16), rng).box is None for _ in range(400)]
    assert 150 < sum(kinds) < 250
    assert mixing.draw(0, 0, (16, 16), rng) is None
