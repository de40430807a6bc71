"""Times the token-mixing MLP beside four other ways to write it, forward and in a training step.

    KERAS_BACKEND=jax python apps/benchmarks/token_mixing.py

The variants run interleaved in one process on Mixer-B/16's shapes; each figure is the median of
the rounds, and ratios are taken round by round against the first variant.
"""

import statistics
import time

import click


def main(batch_size, rounds, blocks, dtype):
    import keras
    import numpy as np
    from keras import ops

    import keras_mixer

    tokens, channels, tokens_mlp_dim = 196, 768, 384

    class TransposeDense(keras.layers.Layer):
        def build(self, shape):
            self.dense_0 = keras.layers.Dense(tokens_mlp_dim, dtype=self.dtype_policy)
            self.dense_1 = keras.layers.Dense(tokens, dtype=self.dtype_policy)
            self.dense_0.build((None, channels, tokens))
            self.dense_1.build((None, channels, tokens_mlp_dim))

        def call(self, x):
            x = ops.transpose(x, (0, 2, 1))  # b s c -> b c s
            x = self.dense_1(ops.gelu(self.dense_0(x), approximate=True))
            return ops.transpose(x, (0, 2, 1))  # b c s -> b s c

    class Einsum(keras.layers.Layer):
        def build(self, shape):
            self.dense_0 = keras.layers.EinsumDense(
                "bsc,sd->bdc", (tokens_mlp_dim, channels), bias_axes="d", dtype=self.dtype_policy
            )
            self.dense_1 = keras.layers.EinsumDense(
                "bdc,ds->bsc", (tokens, channels), bias_axes="s", dtype=self.dtype_policy
            )
            self.dense_0.build((None, tokens, channels))
            self.dense_1.build((None, tokens_mlp_dim, channels))

        def call(self, x):
            return self.dense_1(ops.gelu(self.dense_0(x), approximate=True))

    class Variables(keras.layers.Layer):
        def build(self, shape):
            add = self.add_weight
            self.w0, self.b0 = add((tokens, tokens_mlp_dim)), add((tokens_mlp_dim,))
            self.w1, self.b1 = add((tokens_mlp_dim, tokens)), add((tokens,))

    class MatMul(Variables):
        def call(self, x):
            x = ops.matmul(ops.transpose(self.w0), x) + self.b0[:, None]
            x = ops.gelu(x, approximate=True)
            return ops.matmul(ops.transpose(self.w1), x) + self.b1[:, None]

    class TransposeInside(Variables):
        """b s c -> b c s once, the second product writes b s c by itself."""

        def call(self, x):
            x = ops.matmul(ops.transpose(x, (0, 2, 1)), self.w0) + self.b0
            x = ops.gelu(x, approximate=True)
            return ops.einsum("bcd,ds->bsc", x, self.w1) + self.b1[:, None]

    def ours(dtype):
        return keras_mixer.layers.TokenMixing(tokens_mlp_dim, dtype=dtype)

    def model(variant):
        inputs = x = keras.Input((tokens, channels))
        for _ in range(blocks):
            x = keras.layers.Add()([x, variant(dtype=dtype)(x)])
        built = keras.Model(inputs, x)
        built.compile("sgd", "mse")
        return built

    variants = [TransposeDense, Einsum, MatMul, TransposeInside, ours]
    models = {variant.__name__: model(variant) for variant in variants}
    x = np.random.default_rng(0).normal(size=(batch_size, tokens, channels)).astype("float32")
    for phase in ("predict_on_batch", "train_on_batch"):
        times: dict[str, list[float]] = {name: [] for name in models}
        for round_ in range(rounds + 2):
            for name, built in models.items():
                start = time.perf_counter()
                built.predict_on_batch(x) if phase[0] == "p" else built.train_on_batch(x, x)
                if round_ >= 2:
                    times[name].append(time.perf_counter() - start)
        base = times["TransposeDense"]
        for name, seconds in times.items():
            ratio = statistics.median(b / s for b, s in zip(base, seconds, strict=True))
            print(
                f"{keras.backend.backend():10} {dtype:15} {phase:16} {name:16} "
                f"{statistics.median(seconds) * 1e3:8.1f} ms  speed-up {ratio:.2f}"
            )


@click.command()
@click.option("--batch-size", default=16, show_default=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--blocks", default=4, show_default=True)
@click.option("--dtype", default="float32", show_default=True)
def command(batch_size, rounds, blocks, dtype):
    main(batch_size, rounds, blocks, dtype)


if __name__ == "__main__":
    command()
