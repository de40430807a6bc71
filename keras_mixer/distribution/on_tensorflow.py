"""TensorFlow: `tf.distribute.MirroredStrategy`."""

import functools

import keras
import numpy as np

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
    _sum_first()
    return _Mirrored("data", replicas=len(devices))


class _Mirrored(Distribution):
    """Several devices, each of which would compute all images of a batch that is given alone."""

    def parted(self, images):
        import tensorflow as tf

        parts = np.array_split(images, self.replicas)
        return tf.distribute.get_strategy().experimental_distribute_values_from_function(
            lambda context: tf.convert_to_tensor(parts[context.replica_id_in_sync_group])
        )


def _sum_first() -> None:
    """Lets optimisers sum gradients over the devices before anything else, not at the last moment.

    Keras clips on each device by itself and sums then, which clips by a norm that is not that of
    the gradient.
    """
    optimizer = keras.optimizers.Optimizer
    apply, reduce = optimizer.apply, optimizer._all_reduce_sum_gradients

    @functools.wraps(apply)
    def apply_the_sum(self, grads, trainable_variables=None):
        summed = [g for g, _ in reduce(self, [(g, None) for g in grads])]
        return apply(self, summed, trainable_variables)

    optimizer.apply = apply_the_sum
    optimizer._all_reduce_sum_gradients = lambda self, grads_and_vars: grads_and_vars
