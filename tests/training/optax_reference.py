"""Trains a small Mixer in JAX and Optax, float64, and writes what every step's loss was.

    python tests/training/optax_reference.py tests/training/golden_training.json

Independent of Keras and of this package: the model is equation 1 of
https://arxiv.org/abs/2105.01601 with the numerics of the official Flax code (the tanh form of
GELU, layer normalisation with epsilon 1e-6), and Optax' own transformations, schedules and losses
do the rest. The recipes and everything they run on stand in `fixed.py`.
"""

import datetime
import json
import pathlib
import sys

import fixed
import jax
import optax
from jax import numpy as jnp

jax.config.update("jax_enable_x64", True)


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    x = (x - mean) / jnp.sqrt(variance + 1e-6)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def mlp(x, weights, name):
    x = dense(x, weights, f"{name}/dense_0")
    x = 0.5 * x * (1 + jnp.tanh(jnp.sqrt(2 / jnp.pi) * (x + 0.044715 * x**3)))
    return dense(x, weights, f"{name}/dense_1")


def logits(weights, images):
    p = fixed.PATCH
    tokens = [
        images[:, top : top + p, left : left + p].reshape(len(images), -1)
        for top in range(0, fixed.HEIGHT, p)
        for left in range(0, fixed.WIDTH, p)
    ]
    x = dense(jnp.stack(tokens, axis=1), weights, "stem")
    for i in range(fixed.LAYERS):
        block = f"mixer_block_{i}"
        mixed = layer_norm(x, weights, f"{block}/layer_norm_0").swapaxes(1, 2)
        x += mlp(mixed, weights, f"{block}/token_mixing").swapaxes(1, 2)
        x += mlp(
            layer_norm(x, weights, f"{block}/layer_norm_1"), weights, f"{block}/channel_mixing"
        )
    x = layer_norm(x, weights, "pre_head_layer_norm")
    return dense(x.mean(axis=1), weights, "head")


def loss_of(recipe):
    def loss(weights, images, labels):
        labels = optax.losses.smooth_labels(labels, recipe["label_smoothing"])
        scores = logits(weights, images)
        if recipe["loss"] == "softmax":
            return optax.losses.softmax_cross_entropy(scores, labels).mean()
        return optax.losses.sigmoid_binary_cross_entropy(scores, labels).sum(-1).mean()

    return loss


def schedule_of(recipe):
    peak, warmup, steps = recipe["learning_rate"], recipe["warmup_steps"], recipe["steps"]
    if recipe["decay"] == "cosine":
        return optax.schedules.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)
    return optax.schedules.join_schedules(
        [
            optax.schedules.linear_schedule(0.0, peak, warmup),
            optax.schedules.linear_schedule(peak, 0.0, steps - warmup),
        ],
        [warmup],
    )


def transformation_of(recipe):
    if recipe["optimizer"] == "sgd":
        rule = [optax.trace(decay=0.9)]
    else:

        def kernels(weights):
            return {name: name.endswith("kernel") for name in weights}

        rule = [
            optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8),
            optax.add_decayed_weights(recipe["weight_decay"], mask=kernels),
        ]
    return optax.chain(
        optax.clip_by_global_norm(recipe["clip_norm"]),
        *rule,
        optax.scale_by_learning_rate(schedule_of(recipe)),
    )


def train(case):
    """Losses before each update, norms of the gradients before clipping, final weights."""
    recipe = case["recipe"]
    rule = transformation_of(recipe)
    loss = loss_of(recipe)

    @jax.jit
    def step(weights, state, images, labels):
        value, gradients = jax.value_and_grad(loss)(weights, images, labels)
        updates, state = rule.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, value, optax.tree.norm(gradients)

    weights = {
        name: jnp.asarray(array, "float64")
        for name, array in fixed.weights(head_bias=case["head_bias"]).items()
    }
    # Optax counts steps in int32, from which its schedules go on in float32.
    state = jax.tree.map(lambda leaf: leaf.astype("float64"), rule.init(weights))
    losses, norms = [], []
    for images, labels in fixed.batches(recipe["steps"]):
        images, labels = jnp.asarray(images, "float64"), jnp.asarray(labels, "float64")
        weights, state, value, norm = step(weights, state, images, labels)
        losses.append(float(value))
        norms.append(float(norm))
    return losses, norms, weights


def rounded(value):
    """Ten digits. Next to nothing is nothing: the rounding of a sum that is zero by the formula."""
    return 0.0 if value < 1e-9 else float(f"{value:.10g}")


def main(path):
    result = {
        "origin": {
            "script": "tests/training/optax_reference.py",
            "jax": jax.__version__,
            "optax": optax.__version__,
            "date": datetime.date.today().isoformat(),
        }
    }
    for name, case in fixed.CASES.items():
        losses, gradients, weights = train(case)
        clipped = sum(norm > case["recipe"]["clip_norm"] for norm in gradients)
        assert 5 <= clipped <= len(gradients) - 5, (name, clipped)
        assert losses[-2] < 0.99 * losses[0], (name, losses)  # The last one is of mixed up labels.
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}; {clipped} steps are clipped")
        result[name] = {
            "clipped": clipped,
            "losses": [rounded(value) for value in losses],
            "norms": {path: rounded(jnp.linalg.norm(array)) for path, array in weights.items()},
        }
    pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
