"""The MLP that both kinds of mixing use."""

import keras
from keras import ops

from keras_mixer.arguments import rate, seed_or_none, whole
from keras_mixer.layers.dense import Dense
from keras_mixer.layers.initial import LecunNormal


@keras.saving.register_keras_serializable(package="keras_mixer")
class MlpBlock(keras.layers.Layer):
    """Dense, GELU, Dense along the last axis, back to the input's width.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 2, equation 1. The kernels start
    LeCun-normal and the biases at zero, as in the official Flax code.

    Args:
        mlp_dim: hidden width.
        dropout: rate of dropout after the GELU and after the second Dense.
        gelu_approximate: `True` for the tanh form of GELU, as in the official code, `False` for
            the exact form, as in timm.
        seed: integer seed of the dropout; by default a random one.

    Input shape:
        `(..., features)` with known `features`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: `mlp_dim` is not a positive integer, `dropout` is outside [0, 1), or
            `features` is unknown.
    """

    def __init__(self, mlp_dim, dropout=0.0, gelu_approximate=True, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.mlp_dim = whole(mlp_dim, "mlp_dim")
        self.dropout = rate(dropout, "dropout")
        self.gelu_approximate = bool(gelu_approximate)
        self.seed = seed_or_none(seed)
        self.supports_masking = True

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                "The last axis of the input of an MlpBlock must be known when it is built, since "
                f"its weights depend on it. Received: input_shape={tuple(input_shape)}"
            )

        self.input_spec = keras.layers.InputSpec(axes={-1: features})
        self._build_layers(input_shape, features)

    def _build_layers(self, input_shape, units):
        """The layers of an MLP that takes the last axis of `input_shape` to `units`."""
        self.dense_0 = self._dense(self.mlp_dim, input_shape, "dense_0")
        self.dense_1 = self._dense(units, (*input_shape[:-1], self.mlp_dim), "dense_1")
        self.drop = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="drop"
        )

    def _dense(self, units, input_shape, name):
        dense = Dense(units, kernel_initializer=LecunNormal(), dtype=self.dtype_policy, name=name)
        dense.build(input_shape)
        return dense

    def call(self, inputs, training=False):
        x = ops.gelu(self.dense_0(inputs), approximate=self.gelu_approximate)
        x = self.dense_1(self.drop(x, training=training))
        return self.drop(x, training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "mlp_dim": self.mlp_dim,
            "dropout": self.dropout,
            "gelu_approximate": self.gelu_approximate,
            "seed": self.seed,
        }
