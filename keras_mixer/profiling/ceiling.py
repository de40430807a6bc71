"""The rate of matrix products that a machine reaches."""

import math
import time

import keras

from keras_mixer.profiling.machine import accelerator


def matmul_ceiling(dtype: str = "float32", *, size: int | None = None, rounds: int = 10) -> float:
    """The best rate of square matrix products in this process on this backend, in FLOP/s.

    A multiplication and an addition are two. Compiled where Keras compiles by default, on JAX and
    TensorFlow, where the better of XLA and TensorFlow's own kernels counts, for models get either;
    with the backend's own precision of products, so with TF32 for `"float32"` where it takes that
    on a GPU.

    Args:
        dtype: of both factors, `"float32"` or `"bfloat16"`.
        size: rows and columns of the factors; by default 2048 on a CPU and 8192 elsewhere.
        rounds: timings of each kind, after one that does not count.

    Raises:
        ValueError: `rounds` or `size` is below 1.
    """
    size = (8192 if accelerator() else 2048) if size is None else size
    if size < 1 or rounds < 1:
        raise ValueError(
            f"`size` and `rounds` must be at least 1. Received: size={size}, rounds={rounds}"
        )
    left, right = (keras.random.normal((size, size), dtype=dtype, seed=seed) for seed in (0, 1))

    # Enough in a row that waiting for an accelerator does not count.
    in_a_row = 16 if accelerator() else 1

    def seconds(product) -> float:
        begun = time.perf_counter()
        for _ in range(in_a_row):
            result = product(left, right)
        keras.ops.convert_to_numpy(result[:1, :1])  # Waits for the device.
        return (time.perf_counter() - begun) / in_a_row

    fastest = math.inf
    for product in _compiled(keras.ops.matmul):
        seconds(product)
        fastest = min(fastest, *(seconds(product) for _ in range(rounds)))
    return 2 * size**3 / fastest


def _compiled(function):
    """`function` in each of the ways that the backend compiles it."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return [jax.jit(function)]
    if backend == "tensorflow":
        import tensorflow as tf

        return [tf.function(function, jit_compile=xla) for xla in (True, False)]
    return [function]
