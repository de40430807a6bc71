"""What a training run makes small, and what it counts."""

import keras
from keras import ops

from keras_mixer.arguments import rate
from keras_mixer.training.recipe import Recipe


@keras.saving.register_keras_serializable(package="keras_mixer")
class SigmoidCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of each class, summed over the classes, averaged over the batch.

    As google-research/big_vision pre-trains Mixers. Keras' own averages over the classes, which
    is as many times smaller: another balance with clipping and weight decay.

    Args:
        from_logits: whether predictions are logits, else probabilities.
        label_smoothing: share of each label that is spread evenly over all classes.

    Call shape:
        labels and predictions `(batch, classes)`; a loss in nats.
    """

    def __init__(
        self, from_logits=True, label_smoothing=0.0, name="sigmoid_crossentropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.from_logits = from_logits
        self.label_smoothing = rate(label_smoothing, "label_smoothing")

    def call(self, y_true, y_pred):
        y_true = y_true * (1 - self.label_smoothing) + self.label_smoothing / y_true.shape[-1]
        each = ops.binary_crossentropy(y_true, y_pred, from_logits=self.from_logits)
        return ops.sum(each, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable(package="keras_mixer")
class Top1(keras.metrics.CategoricalAccuracy):
    """The share of images whose class has the highest score; labels of zeros are no images.

    Arguments are those of `keras.metrics.CategoricalAccuracy`, and `sample_weight` counts as there.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true, self.dtype)
        weight = ops.cast(ops.sum(y_true, axis=-1) > 0.5, self.dtype)
        if sample_weight is not None:
            given = ops.convert_to_tensor(sample_weight, self.dtype)
            if len(given.shape) > len(weight.shape):  # (batch, 1), as Keras takes it too.
                given = ops.squeeze(given, axis=-1)
            weight = weight * given
        return super().update_state(y_true, y_pred, weight)


def make_loss(recipe: Recipe, from_logits: bool = True) -> keras.losses.Loss:
    """The loss of a recipe, for labels that are shares of each class."""
    loss = {"softmax": keras.losses.CategoricalCrossentropy, "sigmoid": SigmoidCrossentropy}
    return loss[recipe.loss](from_logits=from_logits, label_smoothing=recipe.label_smoothing)


# What hands on probabilities as such: they stay shares of one.
_HANDS_ON = (
    *(keras.layers.Average, keras.layers.Dropout, keras.layers.Flatten, keras.layers.Identity),
    keras.layers.Reshape,
)


def gives_logits(model: keras.Model) -> bool:
    """Whether the scores of a model come out of no activation, such as softmax or sigmoid.

    Looked at is the last layer, in the last model of nested ones, or what an average, dropout or
    reshaping behind it hands on.
    """
    if getattr(model, "outputs", None):
        return not all(map(_has_activation, model.outputs))
    return (
        gives_logits(last) if isinstance(last := model.layers[-1], keras.Model) else not _acts(last)
    )


def _has_activation(tensor) -> bool:
    layer, node, _ = tensor._keras_history
    if isinstance(layer, keras.Model):
        return not gives_logits(layer)
    if isinstance(layer, _HANDS_ON) or (
        isinstance(layer, keras.layers.Activation) and not _acts(layer)
    ):
        return all(map(_has_activation, layer._inbound_nodes[node].input_tensors))
    return _acts(layer)


def _acts(layer) -> bool:
    if isinstance(layer, keras.layers.Softmax):
        return True
    return getattr(layer, "activation", None) not in (None, keras.activations.linear)
