"""The closed form of a step's memory beside what the backends keep."""

import dataclasses

import keras
import pytest

import keras_mixer
from keras_mixer.profiling import peak_growth
from keras_mixer.profiling.training_memory import (
    device_parameters,
    kept_tensors,
    training_memory,
)
from keras_mixer.training import RECIPES
from keras_mixer.training.losses import make_loss
from keras_mixer.training.optimizers import make_optimizer

BACKEND = keras.backend.backend()
STEPS = RECIPES["pretrain_imagenet_b"].replace(steps=100, warmup_steps=10)
PRECISIONS = ("float32", "mixed_bfloat16")


def build(spec, recipe, classes):
    keras.config.set_dtype_policy(recipe.precision)
    options = {"classes": classes, "classifier_activation": None, "remat": recipe.remat}
    model = keras_mixer.Mixer(spec, weights=None, **options)
    model.compile(make_optimizer(recipe, model.trainable_variables), make_loss(recipe))
    images = keras.random.uniform((recipe.batch_size, *spec.image_size, 3))
    labels = keras.ops.one_hot(keras.random.randint((recipe.batch_size,), 0, classes), classes)
    return model, images, labels


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch says what its autograd keeps")
@pytest.mark.parametrize(
    ("name", "precision", "remat"),
    [
        *(("tiny", precision, remat) for precision in PRECISIONS for remat in (False, True)),
        *(("mixer_b32", "float32", False), ("mixer_b32", "mixed_bfloat16", True)),
    ],
)
def test_bytes_that_autograd_keeps(name, precision, remat, tiny):
    """Each storage once, without the weights and with their copies in bfloat16.

    To the byte, but for some scalars of the loss.
    """
    import torch

    spec = keras_mixer.SPECS.get(name, tiny)
    classes, images = 11, 3
    recipe = STEPS.replace(batch_size=images, precision=precision, remat=remat)
    model, x, y = build(spec, recipe, classes)
    weights = {v.value.untyped_storage().data_ptr() for v in model.trainable_variables}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # Held, so that no other one gets its place.
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.compute_loss(x, y, model(x, training=True))
    found = sum(storage.nbytes() for storage in kept.values())
    tensors = kept_tensors(spec, classes, precision=precision, remat=remat)
    assert tensors[0].name == "images"  # Autograd keeps their patches instead.
    copies = training_memory(spec, recipe, classes, images).copies
    told = images * sum(tensor.bytes() for tensor in tensors[1:]) + copies
    assert 0 <= found - told <= 16


@pytest.mark.skipif(BACKEND == "torch", reason="has the test above")
def test_bytes_that_a_compiled_step_takes():
    """What XLA for CPUs adds to the state: 0.9 to 2.2 times the closed form.

    It may keep the inner values of GELU besides, or compute again what the closed form keeps.
    """
    spec = dataclasses.replace(keras_mixer.SPECS["mixer_ti4"], num_layers=2)
    recipe = STEPS.replace(batch_size=128)
    model, x, y = build(spec, recipe, 10)
    memory = training_memory(spec, recipe, 10, 128)
    added = memory.total - memory.parameters - memory.optimizer
    model.train_on_batch(x, y)
    if BACKEND == "jax":
        import jax

        state = model._get_jax_state(
            **dict.fromkeys(
                (
                    *("trainable_variables", "non_trainable_variables"),
                    *("optimizer_variables", "metrics_variables"),
                ),
                True,
            )
        )
        step = jax.jit(model.train_step, donate_argnums=0).lower(tuple(state), (x, y)).compile()
        found = step.memory_analysis().temp_size_in_bytes
    else:
        found = peak_growth(lambda: model.train_on_batch(x, y))
    assert 0.9 < found / added < 2.2


@pytest.mark.parametrize("remat", [False, True])
def test_bytes_by_hand(remat, tiny):
    """Six tokens, 8 channels, hidden layers of 6 and 16 units, two layers, 96 pixels, 5 classes."""
    recipe = STEPS.replace(batch_size=2, remat=remat, ema=0.9, accumulation=2)
    memory = training_memory(tiny, recipe, 5, images=1)
    # Stem 48 * 8 + 8; a layer 32 of norms, 2 * 36 + 12 and 2 * 128 + 24 of MLPs; norm 16; head 45.
    parameters = 4 * (392 + 2 * (32 + 84 + 280) + 16 + 45)
    assert memory.parameters == memory.gradients == memory.averages == parameters
    assert memory.accumulated == parameters
    assert memory.optimizer == 2 * parameters
    # Images and patches; in the end 48 + 12 of the norm, 8 features, 10 scores and labels.
    outside = 4 * (288 + 288 + 60 + 8 + 10)
    # A token MLP: 60 of its norm, 48 into it, 48 before and after GELU; a channel MLP 96 instead.
    inside = 4 * (60 + 48 + 2 * 48 + 60 + 48 + 2 * 96)
    assert memory.activations == outside + 2 * (4 * 2 * 48 if remat else inside)
    # Gradients of the channel MLP's hidden layer, twice, and of its output; all of it once more.
    assert memory.working == 4 * (2 * 96 + 48) + remat * 4 * (60 + 48 + 2 * 96)
    assert memory.total == 6 * parameters + memory.activations + memory.working


def test_momentum_has_one_slot(tiny):
    memory = training_memory(tiny, RECIPES["pets"], 5, images=1)
    assert memory.optimizer == memory.parameters
    assert memory.averages == memory.accumulated == memory.copies == 0


def test_parameters_are_those_of_the_model(tiny):
    model, *_ = build(tiny, STEPS.replace(batch_size=1), 5)
    assert device_parameters(tiny, 5, None, 1) == model.count_params()
    # Of what two devices share each has a half: both kernels of an MLP, and the first bias.
    shared = [
        keras.ops.size(v)
        for v in model.trainable_variables
        if "mixing" in v.path and ("kernel" in v.path or "dense_0" in v.path)
    ]
    assert len(shared) == 2 * 2 * 3
    half = model.count_params() - sum(map(int, shared)) // 2
    assert device_parameters(tiny, 5, None, 2) == half


def test_two_devices_share_hidden_layers_alone(tiny):
    recipe = STEPS.replace(batch_size=1)
    one, two = (training_memory(tiny, recipe, 5, 1, model_parallel=n) for n in (1, 2))
    # Before and after GELU: 2 * 48 of a token MLP, 2 * 96 of a channel MLP, in both layers.
    assert one.activations - two.activations == 4 * 2 * (48 + 96)
    assert one.optimizer - two.optimizer == 2 * (one.parameters - two.parameters)


def test_every_optimizer_has_its_slots(tiny):
    """The slots are those that the optimisers of the recipes make."""
    for name in ("adamw", "sgd"):
        recipe = RECIPES["pets"].replace(optimizer=name, ema=0.9, accumulation=2)
        model, *_ = build(tiny, recipe.replace(batch_size=2), 5)
        model.optimizer.build(model.trainable_variables)
        held = sum(int(keras.ops.size(v)) for v in model.optimizer.variables)
        memory = training_memory(tiny, recipe, 5, 1)
        told = memory.optimizer + memory.averages + memory.accumulated
        assert 0 <= 4 * held - told < 64  # The step's number and the rate besides.
