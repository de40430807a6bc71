"""Initial values of the kernels of the MLPs."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras

_stored = contextvars.ContextVar("stored", default=False)


@contextlib.contextmanager
def stored_weights_follow() -> Iterator[None]:
    """Within it the kernels of the MLPs begin at zeros: the caller overwrites every one of them.

    Drawing the 207 million random numbers of Mixer-L/16 takes longer than reading its file.
    """
    token = _stored.set(True)
    try:
        yield
    finally:
        _stored.reset(token)


@keras.saving.register_keras_serializable(package="keras_mixer")
class LecunNormal(keras.initializers.LecunNormal):
    """`keras.initializers.LecunNormal`, which draws nothing within `stored_weights_follow`.

    LeCun-normal kernels are those of the official Flax code.
    """

    def __call__(self, shape, dtype=None, **kwargs):
        if _stored.get():
            return keras.ops.zeros(shape, dtype)
        return super().__call__(shape, dtype, **kwargs)
