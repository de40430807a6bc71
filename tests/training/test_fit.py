"""`model.fit` on each kind of data, and fine-tuning by a recipe."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, data, finetune
from keras_mixer.training import RECIPES, Recipe, default_recipe
from keras_mixer.training.fit import make_optimizer


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
    history = finetune(model, two_colours, RECIPE, verbose=0)
    assert history.model is model
    assert len(history.history["val_top_1"]) == RECIPE.steps // RECIPE.steps_per_round
    assert history.history["val_top_1"][-1] == 1.0
    assert int(model.optimizer.iterations) == RECIPE.steps


def test_the_same_seed_gives_the_same_weights(tiny, two_colours):
    def train(seed):
        keras.utils.set_random_seed(0)
        model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)
        finetune(model, two_colours, RECIPE, seed=seed, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    np.testing.assert_array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_models_that_do_not_fit_the_data(tiny, two_colours):
    with pytest.raises(ValueError, match=r"has output of shape \(None, 5\).*has\s+2 classes"):
        finetune(Mixer(tiny, weights=None, classes=5), two_colours, RECIPE)
    grey = Mixer(tiny, weights=None, classes=2, input_shape=(8, 12, 1))
    with pytest.raises(ValueError, match="the pictures here are RGB"):
        finetune(grey, two_colours, RECIPE)
    with pytest.raises(ValueError, match=r"Unknown recipe 'petz'\. Choose one of: imagenet, pets"):
        finetune(grey, two_colours, "petz")


@pytest.mark.parametrize("name", RECIPES)
def test_schedule_of_every_recipe(name):
    """Linear from 0 to the peak, then half a cosine to 0; by the formula, not by Keras."""
    recipe = RECIPES[name]
    schedule = make_optimizer(recipe)._learning_rate
    warm, peak, end = recipe.warmup_steps, recipe.learning_rate, recipe.steps
    for step in {0, 1, warm // 2, warm, (warm + end) // 2, end - 1, end}:
        if step < warm:
            expected = peak * step / warm
        else:
            expected = peak * 0.5 * (1 + np.cos(np.pi * (step - warm) / (end - warm)))
        actual = float(keras.ops.convert_to_numpy(schedule(step)))
        assert actual == pytest.approx(expected, rel=1e-5, abs=1e-8), step


@pytest.mark.parametrize("name", ["pets", "flowers102", "cifar10", "cifar100"])
def test_recipes_of_the_paper(name):
    """MLP-Mixer, section 3; ViT, Table 4: SGD 0.9, batch 512, clip 1, no weight decay."""
    recipe = RECIPES[name]
    assert recipe.steps == {"pets": 500, "flowers102": 500}.get(name, 10_000)
    optimizer = make_optimizer(recipe)
    assert type(optimizer) is type(keras.optimizers.SGD())
    assert (optimizer.momentum, optimizer.global_clipnorm) == (0.9, 1.0)
    assert optimizer.weight_decay is None
    assert recipe.batch_size == 512


def test_every_data_set_has_a_recipe():
    rows = [row for row in data.DATASETS.values() if not row.unavailable]
    assert {default_recipe(row.name) for row in rows} | {"folder"} == set(RECIPES)
    assert default_recipe("tfds:beans") == default_recipe("my/pictures") == "folder"
    for row in rows:
        recipe = RECIPES[default_recipe(row.name)]
        assert row.steps in (None, recipe.steps)
        assert row.evaluation_crop == recipe.evaluation_crop


@pytest.mark.parametrize(
    ("steps", "expected"), [(500, 50), (10_000, 1000), (12, 1), (7, 1), (1, 1)]
)
def test_rounds_divide_the_steps(steps, expected):
    assert RECIPES["pets"].replace(steps=steps).steps_per_round == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lion"}, "`optimizer` must be sgd or adamw"),
        ({"learning_rate": 0}, "`learning_rate` must be positive"),
        ({"warmup_steps": 500}, "`warmup_steps` must be at least 0 and below `steps` = 500"),
    ],
)
def test_bad_recipes(change, message):
    with pytest.raises(ValueError, match=message):
        RECIPES["pets"].replace(**change)
