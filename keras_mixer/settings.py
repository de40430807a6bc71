"""Keras' global settings: those that numbers depend on are pinned while ours are computed."""

import contextlib
from collections.abc import Iterator

import keras

FLOATX, EPSILON = "float32", 1e-7  # Keras' own defaults, whatever `keras.json` says.


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Within it `floatx`, which losses, metrics and inputs take, and `epsilon` are Keras' defaults.

    A precision that was chosen by `keras.config.set_dtype_policy` stays.
    """
    config = keras.config
    floatx, epsilon, policy = config.floatx(), config.epsilon(), config.dtype_policy()
    if (floatx, epsilon) == (FLOATX, EPSILON):
        yield
        return
    config.set_floatx(FLOATX)
    config.set_epsilon(EPSILON)
    if policy.name == floatx:
        config.set_dtype_policy(FLOATX)
    try:
        yield
    finally:
        config.set_floatx(floatx)
        config.set_epsilon(epsilon)
        config.set_dtype_policy(policy)


def check_nothing_is_cut_short() -> None:
    """Raises where Keras would end each `fit` early, as its settings for debugging make it.

    Raises:
        ValueError: `KERAS_MAX_EPOCHS` or `KERAS_MAX_STEPS_PER_EPOCH` is set.
    """
    for name in ("max_epochs", "max_steps_per_epoch"):
        if (limit := getattr(keras.config, name)()) is not None:
            raise ValueError(
                f"Keras is set to {name}={limit}, which would cut a training short. Unset the "
                f"environment variable KERAS_{name.upper()}, or call "
                f"`keras.config.set_{name}(None)`."
            )
