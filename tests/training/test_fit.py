"""`model.fit` on each kind of data, and fine-tuning by a recipe."""

import dataclasses
import json
import shutil
import signal

import keras
import numpy as np
import pytest
from sklearn.utils import class_weight

from keras_mixer import Mixer, data, finetune, pretrain
from keras_mixer.training import Interrupted, Recipe, keeper, signals, training_batches
from keras_mixer.training.batches import balanced_weights


class Pictures(keras.utils.PyDataset):
    """Two classes told apart by brightness."""

    def __init__(self):
        super().__init__(workers=1)
        self.labels = np.arange(16) % 2
        noise = np.random.default_rng(0).normal(0, 0.1, (16, 8, 12, 3))
        self.images = (noise + self.labels[:, None, None, None] - 0.5).astype("float32")

    def __len__(self):
        return 2

    def __getitem__(self, i):
        part = slice(8 * i, 8 * i + 8)
        return self.images[part], self.labels[part]


def arrays():
    pictures = Pictures()
    return {"x": pictures.images, "y": pictures.labels, "batch_size": 8}


def tensorflow_dataset():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this environment has no TensorFlow; tests/cross covers the others")
    import tensorflow as tf

    pictures = Pictures()
    return {"x": tf.data.Dataset.from_tensor_slices((pictures.images, pictures.labels)).batch(8)}


@pytest.mark.parametrize("make", [arrays, tensorflow_dataset, lambda: {"x": Pictures()}])
@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fit(make, eager, policy, tiny):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = Mixer(tiny, weights=None, classes=2, dropout=0.1, stochastic_depth=0.1, seed=0)
    model.compile(
        keras.optimizers.Adam(1e-2),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=eager,
    )
    history = model.fit(**make(), epochs=6, verbose=0, shuffle=False).history
    assert history["loss"][0] > 0.3
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    pictures = Pictures()
    assert model.evaluate(pictures.images, pictures.labels, verbose=0)[1] == 1.0


@pytest.fixture
def two_colours(image_folder):
    return data.load(image_folder)


RECIPE = Recipe("mine", "a test", steps=12, warmup_steps=2, batch_size=8, learning_rate=0.05)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_finetune_learns_from_logits_and_from_probabilities(tiny, two_colours, activation):
    keras.utils.set_random_seed(0)
    model = Mixer(tiny, weights=None, classes=2, classifier_activation=activation)
    trained, history = finetune(model, two_colours, RECIPE, verbose=0)
    assert trained is model
    assert history["step"] == RECIPE.rounds()
    assert history["round"] == [*range(1, len(RECIPE.rounds()) + 1)]
    assert history["val_top_1"][-1] == 1.0
    assert history["learning_rate"] == pytest.approx([RECIPE.rate(s - 1) for s in history["step"]])
    assert int(model.optimizer.iterations) == RECIPE.steps


def test_a_model_by_name(two_colours):
    recipe = RECIPE.replace(steps=2, weights=None)
    model, _ = finetune("mixer_ti4", two_colours, recipe, image_size=(16, 24), verbose=0)
    assert model.input_shape == (None, 16, 24, 3)
    assert model.output_shape == (None, 2)
    with pytest.raises(ValueError, match=r"Unknown model 'mixer_q4'. Choose one of: mixer_s32"):
        finetune("mixer_q4", two_colours, recipe)


def test_pretraining_never_asks_for_weights(tiny, two_colours):
    recipe = RECIPE.replace(steps=2, weights="imagenet21k", loss="sigmoid", head_bias=-3.0)
    model, history = pretrain(tiny, two_colours, recipe, seed=5, verbose=0)
    assert model.load_report is None
    # Sigmoid, summed over two classes, from logits of -3 exactly: the head's kernel begins at zero.
    first = np.log1p(np.exp(3.0)) + np.log1p(np.exp(-3.0))
    assert history["loss"][0] == pytest.approx(first, rel=1e-3)


def weights_of(trained):
    return np.concatenate([w.ravel() for w in trained.model.get_weights()])


RANDOM = RECIPE.replace(dropout=0.1, stochastic_depth=0.1, mixup=0.2, ema=0.9, accumulation=2)
RANDOM = RANDOM.replace(weights=None)


def test_the_same_seed_gives_the_same_weights(tiny, two_colours):
    first, again, other = (
        weights_of(finetune(tiny, two_colours, RANDOM, seed=seed, verbose=0)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


class Stop(keras.callbacks.Callback):
    """Fails before the step that a run has come to after so many calls."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def on_train_batch_begin(self, batch, logs=None):
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("stopped")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"keep_best": True, "early_stopping": 5},
        {"head_steps": 4},
        {"lora_rank": 2, "layer_decay": 0.5, "optimizer": "adamw", "weight_decay": 0.1},
        {"linear_probe": True},
        {"precision": "mixed_bfloat16"},
    ],
    ids=lambda change: next(iter(change), "plain"),
)
def test_a_run_goes_on_from_any_step(tiny, two_colours, tmp_path, change, monkeypatch):
    """Saved before each step, stopped in the middle, at a round's end, after the head's steps."""
    folder = tmp_path / "checkpoints"
    monkeypatch.setattr(keeper, "SAVE_EVERY", 0)
    recipe = RANDOM.replace(evaluations=3, **change)
    whole = finetune(tiny, two_colours, recipe, verbose=0)
    for calls in (3, 5, 2, 6, 1):  # Parts of steps; 24 in all.
        with pytest.raises(RuntimeError, match="stopped"):
            finetune(
                *(tiny, two_colours, recipe),
                verbose=0,
                checkpoints=folder,
                callbacks=[Stop(calls)],
            )
    pieces = finetune(tiny, two_colours, recipe, verbose=0, checkpoints=folder)
    np.testing.assert_array_equal(weights_of(pieces), weights_of(whole))
    assert pieces.history == whole.history
    # One that has ended is not trained again.
    again = finetune(tiny, two_colours, recipe, verbose=0, checkpoints=folder, callbacks=[Stop(0)])
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))
    assert again.history == whole.history


def test_a_run_of_another_configuration_does_not_go_on(tiny, two_colours, tmp_path):
    folder = tmp_path / "checkpoints"

    def train(recipe, **options):
        finetune(tiny, two_colours, recipe, verbose=0, checkpoints=folder, **options)

    train(RANDOM)
    with pytest.raises(ValueError, match=r"recipe.learning_rate was 0.05 and is now 0.1"):
        train(RANDOM.replace(learning_rate=0.1))
    with pytest.raises(ValueError, match=r"seed was 0 and is now 1"):
        train(RANDOM, seed=1)
    with pytest.raises(ValueError, match=r"input_shape\S* was .*; "):
        train(RANDOM.replace(ema=None), image_size=(16, 24))
    with pytest.raises(ValueError, match=r"validation was '4 images, \w+' and is now '16 images"):
        train(RANDOM, validation=two_colours.train)
    train(dataclasses.replace(RANDOM, source="elsewhere"))


def test_what_chooses_is_not_the_test_split(tiny, two_colours, tmp_path):
    folder = tmp_path / "checkpoints"

    def judged_on(recipe):
        finetune(tiny, two_colours, recipe, verbose=0, checkpoints=folder)
        manifest = json.loads(max(folder.glob("*.json")).read_text())
        shutil.rmtree(folder)
        return manifest["configuration"]["train"][:9], manifest["configuration"]["validation"][:9]

    few = RANDOM.replace(steps=2)
    assert judged_on(few) == ("16 images", "4 images,")
    assert judged_on(few.replace(keep_best=True)) == ("14 images", "2 images,")
    assert judged_on(few.replace(early_stopping=1)) == ("14 images", "2 images,")


class Scores(keras.callbacks.Callback):
    """Puts these in the place of the top-1 of each evaluation, and keeps the weights of then."""

    def __init__(self, *scores):
        super().__init__()
        self.scores, self.weights = list(scores), []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_top_1"] = self.scores[epoch]
        self.weights.append(self.model.get_weights())


def test_keep_best_and_early_stopping(tiny, two_colours):
    recipe = RECIPE.replace(evaluations=6, weights=None, keep_best=True, early_stopping=2)
    scores = Scores(0.2, 0.5, 0.9, 0.9, 0.4, 1.0)
    model, history = finetune(tiny, two_colours, recipe, verbose=0, callbacks=[scores])
    assert history["val_top_1"] == [0.2, 0.5, 0.9, 0.9, 0.4]  # The first 0.9, and two more.
    for own, best, last in zip(
        model.get_weights(), scores.weights[2], scores.weights[4], strict=True
    ):
        np.testing.assert_array_equal(own, best)
        assert not np.array_equal(own, last)


def test_averages_are_judged_and_kept(tiny, two_colours):
    """Against averages of the weights after each step, computed beside the training."""
    recipe = RECIPE.replace(weights=None, ema=0.7, evaluations=3, accumulation=2)
    averages, judged = [], []

    class Beside(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch % 2 == 0 and int(self.model.optimizer.iterations):
                self.add()

        def on_train_batch_end(self, batch, logs=None):  # So that Keras on JAX waits.
            pass

        def on_test_begin(self, logs=None):
            self.add()

        def on_test_batch_begin(self, batch, logs=None):
            judged.append([np.array(v.numpy()) for v in self.model.trainable_variables])

        def add(self):
            if len(averages) == int(self.model.optimizer.iterations):
                return
            own = [v.numpy().astype("float64") for v in self.model.trainable_variables]
            before = averages[-1] if averages else own
            averages.append([0.7 * b + 0.3 * o for b, o in zip(before, own, strict=True)])

    model, history = finetune(tiny, two_colours, recipe, verbose=0, callbacks=[Beside()])
    assert len(averages) == recipe.steps
    for step, weights in [*zip(history["step"], judged, strict=True)]:
        for own, average in zip(weights, averages[step - 1], strict=True):
            np.testing.assert_allclose(own, average, rtol=1e-5, atol=1e-6)
    for own, average in zip(model.get_weights(), averages[-1], strict=True):
        np.testing.assert_allclose(own, average, rtol=1e-5, atol=1e-6)


def test_balanced_classes(tiny, rng):
    """Weights as scikit-learn's, and a loss worked by hand: an image's is its label's weight."""
    labels = np.array([0] * 9 + [1] * 3)
    pictures = rng.integers(0, 256, (12, 8, 12, 3), dtype="uint8")
    unequal = data.from_arrays((pictures, labels), (pictures, labels))
    recipe = RECIPE.replace(class_weights="balanced", mixup=0.5, steps=4, batch_size=6)
    plain = training_batches(unequal, recipe.replace(class_weights=None), (8, 12))
    batches = training_batches(unequal, recipe, (8, 12))
    weights = class_weight.compute_class_weight("balanced", classes=np.arange(2), y=labels)
    for number in range(4):
        x, y = plain[number]
        images, targets, weight = batches[number]
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(targets, y)
        np.testing.assert_allclose(weight, y @ weights, rtol=1e-6)
    model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)
    one = recipe.replace(steps=1)
    _, history = finetune(model, unequal, one, verbose=0)
    assert history["loss"][0] == pytest.approx(np.log(2) * batches[0][2].mean(), rel=1e-5)
    with pytest.raises(ValueError, match="Class number 2 has no images to train on"):
        balanced_weights(labels, 3)


def test_models_that_do_not_fit_the_data(tiny, two_colours):
    with pytest.raises(ValueError, match=r"has output of shape \(None, 5\).* has 2\s+classes"):
        finetune(Mixer(tiny, weights=None, classes=5), two_colours, RECIPE)
    grey = Mixer(tiny, weights=None, classes=2, input_shape=(8, 12, 1))
    with pytest.raises(ValueError, match="the pictures here are RGB"):
        finetune(grey, two_colours, RECIPE)
    with pytest.raises(ValueError, match=r"Unknown recipe 'petz'\. Choose one of: imagenet, pets"):
        finetune(grey, two_colours, "petz")


@pytest.mark.parametrize(
    ("field", "value", "own"),
    [
        ("dropout", 0.1, 0.0),
        ("stochastic_depth", 0.1, 0.0),
        ("remat", True, False),
        ("precision", "mixed_bfloat16", "float32"),
        ("head_bias", -6.9, 0.0),
    ],
)
def test_models_that_lack_what_the_recipe_asks_for(tiny, two_colours, field, value, own):
    model = Mixer(tiny, weights=None, classes=2)
    with pytest.raises(ValueError, match=f"asks for {field}={value!r} and tiny has {own!r}"):
        finetune(model, two_colours, RECIPE.replace(**{field: value}))


@pytest.mark.parametrize("field", ["layer_decay", "lora_rank", "precision"])
def test_what_needs_the_layers_of_a_mixer(two_colours, field):
    inputs = keras.Input((8, 12, 3))
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, scores, name="plain")
    _, history = finetune(model, two_colours, RECIPE, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    value = {"layer_decay": 0.5, "lora_rank": 2, "precision": "mixed_bfloat16"}[field]
    with pytest.raises(ValueError, match=f"asks for {field}={value!r} and plain has"):
        finetune(model, two_colours, RECIPE.replace(**{field: value}))


def test_weights_in_bfloat16_are_refused(tiny, two_colours):
    keras.config.set_dtype_policy("bfloat16")
    model = Mixer(tiny, weights=None, classes=2)
    keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="too coarse for the steps of training"):
        finetune(model, two_colours, RECIPE)


def test_rematerialisation_changes_no_number(tiny, two_colours):
    """With stochastic depth on, whose masks are not drawn again."""
    recipe = RECIPE.replace(weights=None, steps=6, stochastic_depth=0.3)
    plain = finetune(tiny, two_colours, recipe, verbose=0)
    again = finetune(tiny, two_colours, recipe.replace(remat=True), verbose=0)
    assert again.model.get_layer("mixer_block_0").remat is True
    np.testing.assert_allclose(weights_of(again), weights_of(plain), rtol=1e-5, atol=1e-6)
    assert again.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-5)
    with pytest.raises(ValueError, match="`remat` and `dropout` exclude each other"):
        Mixer(tiny, weights=None, dropout=0.1, remat=True)


class Signal(keras.callbacks.Callback):
    """Sends this process a signal at the end of a round."""

    def __init__(self, epoch, number=signal.SIGTERM):
        super().__init__()
        self.epoch, self.number = epoch, number

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("epoch", [1, 2], ids=["in the middle", "at the end"])
def test_what_a_signal_says_is_saved_is_saved(tiny, two_colours, tmp_path, epoch):
    folder = tmp_path / "checkpoints"
    recipe = RANDOM.replace(evaluations=3)
    whole = finetune(tiny, two_colours, recipe, verbose=0)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as interrupted:
        finetune(
            *(tiny, two_colours, recipe),
            verbose=0,
            checkpoints=folder,
            callbacks=[Signal(epoch)],
        )
    assert (interrupted.value.signum, interrupted.value.step) == (signal.SIGTERM, 4 * (epoch + 1))
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    # Not a step is done twice.
    left = Stop(2 * (recipe.steps - interrupted.value.step))
    again = finetune(tiny, two_colours, recipe, verbose=0, checkpoints=folder, callbacks=[left])
    assert left.calls == 0
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))


def test_a_signal_that_comes_too_late_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), signals.deferred():
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored():
    """As in what a shell script puts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.deferred() as request:
            signal.raise_signal(signal.SIGINT)
        assert request.signum is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
