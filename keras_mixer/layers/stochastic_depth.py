"""Dropping whole residual branches, sample by sample."""

import keras
from keras import ops

from keras_mixer import arguments


@keras.saving.register_keras_serializable(package="keras_mixer")
class StochasticDepth(keras.layers.Layer):
    """Zeroes whole samples of a residual branch while training and rescales the others.

    Each sample is kept with probability `1 - rate` and divided by it, so the expectation is
    unchanged; outside training the layer is the identity (Huang et al. 2016,
    https://arxiv.org/abs/1603.09382; rates of MLP-Mixer in appendix B, Table 4).

    Args:
        rate: probability of dropping a sample, in [0, 1).
        seed: integer seed; by default a random one.

    Input shape:
        `(batch, ...)`, any rank of at least one.

    Output shape:
        Same as the input.

    Raises:
        ValueError: `rate` is outside [0, 1).
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = arguments.rate(rate, "rate")
        self.seed = arguments.seed_or_none(seed)
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        return keras.random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
