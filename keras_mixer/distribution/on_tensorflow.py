"""TensorFlow: `tf.distribute.MirroredStrategy`."""

import keras

from keras_mixer.distribution.place import Distribution


def start(kind: str) -> Distribution:
    """Enters the scope of a strategy over all devices of this process."""
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if kind == "auto":
        kind = "data" if len(devices) > 1 else "none"
    if kind == "none":
        return Distribution()
    tf.distribute.experimental_set_strategy(
        tf.distribute.MirroredStrategy([d.name for d in devices])
    )
    _clip_the_sum()
    return Distribution("data", replicas=len(devices))


def _clip_the_sum() -> None:
    """Lets optimisers sum gradients over the devices before they clip, not after.

    Keras clips on each device by itself and sums then, which clips by a norm that is not that of
    the gradient.
    """
    optimizer = keras.optimizers.Optimizer
    clip, reduce = optimizer._clip_gradients, optimizer._all_reduce_sum_gradients

    def clip_the_sum(self, grads):
        summed = reduce(self, [(g, None) for g in grads])
        return clip(self, [g for g, _ in summed])

    optimizer._clip_gradients = clip_the_sum
    optimizer._all_reduce_sum_gradients = lambda self, grads_and_vars: grads_and_vars
