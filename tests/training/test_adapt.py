"""What must not move does not, to the bit; what moves is counted; adapters merge."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, data, finetune
from keras_mixer.training import Recipe, adapt
from keras_mixer.training.optimizers import layer_rates, make_optimizer

RECIPE = Recipe(
    "mine", "a test", weights=None, steps=4, warmup_steps=0, batch_size=8, learning_rate=0.05
)
ADAMW = RECIPE.replace(optimizer="adamw", weight_decay=0.1, learning_rate=0.01)


@pytest.fixture
def two_colours(image_folder):
    return data.load(image_folder)


def values(model):
    return {v.path: keras.ops.convert_to_numpy(v).copy() for v in model.weights}


def moved(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


@pytest.mark.parametrize("recipe", [RECIPE, ADAMW], ids=["sgd", "adamw"])
def test_the_head_alone_then_everything(tiny, two_colours, randomize, recipe):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    before = values(model)
    alone = recipe.replace(head_steps=4)
    finetune(model, two_colours, alone, verbose=0)
    assert moved(before, values(model)) == {"head/kernel", "head/bias"}
    assert adapt.parameter_counts(model) == (model.count_params(),) * 2  # As it was handed over.
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            trains = adapt.parameter_counts(self.model)[0]
            seen.append((trains, moved(before, values(self.model)) <= {"head/kernel", "head/bias"}))

    before = values(model)
    finetune(
        model,
        two_colours,
        recipe.replace(head_steps=2, evaluations=2),
        verbose=0,
        callbacks=[Look()],
    )
    head = (tiny.hidden_size + 1) * 2
    assert seen == [(head, True), (tiny.parameters(classes=2), False)]
    # These biases do nothing: the next normalisation takes away what all channels share.
    nothing = {path for path in before if path.endswith("token_mixing/dense_1/bias")}
    assert moved(before, values(model)) | nothing == set(before)


@pytest.mark.parametrize("recipe", [RECIPE, ADAMW], ids=["sgd", "adamw"])
def test_lora(tiny, two_colours, randomize, rng, recipe):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    before = values(model)
    counts = []

    class Count(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            counts.append(adapt.parameter_counts(self.model))

    lora = recipe.replace(lora_rank=2, ema=0.5)
    plain, _ = finetune(model, two_colours, lora, verbose=0, callbacks=[Count()])
    s, c = tiny.tokens(), tiny.hidden_size
    adapters = tiny.num_layers * 2 * 2 * ((s + tiny.tokens_mlp_dim) + (c + tiny.channels_mlp_dim))
    whole = tiny.parameters(classes=2)
    assert counts[0] == ((c + 1) * 2 + adapters, whole + adapters)
    # The body under the adapters stands still; with them merged, the kernels of the MLPs differ.
    still = {path: value for path, value in values(model).items() if "lora" not in path}
    assert moved(before, still) == {"head/kernel", "head/bias"}
    assert plain.count_params() == whole
    mlps = {path for path in before if path.endswith("kernel") and "mixing" in path}
    assert moved(before, values(plain)) == mlps | {"head/kernel", "head/bias"}
    x = rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")
    np.testing.assert_allclose(
        plain.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5
    )
    assert np.abs(plain.predict(x, verbose=0)).max() > 0.1


def test_rates_of_the_layers(tiny):
    model = Mixer(tiny, weights=None, classes=2)
    rates = layer_rates(model.trainable_variables, 0.5)
    assert rates["head/kernel"] == rates["pre_head_layer_norm/gamma"] == 1
    assert rates["mixer_block_1/token_mixing/dense_0/kernel"] == 0.5
    assert rates["mixer_block_0/layer_norm_0/beta"] == 0.25
    assert rates["stem/bias"] == 0.125
    assert layer_rates(model.trainable_variables, 1.0) == {}


@pytest.mark.parametrize("recipe", [RECIPE, ADAMW], ids=["sgd", "adamw"])
def test_a_layers_step_is_its_rate_times_the_step(tiny, rng, recipe):
    """One step beside one without layer decay: step and weight decay are scaled alike."""
    gradients = {}

    def step(layer_decay):
        keras.utils.set_random_seed(0)
        model = Mixer(tiny, weights=None, classes=2)
        variables = model.trainable_variables
        for v in variables:
            gradients.setdefault(v.path, rng.normal(0, 1, v.shape).astype("float32"))
        optimizer = make_optimizer(recipe.replace(layer_decay=layer_decay), variables)
        before = values(model)
        optimizer.apply(
            [keras.ops.convert_to_tensor(gradients[v.path]) for v in variables], variables
        )
        after = values(model)
        return {path: after[path].astype("float64") - before[path] for path in before}

    whole, scaled = step(1.0), step(0.5)
    rates = {"head": 1, "pre_head_layer_norm": 1, "mixer_block_1": 0.5, "mixer_block_0": 0.25}
    for path, change in scaled.items():
        rate = rates.get(path.split("/")[0], 0.125)
        np.testing.assert_allclose(change, rate * whole[path], rtol=1e-3, atol=2e-7, err_msg=path)


def test_a_layer_without_weights_is_no_head():
    inputs = keras.Input((8, 12, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs), name="flat")
    with pytest.raises(ValueError, match=r"The last layer of flat, flatten\S*, has no weights"):
        adapt.head_of(model)
