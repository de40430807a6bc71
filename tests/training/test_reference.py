"""Training follows a reference in JAX and Optax, float64: `optax_reference.py`.

And single steps follow the formulas, worked in NumPy; and a batch in parts is the whole batch.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from training import fixed

from keras_mixer import Mixer
from keras_mixer.training.losses import make_loss
from keras_mixer.training.optimizers import AdamW, make_optimizer
from keras_mixer.training.recipe import Recipe

HERE = pathlib.Path(__file__).parent
GOLDEN = json.loads((HERE / "golden_training.json").read_text(encoding="utf-8"))
NO_OPTAX = importlib.util.find_spec("optax") is None


@pytest.mark.skipif(keras.backend.backend() != "jax" or NO_OPTAX, reason="needs JAX and Optax")
def test_the_golden_numbers_are_the_references(tmp_path):
    again = tmp_path / "again.json"
    subprocess.run([sys.executable, HERE / "optax_reference.py", again], check=True)
    again = json.loads(again.read_text(encoding="utf-8"))
    assert again.keys() == GOLDEN.keys() == {"origin", *fixed.CASES}
    for case in fixed.CASES:
        assert again[case]["clipped"] == GOLDEN[case]["clipped"]
        assert again[case]["losses"] == pytest.approx(GOLDEN[case]["losses"], rel=1e-9)
        assert again[case]["norms"] == pytest.approx(GOLDEN[case]["norms"], rel=1e-9)


class Batches(keras.utils.PyDataset):
    """The fixed batches, each cut into parts."""

    def __init__(self, parts=1, steps=fixed.STEPS):
        super().__init__(workers=1)
        self.batches = [
            part
            for x, y in fixed.batches(steps)
            for part in zip(np.split(x, parts), np.split(y, parts), strict=True)
        ]

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return self.batches[i]


def recipe_of(case, **changes):
    return Recipe("reference", "a test", **{**fixed.CASES[case]["recipe"], **changes})


def train(spec, case, recipe):
    """The loss of every call of the model, as `fit` reports it, and the model."""
    model = Mixer(spec, weights=None, classes=fixed.CLASSES, classifier_activation=None)
    weights = fixed.weights(head_bias=fixed.CASES[case]["head_bias"])
    assert weights.keys() == {v.path for v in model.trainable_variables}
    for variable in model.trainable_variables:
        variable.assign(weights[variable.path])
    model.compile(make_optimizer(recipe, model.trainable_variables), make_loss(recipe))
    batches = Batches(recipe.accumulation, recipe.steps)
    # An epoch of one batch each: within an epoch Keras reports running means.
    history = model.fit(batches, epochs=len(batches), steps_per_epoch=1, shuffle=False, verbose=0)
    return history.history["loss"], model


def dead(path):
    """Whether a parameter does nothing: this bias moves all channels of a token alike.

    Every normalisation takes that away again. Its gradient is rounding errors, and Adam makes steps
    of them.
    """
    return path.endswith("token_mixing/dense_1/bias")


@pytest.mark.parametrize("case", fixed.CASES)
def test_fifty_steps_follow_the_reference(tiny, case):
    losses, model = train(tiny, case, recipe_of(case))
    assert len(losses) == fixed.STEPS
    np.testing.assert_allclose(losses, GOLDEN[case]["losses"], rtol=1e-4)
    expected = GOLDEN[case]["norms"]
    norms = {v.path: float(np.linalg.norm(v.numpy())) for v in model.trainable_variables}
    assert norms.keys() == expected.keys()
    for path, norm in norms.items():
        if dead(path):
            assert expected[path] == 0
            assert norm < (1e-6 if case.startswith("finetune") else 1e-2)
        else:
            assert norm == pytest.approx(expected[path], rel=1e-4), path


START = {
    "kernel": np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]]),
    "bias": np.array([1.0, -2.0]),
    "gamma": np.array([1.0, 1.5]),
}
# Norms 3.3 and 0.4: above and below 1. Adam makes the most of 1e-7, but for its epsilon.
GRADIENTS = (
    {
        "kernel": np.array([[1.0, -2.0], [0.5, 1e-7], [0.25, 1.5]]),
        "bias": np.array([-1.0, 0.5]),
        "gamma": np.array([1.0, -1.0]),
    },
    {
        "kernel": np.array([[0.1, 0.2], [-0.2, 1e-7], [0.1, 0.0]]),
        "bias": np.array([0.1, 0.1]),
        "gamma": np.array([-0.2, 0.1]),
    },
)


def by_hand(recipe):
    """`START` after a step for each of `GRADIENTS`; no warm-up, linear decay."""
    values = {name: value.copy() for name, value in START.items()}
    first = {name: np.zeros_like(value) for name, value in START.items()}
    second = {name: np.zeros_like(value) for name, value in START.items()}
    for t, gradients in enumerate(GRADIENTS):
        rate = recipe.learning_rate * (1 - t / recipe.steps)
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        scale = 1 if recipe.clip_norm is None else min(1, recipe.clip_norm / norm)
        for name, gradient in gradients.items():
            g = gradient * scale
            if recipe.optimizer == "sgd":
                first[name] = g + 0.9 * first[name]
                values[name] -= rate * first[name]
                continue
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            m, v = first[name] / (1 - 0.9 ** (t + 1)), second[name] / (1 - 0.999 ** (t + 1))
            decay = recipe.weight_decay * values[name] if name == "kernel" else 0
            values[name] -= rate * (m / (np.sqrt(v) + 1e-8) + decay)
    return values


def variables_of(arrays):
    return [keras.Variable(array.astype("float32"), name=name) for name, array in arrays.items()]


def apply(optimizer, gradients, variables):
    optimizer.apply(
        [keras.ops.convert_to_tensor(g.astype("float32")) for g in gradients], variables
    )


ROWS = [("sgd", 0.0), ("adamw", 0.0), ("adamw", 0.1)]


@pytest.mark.parametrize("clip_norm", [None, 1.0, 100.0])
@pytest.mark.parametrize(("optimizer", "weight_decay"), ROWS)
def test_two_steps_by_hand(optimizer, weight_decay, clip_norm):
    recipe = Recipe(
        *("mine", "a test"),
        optimizer=optimizer,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        learning_rate=0.1,
        steps=10,
        warmup_steps=0,
        decay="linear",
    )
    variables = variables_of(START)
    rule = make_optimizer(recipe, variables)
    for gradients in GRADIENTS:
        apply(rule, gradients.values(), variables)
    for variable, (name, expected) in zip(variables, by_hand(recipe).items(), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-5, err_msg=name)


def test_amsgrad_keeps_the_largest_second_moment():
    """Reddi et al. 2018, https://openreview.net/forum?id=ryQu7f-RZ, algorithm 2, by hand."""
    (variable,) = variables = variables_of({"kernel": np.array([[1.0, -1.0]])})
    optimizer = AdamW(0.1, weight_decay=0.0, epsilon=1e-8, amsgrad=True)
    value, m, v, largest = np.array([[1.0, -1.0]]), 0, 0, 0
    for t, gradient in enumerate(np.array([[[1.0, -3.0]], [[1e-3, 1e-3]], [[0.1, 0.2]]]), 1):
        apply(optimizer, [gradient], variables)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        largest = np.maximum(largest, v)
        step = m / (1 - 0.9**t) / (np.sqrt(largest / (1 - 0.999**t)) + 1e-8)
        value = value - 0.1 * step
    np.testing.assert_allclose(variable.numpy(), value, atol=1e-5)


def test_gradients_in_another_order_of_memory():
    """PyTorch hands some over transposed, where the gradients are asked for by themselves."""
    results = []
    for flip in (False, True):
        variables = variables_of({"kernel": np.arange(6.0).reshape(2, 3)})
        gradient = keras.ops.convert_to_tensor(np.arange(6, dtype="float32").reshape(2, 3))
        if flip:
            flipped = np.ascontiguousarray(keras.ops.convert_to_numpy(gradient).T)
            gradient = keras.ops.transpose(keras.ops.convert_to_tensor(flipped))
        AdamW(0.1).apply([gradient], variables)
        results.append(variables[0].numpy())
    np.testing.assert_array_equal(*results)


def test_nothing_that_decays():
    """A group of variables without any weight decay, as when the biases alone are trained."""
    (bias,) = variables = variables_of({"bias": np.array([1.0])})
    recipe = Recipe("mine", "a test", optimizer="adamw", weight_decay=0.1, steps=2, warmup_steps=0)
    apply(make_optimizer(recipe, variables), [np.array([0.0])], variables)
    np.testing.assert_array_equal(bias.numpy(), [1.0])


def test_the_cases_by_hand_differ():
    """Else the test above could not tell clipping and decay from their absence."""

    def after(**changes):
        recipe = Recipe("mine", "a test", learning_rate=0.1, steps=10, warmup_steps=0, **changes)
        return by_hand(recipe)

    def moved(one, other):
        return {name for name in START if abs(one[name] - other[name]).max() > 1e-3}

    assert moved(after(), after(clip_norm=None)) == set(START)
    adam = {"optimizer": "adamw"}
    assert moved(after(**adam), after(**adam, clip_norm=None)) == set(START)
    assert moved(after(**adam), after(**adam, weight_decay=0.1)) == {"kernel"}


def regression(recipe, ema, parts):
    """Linear regression by `recipe`: variables, their averages and the clipped steps."""
    random = np.random.default_rng(0)
    variables = variables_of({"kernel": np.full((3, 2), 0.1), "bias": np.zeros(2)})
    rule = make_optimizer(recipe, variables)
    averages, clipped = None, 0
    for _ in range(recipe.steps):
        x = random.normal(size=(8, 3))
        y = x @ [[1.0, 0.0], [-1.0, 2.0], [0.5, 0.5]] + 0.5
        kernel, bias = (v.numpy().astype("float64") for v in variables)
        whole = []
        for part in np.split(np.arange(8), parts):
            error = 2 * (x[part] @ kernel + bias - y[part]) / len(part)
            gradients = x[part].T @ error, error.sum(0)
            whole.append(np.concatenate([g.ravel() for g in gradients]))
            apply(rule, gradients, variables)
        clipped += np.linalg.norm(np.mean(whole, axis=0)) > recipe.clip_norm
        values = [v.numpy().astype("float64") for v in variables]
        averages = [
            new if averages is None else ema * old + (1 - ema) * new
            for old, new in zip(averages or values, values, strict=True)
        ]
    moving = [v.numpy() for v in rule._model_variables_moving_average]
    for actual, expected in zip(moving, averages, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    return [v.numpy() for v in variables] + moving, clipped


@pytest.mark.parametrize(("optimizer", "weight_decay"), ROWS)
def test_a_batch_in_four_parts_is_the_whole_batch(optimizer, weight_decay):
    recipe = Recipe(
        *("mine", "a test"),
        optimizer=optimizer,
        weight_decay=weight_decay,
        learning_rate=0.2,
        batch_size=8,
        steps=12,
        warmup_steps=3,
        clip_norm=4.0,
        ema=0.9,
    )
    whole, clipped = regression(recipe, 0.9, parts=1)
    assert 2 <= clipped <= 10
    parts, _ = regression(recipe.replace(accumulation=4), 0.9, parts=4)
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("case", ["finetune_hot", "pretrain_hot"])
def test_fit_in_four_parts_is_fit_on_whole_batches(tiny, case, ema):
    # So small that most gradients are clipped.
    recipe = recipe_of(case, steps=12, warmup_steps=3, ema=ema, clip_norm=0.3)
    losses, whole = train(tiny, case, recipe)
    losses_of_parts, parts = train(tiny, case, recipe.replace(accumulation=4))
    means = np.reshape(losses_of_parts, (12, 4)).mean(1)
    np.testing.assert_allclose(means, losses, rtol=1e-5)
    for one, other in zip(parts.trainable_variables, whole.trainable_variables, strict=True):
        if not dead(one.path):
            np.testing.assert_allclose(
                one.numpy(), other.numpy(), rtol=1e-5, atol=1e-5, err_msg=one.path
            )
