"""A Mixer of B/16's widths on one device and split over four; prints how they differ."""

import collections
import dataclasses
import json
import os
import re

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import jax.numpy as jnp
import keras
import numpy as np

import keras_mixer

BLOCKS = 2
spec = dataclasses.replace(keras_mixer.SPECS["mixer_b16"], num_layers=BLOCKS)
rng = np.random.default_rng(0)
images = jnp.asarray(rng.uniform(-1, 1, (2, 224, 224, 3)), "float32")


def build():
    return keras_mixer.Mixer(spec, weights=None, classes=10, classifier_activation=None)


def functions(model):
    """The forward pass, and the gradients of a loss in which all logits count."""

    def forward(weights, x):
        return model.stateless_call(weights, [], x, training=False)[0]

    def loss(weights, x):
        logits, _ = model.stateless_call(weights, [], x, training=True)
        return jnp.sum(logits * jnp.arange(1.0, 11.0)) / 100

    return jax.jit(forward), jax.jit(jax.grad(loss))


def collectives(compiled):
    """How many instructions of each kind the compiled program has."""
    kinds = r"(all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\("
    return dict(collections.Counter(re.findall(kinds, compiled.as_text())))


whole = build()
for variable in whole.weights:
    variable.assign(np.asarray(rng.normal(0, 0.05, variable.shape), "float32"))
values = whole.get_weights()
forward, gradient = functions(whole)
own = [v.value for v in whole.weights]
logits, gradients = forward(own, images), gradient(own, images)

keras_mixer.distribution.initialize("model")
split = build()
split.set_weights(values)
optimizer = keras.optimizers.AdamW(1e-3)
optimizer.build(split.trainable_variables)
sharded = [v.value for v in split.weights]
forward, gradient = functions(split)
forward = forward.lower(sharded, images).compile()
# As a step of training has it: gradients lie where the weights do.
place = [w.sharding for w in sharded]
gradient = jax.jit(gradient, out_shardings=place).lower(sharded, images).compile()


def apart(one, other):
    """Largest difference of two arrays, as a share of the largest number in them.

    The gradient of the second bias of token mixing is nothing but rounding, for layer normalisation
    takes away what all channels have in common; so no array counts for less than 1e-5 of the
    largest.
    """
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)]
    least = 1e-5 * max(np.abs(a).max() for a, _ in pairs)
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), least)) for a, b in pairs)


def shape_of(variable):
    """What one device holds."""
    return list(variable.value.sharding.shard_shape(variable.value.shape))


trainable = split.trainable_variables
slots = [v for v in optimizer.variables if len(v.shape) and v.path.endswith("_momentum")]
print(
    json.dumps(
        {
            "blocks": BLOCKS,
            "logits": apart([logits], [forward(sharded, images)]),
            "gradients": apart(gradients, gradient(sharded, images)),
            "shapes": {v.path: shape_of(v) for v in split.weights},
            "weights": [shape_of(v) for v in trainable],
            "slots": [shape_of(v) for v in slots],
            "forward": collectives(forward),
            "backward": collectives(gradient),
        }
    )
)
