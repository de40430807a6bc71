"""Runs whose numbers are no longer finite: they stop, say where that began, and save none of it."""

import re

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, data, finetune
from keras_mixer.training import Recipe, keeper

RECIPE = Recipe("mine", "a test", steps=12, warmup_steps=2, batch_size=8, learning_rate=0.05)
RECIPE = RECIPE.replace(weights=None, clip_norm=None, flip=False)


@pytest.fixture
def two_colours(image_folder):
    return data.load(image_folder)


class Weights(keras.callbacks.Callback):
    """The weights before each part of a step, in float64; breaks them before one part."""

    def __init__(self, broken=None):
        super().__init__()
        self.broken, self.before = broken, []

    def on_train_batch_begin(self, batch, logs=None):
        weights = self.model.trainable_variables
        self.before.append([np.array(w.numpy(), "float64") for w in weights])
        if len(self.before) - 1 == self.broken:
            self.model.get_layer("stem").bias.assign(np.full(8, np.nan))


def gradient_norm(before, recipe, step):
    """Of a step (from 1), from the weights alone: SGD moves them by `rate * trace`."""
    at = [before[number * recipe.accumulation] for number in range(step - 2, step + 1)]
    rates = recipe.rate(step - 2), recipe.rate(step - 1)
    traces = [
        [(a - b) / rate for a, b in zip(old, new, strict=True)]
        for old, new, rate in zip(at, at[1:], rates, strict=False)
    ]
    gradient = [new - 0.9 * old for old, new in zip(*traces, strict=True)]
    return np.sqrt(sum((g**2).sum() for g in gradient))


def stopped(model, images, recipe, **options):
    """The message of a run that ends, and its numbers."""
    with pytest.raises(FloatingPointError) as caught:
        finetune(model, images, recipe, verbose=0, **options)
    text = str(caught.value)
    assert "\n" not in text
    numbers = re.search(
        r"(.*) in step (\d+): learning rate (\S+), gradient norm ([^\s,]+?)"
        r"(?:, (\S+) in the step before)?\. Lower --learning-rate, clip harder",
        text,
    )
    return text, numbers


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"accumulation": 2, "clip_norm": 1.0},
        {"precision": "mixed_bfloat16", "head_steps": 3},
    ],
    ids=lambda change: next(iter(change), "plain"),
)
def test_numbers_that_break_at_a_known_step(tiny, two_colours, tmp_path, change):
    recipe = RECIPE.replace(evaluations=3, **change)
    parts, step = recipe.accumulation, 6
    watch = Weights(broken=(step - 1) * parts + parts - 1)
    folder = tmp_path / "checkpoints"
    text, found = stopped(tiny, two_colours, recipe, checkpoints=folder, callbacks=[watch])
    assert found.groups()[:2] == ("The loss is nan", "6")
    assert float(found[3]) == pytest.approx(recipe.rate(step - 1), rel=1e-3)
    assert found[4] == "nan"
    # The next step is not begun, or on JAX the one after that; `watch` hears of it all the same.
    more = {1, parts + 1} if keras.backend.backend() == "jax" else {1}
    assert len(watch.before) - step * parts in more
    if not change:
        norm = gradient_norm(watch.before, recipe, step - 1)
        assert float(found[5]) == pytest.approx(norm, rel=1e-3)
    newest = max(folder.glob("*.safetensors"))
    assert text.endswith(f"The last good checkpoint stays: {newest}")
    assert newest.stem == "step-000000004"
    for name in folder.glob("*.safetensors"):
        from safetensors.numpy import load_file

        for array in load_file(name).values():
            assert array.dtype.kind != "f" or np.isfinite(array).all()


class Steep(keras.layers.Layer):
    """Adds the fourth power of a weight to the loss: a large rate throws it further each time."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(), initializer="ones", name="weight")

    def call(self, x):
        self.add_loss(self.weight**4)
        return x * self.weight


def plain(layer):
    inputs = keras.Input((8, 12, 3))
    x = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(x)), name="plain")
    rng = np.random.default_rng(0)
    for kernel in (model.layers[2].kernel, model.layers[-1].kernel):
        kernel.assign(rng.normal(0, 1, kernel.shape))
    return model


def test_a_run_that_diverges(two_colours, tmp_path):
    """Really, by its rate; the norm before is worked out from how far the weights moved."""
    recipe = RECIPE.replace(learning_rate=10.0, warmup_steps=0, evaluations=1)
    watch = Weights()
    text, found = stopped(
        plain(Steep()), two_colours, recipe, checkpoints=tmp_path / "c", callbacks=[watch]
    )
    step = int(found[2])
    assert 2 < step < 6
    assert not np.isfinite(float(found[4]))
    assert float(found[3]) == pytest.approx(recipe.rate(step - 1), rel=1e-3)
    norm = gradient_norm(watch.before, recipe, step - 1)
    assert float(found[5]) == pytest.approx(norm, rel=1e-3)
    assert text.endswith("None was saved before.")
    assert not (tmp_path / "c").exists()


class Root(keras.layers.Layer):
    """Adds the root of zero: a finite number, whose gradient is not."""

    def build(self, shape):
        self.zero = self.add_weight(shape=(shape[-1],), initializer="zeros", name="zero")

    def call(self, x):
        return x + keras.ops.sqrt(self.zero)


@pytest.mark.parametrize("evaluations", [1, 12], ids=["within a round", "at the end of one"])
def test_a_gradient_that_is_not_finite_under_a_loss_that_is(two_colours, tmp_path, evaluations):
    recipe = RECIPE.replace(evaluations=evaluations)
    _, found = stopped(plain(Root()), two_colours, recipe, checkpoints=tmp_path / "c")
    assert found.groups()[:2] == ("The gradient is not finite", "1")
    assert not np.isfinite(float(found[4]))
    assert found[5] is None
    assert not (tmp_path / "c").exists()


def test_held_out_images_that_give_no_number(tiny, two_colours, tmp_path):
    """What is not trained may break as well; here in the evaluation alone."""

    class Break(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            self.model.get_layer("stem").bias.assign(np.full(8, np.inf))

    model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)
    recipe = RECIPE.replace(evaluations=4)
    message = r"The held-out loss is nan after step 3: learning rate 0\.05\S*\. .*None was saved"
    with pytest.raises(FloatingPointError, match=message):
        finetune(
            *(model, two_colours, recipe),
            verbose=0,
            checkpoints=tmp_path / "c",
            callbacks=[Break()],
        )
    assert not (tmp_path / "c").exists()


def test_weights_that_are_not_finite_are_not_saved(tiny, two_colours, tmp_path, monkeypatch):
    """In the middle of a round, where the loss is still that of the steps before."""
    monkeypatch.setattr(keeper, "SAVE_EVERY", 0)
    folder = tmp_path / "checkpoints"
    recipe = RECIPE.replace(evaluations=1)
    with pytest.raises(FloatingPointError, match=r"holds numbers that are not finite after step 5"):
        finetune(
            *(tiny, two_colours, recipe),
            verbose=0,
            checkpoints=folder,
            callbacks=[Weights(broken=5)],
        )
    assert sorted(path.stem for path in folder.glob("*.json")) == [
        *("step-000000003", "step-000000004"),
    ]
