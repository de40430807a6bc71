"""The official architecture in Flax, written anew: a peer of `throughput.py`.

Layers, their order and their numerics are those of the official code
(https://github.com/google-research/vision_transformer, `vit_jax/models_mixer.py`); optax trains it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class Mlp(nn.Module):
    width: int
    approximate: bool
    dtype: str

    @nn.compact
    def __call__(self, x):
        y = nn.gelu(nn.Dense(self.width, dtype=self.dtype)(x), approximate=self.approximate)
        return nn.Dense(x.shape[-1], dtype=self.dtype)(y)


class FlaxMixer(nn.Module):
    spec: object
    classes: int
    approximate: bool
    dtype: str

    @nn.compact
    def __call__(self, images):
        spec, dtype = self.spec, self.dtype
        x = nn.Conv(spec.hidden_size, spec.patch_size, strides=spec.patch_size, dtype=dtype)(images)
        x = x.reshape(x.shape[0], -1, spec.hidden_size)
        for _ in range(spec.num_layers):
            y = jnp.swapaxes(nn.LayerNorm(dtype=dtype)(x), 1, 2)
            y = Mlp(spec.tokens_mlp_dim, self.approximate, dtype)(y)
            x = x + jnp.swapaxes(y, 1, 2)
            y = nn.LayerNorm(dtype=dtype)(x)
            x = x + Mlp(spec.channels_mlp_dim, self.approximate, dtype)(y)
        x = jnp.mean(nn.LayerNorm(dtype=dtype)(x), axis=1)
        return nn.Dense(self.classes)(x)


class FlaxTask:
    """As `keras_mixer.profiling.Task`, of a FlaxMixer."""

    def __init__(self, spec, image_size, *, macs, training, dtype, approximate, classes=1000):
        self.module = FlaxMixer(spec, classes, approximate, dtype)
        self.shape, self.classes, self.training = (*image_size, 3), classes, training
        self.flops = 2 * macs * (3 if training else 1)
        self.params = self.module.init(jax.random.key(0), jnp.zeros((1, *self.shape)))
        optimizer = optax.adamw(1e-3, weight_decay=1e-4)
        self.state = optimizer.init(self.params) if training else None
        self.infer = jax.jit(self.module.apply)

        def step(params, state, images, labels):
            def loss(params):
                logits = self.module.apply(params, images)
                return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

            value, gradients = jax.value_and_grad(loss)(params)
            updates, state = optimizer.update(gradients, state, params)
            return optax.apply_updates(params, updates), state, value

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def call(self, batch_size):
        images = jax.random.uniform(jax.random.key(0), (batch_size, *self.shape), minval=-1)
        labels = jax.random.randint(jax.random.key(1), (batch_size,), 0, self.classes)

        def infer():
            return jax.block_until_ready(self.infer(self.params, images))

        def train():
            self.params, self.state, loss = self.step(self.params, self.state, images, labels)
            return jax.block_until_ready(loss)

        return train if self.training else infer

    def state_bytes(self):
        return sum(leaf.nbytes for leaf in jax.tree.leaves((self.params, self.state)))
