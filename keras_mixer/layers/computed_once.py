"""Keeping a compiler from computing a value again."""

import keras


def computed_once(x):
    """`x`, which XLA on a CPU shall keep in memory for all that use it.

    The residual connections make `x` a sum over all layers before, and JAX' compiler for CPUs
    would rather compute that sum again in the gradient of every layer normalisation than read it,
    which costs more the deeper the model is: a training step of Mixer-B/16 (batch 16, two cores)
    of plain Keras layers takes 12.7 s, of these 8.0 s (`apps/benchmarks/throughput.py`). Values and
    gradients are the same. On TensorFlow, PyTorch and JAX' other devices nothing is done: the
    first two do not need it, and on GPUs and TPUs it was not tried.
    """
    if keras.backend.backend() != "jax":
        return x
    import jax

    return jax.lax.optimization_barrier(x) if jax.default_backend() == "cpu" else x
