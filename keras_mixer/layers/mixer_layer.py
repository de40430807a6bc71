"""One layer of a Mixer."""

import keras
from keras import ops

from keras_mixer.layers.mlp_block import MlpBlock
from keras_mixer.layers.stochastic_depth import StochasticDepth


@keras.saving.register_keras_serializable(package="keras_mixer")
class MixerLayer(keras.layers.Layer):
    """Mixes tokens, then channels, each with a residual connection.

    `u = x + token_mixing(norm(x))` along the tokens, `y = u + channel_mixing(norm(u))` along the
    channels (MLP-Mixer, https://arxiv.org/abs/2105.01601, section 2, equation 1). The defaults
    are the official Flax code's numerics.

    Args:
        tokens_mlp_dim: hidden width of the token-mixing MLP, D_S.
        channels_mlp_dim: hidden width of the channel-mixing MLP, D_C.
        dropout: rate of dropout inside both MLPs.
        stochastic_depth: rate at which a sample skips an MLP while training; one number for
            both MLPs or a pair `(token mixing, channel mixing)`.
        gelu_approximate: `True` for the tanh form of GELU (official weights), `False` for the
            exact form (weights trained with timm).
        epsilon: added to the variance by both layer normalisations.
        seed: integer seed of dropout and stochastic depth; by default a random one.
        remat: whether the activations inside both MLPs are computed again in the backward pass of
            a training step, instead of being kept: less memory, a third more work. The masks of
            dropout would be drawn again too, other ones, so not with `dropout`.

    Input shape:
        `(batch, tokens, channels)`; tokens and channels must be known.

    Output shape:
        Same as the input.

    Raises:
        ValueError: a width is not a positive integer, a rate is outside [0, 1), `remat` together
            with `dropout`, or tokens or channels are unknown.
    """

    def __init__(
        self,
        tokens_mlp_dim,
        channels_mlp_dim,
        dropout=0.0,
        stochastic_depth=0.0,
        gelu_approximate=True,
        epsilon=1e-6,
        seed=None,
        remat=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if remat and dropout:
            raise ValueError(
                f"`remat` and `dropout` exclude each other. Received: dropout={dropout!r}"
            )
        self.tokens_mlp_dim = tokens_mlp_dim
        self.channels_mlp_dim = channels_mlp_dim
        self.dropout = float(dropout)
        self.stochastic_depth = stochastic_depth
        self.gelu_approximate = gelu_approximate
        self.epsilon = epsilon
        self.seed = seed
        self.remat = remat
        self.supports_masking = True

        # Four independent streams of random numbers from the one seed.
        seeds = [None] * 4 if seed is None else [4 * seed + i for i in range(4)]

        def norm(name):
            return keras.layers.LayerNormalization(
                epsilon=epsilon, dtype=self.dtype_policy, name=name
            )

        def mlp(mlp_dim, seed, name):
            return MlpBlock(
                mlp_dim, dropout, gelu_approximate, seed, dtype=self.dtype_policy, name=name
            )

        single = isinstance(stochastic_depth, int | float)
        rates = (stochastic_depth,) * 2 if single else tuple(stochastic_depth)
        self.layer_norm_0 = norm("layer_norm_0")
        self.token_mixing = mlp(tokens_mlp_dim, seeds[0], "token_mixing")
        self.layer_norm_1 = norm("layer_norm_1")
        self.channel_mixing = mlp(channels_mlp_dim, seeds[1], "channel_mixing")
        self.token_depth, self.channel_depth = (
            StochasticDepth(rate, seed, dtype=self.dtype_policy)
            for rate, seed in zip(rates, seeds[2:], strict=True)
        )

    def build(self, input_shape):
        batch, tokens, channels = input_shape
        if tokens is None or channels is None:
            raise ValueError(
                "A MixerLayer needs a known number of tokens and channels, since its weights "
                f"depend on both. Received: input_shape={tuple(input_shape)}"
            )
        self.layer_norm_0.build(input_shape)
        self.token_mixing.build((batch, channels, tokens))
        self.layer_norm_1.build(input_shape)
        self.channel_mixing.build(input_shape)

    def call(self, inputs, training=False):
        # Stochastic depth draws its masks outside of what is computed again.
        again = keras.remat if self.remat and training else lambda mix: mix

        def mix_tokens(x):
            # A matrix product with both transposes around it: `apps/benchmarks/token_mixing.py`
            # times it beside forms that leave the tokens in place (figures: CONTRIBUTING.md).
            x = ops.transpose(self.layer_norm_0(x), (0, 2, 1))  # b s c -> b c s
            x = self.token_mixing(x, training=training)
            return ops.transpose(x, (0, 2, 1))  # b c s -> b s c

        def mix_channels(x):
            return self.channel_mixing(self.layer_norm_1(x), training=training)

        u = inputs + self.token_depth(again(mix_tokens)(inputs), training=training)
        return u + self.channel_depth(again(mix_channels)(u), training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "tokens_mlp_dim": self.tokens_mlp_dim,
            "channels_mlp_dim": self.channels_mlp_dim,
            "dropout": self.dropout,
            "stochastic_depth": self.stochastic_depth,
            "gelu_approximate": self.gelu_approximate,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "remat": self.remat,
        }
