"""Losses, metrics, adapters and averages beside formulas worked out in NumPy float64."""

import keras
import numpy as np
import pytest
import reference

from keras_mixer import Mixer
from keras_mixer.training import Recipe, adapt
from keras_mixer.training.losses import SigmoidCrossentropy, Top1, make_loss
from keras_mixer.training.optimizers import make_optimizer
from keras_mixer.training.schedules import WarmUp

CLASSES = 5
RECIPE = Recipe("mine", "a test", weights=None, steps=10, warmup_steps=0)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def shares_and_logits(rng, n=6):
    """Labels of one class and of two, and logits."""
    shares = np.eye(CLASSES)[rng.integers(0, CLASSES, n)]
    shares[1::2] = 0.7 * shares[1::2] + 0.3 * np.roll(shares[1::2], 2, axis=1)
    return shares, rng.normal(0, 2, (n, CLASSES))


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_losses(kind, smoothing, from_logits, rng):
    """Smoothing spreads a share of each label evenly over all classes: it still sums to one."""
    shares, logits = shares_and_logits(rng)
    smooth = shares * (1 - smoothing) + smoothing * np.full(CLASSES, 1 / CLASSES)
    np.testing.assert_allclose(smooth.sum(axis=1), 1)
    if kind == "softmax":
        given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected = -(smooth * np.log(given)).sum(axis=1).mean()
    else:
        given = 1 / (1 + np.exp(-logits))
        each = -(smooth * np.log(given) + (1 - smooth) * np.log(1 - given))
        expected = each.sum(axis=1).mean()
    loss = make_loss(RECIPE.replace(loss=kind, label_smoothing=smoothing), from_logits)
    scores = (logits if from_logits else given).astype("float32")
    assert float(loss(shares.astype("float32"), scores)) == pytest.approx(expected, rel=1e-5)


def test_the_sigmoid_loss_by_itself(rng):
    shares, logits = shares_and_logits(rng)
    given = 1 / (1 + np.exp(-logits))
    expected = -(shares * np.log(given) + (1 - shares) * np.log(1 - given)).sum(axis=1).mean()
    found = SigmoidCrossentropy()(shares.astype("float32"), logits.astype("float32"))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_top_1_counts_images_and_no_rows_that_fill_a_batch(rng):
    """The labels of these are zeros; the highest score of zeros is that of the first class."""
    metric, right, images = Top1(), 0, 0
    for size, filling in ((4, 0), (3, 5), (1, 7)):
        shares, scores = shares_and_logits(rng, size)
        right += (shares.argmax(axis=1) == scores.argmax(axis=1)).sum()
        images += size
        more = np.tile(np.eye(CLASSES)[:1], (filling, 1))
        metric.update_state(
            np.concatenate([shares, 0 * more]).astype("float32"),
            np.concatenate([scores, 9 * more]).astype("float32"),
        )
    assert 0 < right < images
    assert float(metric.result()) == pytest.approx(right / images)


@pytest.mark.parametrize("filling", [1, 2, 3])
def test_evaluate_of_keras_counts_no_filling_either(filling, rng):
    """As the rounds of a training on several devices do it, with weights for the loss."""
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Identity()])
    model.compile(loss=make_loss(RECIPE), weighted_metrics=[], metrics=[Top1(name="top_1")])
    shares, scores = shares_and_logits(rng, 6)
    zeros = np.zeros((filling, CLASSES))
    rows = 6 + filling
    found = model.evaluate(
        np.concatenate([scores, zeros]).astype("float32"),
        np.concatenate([shares, zeros]).astype("float32"),
        sample_weight=np.array([rows / 6] * 6 + [0] * filling, "float32"),
        batch_size=rows,
        return_dict=True,
        verbose=0,
    )
    assert found["top_1"] == pytest.approx(np.mean(scores.argmax(1) == shares.argmax(1)))
    log_shares = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert found["loss"] == pytest.approx(-(shares * log_shares).sum(axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adapters_add_their_product_and_no_multiple_of_it(rank, tiny, randomize, rng):
    """Each kernel W becomes W + A B, whatever the rank, as adapters and merged."""
    model = randomize(Mixer(tiny, weights=None, classes=3, classifier_activation=None))
    weights = reference.weights_of(model)
    adapt.add_lora(model, rank)
    layers = adapt._mlp_layers(model)
    assert len(layers) == 4 * tiny.num_layers
    for dense in layers:
        a, b = (rng.normal(0, 0.5, v.shape) for v in (dense.lora_kernel_a, dense.lora_kernel_b))
        assert a.shape[1] == b.shape[0] == rank
        dense.lora_kernel_a.assign(a)
        dense.lora_kernel_b.assign(b)
        weights[dense._kernel.path] = weights[dense._kernel.path] + a @ b
    images = rng.uniform(-1, 1, (3, 8, 12, 3))
    expected = reference.mixer_logits(images, weights, (4, 4))
    for one in (model, adapt.merge_lora(model)):
        found = one.predict(images.astype("float32"), verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decay", ["cosine", "linear"])
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (2, 1), (7, 3), (8, 7), (5, 0)])
def test_the_rate_of_every_step_of_short_runs(steps, warmup, decay):
    """From nothing, in equal steps to the peak, then down to nothing, and it stays there."""
    up = [k / warmup for k in range(warmup)]
    way = np.arange(steps - warmup + 1) / (steps - warmup)
    down = (1 - way) if decay == "linear" else (1 + np.cos(np.pi * way)) / 2
    expected = 0.3 * np.array([*up, *down, 0, 0])
    recipe = RECIPE.replace(steps=steps, warmup_steps=warmup, decay=decay, learning_rate=0.3)
    for accumulation in (1, 3):
        schedule = WarmUp(0.3, steps, warmup, decay, accumulation)
        for part in {0, accumulation - 1}:
            found = [float(schedule(accumulation * k + part)) for k in range(steps + 3)]
            np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose([recipe.rate(k) for k in range(steps + 3)], expected, atol=1e-12)
    for first in range(steps):
        assert float(WarmUp(0.3, steps, warmup, decay, 2, first)(0)) == pytest.approx(
            expected[first], abs=1e-7
        )


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_averages_begin_at_the_weights_of_the_first_step(optimizer):
    """Neither at zero nor at the weights before it; from then on the old ones keep their share."""
    recipe = RECIPE.replace(optimizer=optimizer, learning_rate=0.1, ema=0.8)
    variable = keras.Variable(np.array([[1.0, -2.0]], "float32"), name="kernel")
    rule = make_optimizer(recipe, [variable])
    rng, average = np.random.default_rng(0), None
    for _ in range(4):
        gradient = rng.normal(size=(1, 2)).astype("float32")
        rule.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        now = numbers(variable).astype("float64")
        average = now if average is None else 0.8 * average + 0.2 * now
        found = numbers(rule._model_variables_moving_average[0])
        np.testing.assert_allclose(found, average, rtol=1e-5)


BOUNDS = {
    "label_smoothing": ([0, 0.999], [-0.001, 1]),
    "dropout": ([0, 0.999], [-0.001, 1]),
    "stochastic_depth": ([0, 0.999], [-0.001, 1]),
    "warmup_steps": ([0, 9], [-1, 10]),
    "head_steps": ([0, 10], [-1, 11]),
    "layer_decay": ([0.001, 1], [0, 1.001]),
    "ema": ([0.001, 0.999, None], [0, 1]),
    "accumulation": ([1, 2, 512], [0, 3, 1024]),
    "batch_size": ([1], [0]),
    "mixup": ([0], [-0.001]),
    "cutmix": ([0], [-0.001]),
    "clip_norm": ([0.001, None], [0]),
    "evaluations": ([1], [0]),
    "early_stopping": ([0], [-1]),
    "lora_rank": ([0], [-1]),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_numbers_at_the_bounds_of_a_recipe(field):
    allowed, refused = BOUNDS[field]
    for value in allowed:
        assert getattr(RECIPE.replace(**{field: value}), field) == value
    for value in refused:
        with pytest.raises(ValueError, match=f"`{field}` must be"):
            RECIPE.replace(**{field: value})
