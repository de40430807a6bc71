"""The closed form against the equations written out, and as the beginning of a run."""

import keras
import numpy as np
import pytest

from keras_mixer import data, finetune
from keras_mixer.training import Recipe
from keras_mixer.training.linear_probe import Regression


def test_regression_solves_the_normal_equations(rng):
    features = rng.normal(3, 2, (40, 7)) @ rng.normal(0, 1, (7, 7))
    labels = np.eye(3)[rng.integers(0, 3, 40)]
    regression = Regression(7, 3)
    for part in (slice(0, 16), slice(16, 32), slice(32, 40)):
        regression.add(features[part], labels[part])
    kernel, bias = regression.solve(l2=2.0, bias=10.0)

    white = (features - features.mean(0)) / (features.std(0) + 1e-5)
    design = np.hstack([white, np.full((40, 1), 10.0)])
    solution = np.linalg.lstsq(
        np.vstack([design, np.sqrt(2.0) * np.eye(8)]),
        np.vstack([2 * labels - 1, np.zeros((8, 3))]),
        rcond=None,
    )[0]
    np.testing.assert_allclose(features @ kernel + bias, design @ solution, rtol=1e-8, atol=1e-8)


def test_constant_features_are_no_trouble(rng):
    features = rng.normal(0, 1, (21, 50))
    features[:, 1:] = rng.uniform(0, 10, 49)  # The variance of some is rounded below zero.
    regression = Regression(50, 2)
    regression.add(features, np.eye(2)[np.arange(21) % 2])
    kernel, bias = regression.solve()
    assert np.isfinite(kernel).all()
    assert np.isfinite(bias).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_run_begins_better_than_chance(tiny, image_folder, policy):
    """One step at a rate of nearly nothing: what is judged is the regression's head."""
    pictures = data.load(image_folder)
    recipe = Recipe(
        "mine", "a test", weights=None, steps=1, warmup_steps=0, batch_size=8, learning_rate=1e-9
    )
    recipe = recipe.replace(precision=policy)
    _, zeros = finetune(tiny, pictures, recipe, verbose=0)
    _, probed = finetune(tiny, pictures, recipe.replace(linear_probe=True), verbose=0)
    assert zeros["val_loss"][0] == pytest.approx(np.log(2), rel=1e-3)
    assert probed["val_top_1"][0] == 1.0
    assert probed["val_loss"][0] < 0.67


def test_a_head_that_is_not_dense(image_folder):
    inputs = keras.Input((8, 12, 3))
    x = keras.layers.Conv2D(2, (8, 12))(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Flatten()(x)))
    recipe = Recipe("mine", "a test", steps=2, warmup_steps=0, batch_size=8, linear_probe=True)
    with pytest.raises(
        ValueError, match=r"needs a head that is a Dense layer; .* BatchNormalization"
    ):
        finetune(model, data.load(image_folder), recipe, verbose=0)
