"""The batches as a `tf.data.Dataset`, for what works with these alone."""

from typing import Any

import keras

from keras_mixer.data.ahead import layout_of


def to_tf_data(batches: keras.utils.PyDataset) -> Any:
    """The same batches, in the same order, as a `tf.data.Dataset`.

    For pipelines and strategies of TensorFlow that want one; `model.fit` takes the batches as they
    are, on every backend, and is as fast with them.

    Args:
        batches: `TrainingBatches` or `EvaluationBatches`.

    Returns:
        A dataset of `(images, labels)`, float32, of `len(batches)` elements.

    Raises:
        ModuleNotFoundError: TensorFlow is not installed.
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'tf.data comes with TensorFlow. Run: pip install "keras-mixer[tensorflow]"'
        ) from error
    height, width = batches.image_size
    first = layout_of(batches.weights) == "channels_first"
    shape = (None, 3, height, width) if first else (None, height, width, 3)

    def load(number):
        x, y = tf.numpy_function(
            lambda number: batches[int(number)], [number], (tf.float32, tf.float32), stateful=False
        )
        return tf.ensure_shape(x, shape), tf.ensure_shape(y, (None, batches.classes))

    return tf.data.Dataset.range(len(batches)).map(load).prefetch(1)
