"""What one process of several does by itself with a model that lies in all of them.

On JAX whatever touches an array of all processes is a computation of all of them, and waits for the
others for ever where they do not take part: to build a model, or to predict.
"""

import contextlib
from collections.abc import Iterator

import keras

from keras_mixer.distribution.start import current


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """Lets models that are built here lie in this process alone; says whether that is a change."""
    apart = keras.backend.backend() == "jax" and current().processes > 1
    if not apart:
        yield False
        return
    import jax

    everywhere = keras.distribution.distribution()
    own = [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=own, auto_shard_dataset=False)
    )
    try:
        yield True
    finally:
        keras.distribution.set_distribution(everywhere)


@contextlib.contextmanager
def on_this_process(model: keras.Model) -> Iterator[keras.Model]:
    """A model that can predict without the other processes: the same one, or a copy on JAX."""
    with alone() as apart:
        yield copy_of(model) if apart else model


def copy_of(model: keras.Model) -> keras.Model:
    """A model with the same weights that was never compiled."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
