"""One layer of a Mixer."""

import keras

from keras_mixer import arguments
from keras_mixer.arguments import plain, rate, seed_or_none, whole
from keras_mixer.layers.computed_once import computed_once
from keras_mixer.layers.mlp_block import MlpBlock
from keras_mixer.layers.stochastic_depth import StochasticDepth
from keras_mixer.layers.token_mixing import TokenMixing


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
            a training step, instead of being kept: less memory, a sixth more work, for the first
            product of each MLP is done again. The masks of dropout would be drawn again too, other
            ones, so not with `dropout`.
        token_mixing: form of the token mixing, `"shared"` or an ablation of appendix A.1:
            `"untied"`, `"grouped"`, `"views"`; see `TokenMixing`.
        groups: G of `"grouped"` and `"views"`.
        tokens: number of tokens that the layer puts out, below that of the input, for a pyramid
            (appendix A.1); by default as many as come in. The shapes differ then, so there is no
            residual connection around token mixing, `u = token_mixing(norm(x))`, and no
            stochastic depth of it. That is this package's choice: the paper does not say.

    Input shape:
        `(batch, tokens, channels)`; tokens and channels must be known.

    Output shape:
        Same as the input, but for `tokens`.

    Raises:
        ValueError: a width is not a positive integer, a rate is outside [0, 1), `remat` together
            with `dropout`, stochastic depth of the token mixing together with `tokens`, or as
            `TokenMixing`.
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
        *,
        token_mixing="shared",
        groups=None,
        tokens=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if remat and dropout:
            raise ValueError(
                f"`remat` and `dropout` exclude each other. Received: dropout={dropout!r}"
            )
        single = isinstance(plain(stochastic_depth), int | float)
        rates = tuple(map(plain, (stochastic_depth,) * 2 if single else stochastic_depth))
        self.stochastic_depth = rates[0] if single else rates
        if len(rates) != 2:
            raise ValueError(
                "`stochastic_depth` must be a rate or a pair of rates, (token mixing, channel "
                f"mixing). Received: {stochastic_depth!r}"
            )
        if tokens is not None and rates[0]:
            raise ValueError(
                "With `tokens` there is no residual connection around token mixing, so no "
                "stochastic depth of it: pass `stochastic_depth=(0, rate)`. "
                f"Received: stochastic_depth={stochastic_depth!r}"
            )
        self.tokens_mlp_dim = whole(tokens_mlp_dim, "tokens_mlp_dim")
        self.channels_mlp_dim = whole(channels_mlp_dim, "channels_mlp_dim")
        self.dropout = rate(dropout, "dropout")
        self.gelu_approximate = bool(gelu_approximate)
        self.epsilon = epsilon = arguments.epsilon(epsilon)
        self.seed = seed = seed_or_none(seed)
        self.remat = bool(remat)
        self.supports_masking = tokens is None

        # Four independent streams of random numbers from the one seed.
        seeds = [None] * 4 if seed is None else [4 * seed + i for i in range(4)]

        def norm(name):
            return keras.layers.LayerNormalization(
                epsilon=epsilon, dtype=self.dtype_policy, name=name
            )

        self.layer_norm_0 = norm("layer_norm_0")
        self.token_mixing = TokenMixing(
            self.tokens_mlp_dim,
            self.dropout,
            gelu_approximate,
            seeds[0],
            form=token_mixing,
            groups=groups,
            tokens=tokens,
            dtype=self.dtype_policy,
            name="token_mixing",
        )
        self.layer_norm_1 = norm("layer_norm_1")
        self.channel_mixing = MlpBlock(
            self.channels_mlp_dim,
            self.dropout,
            gelu_approximate,
            seeds[1],
            dtype=self.dtype_policy,
            name="channel_mixing",
        )
        self.token_depth, self.channel_depth = (
            StochasticDepth(probability, own, dtype=self.dtype_policy)
            for probability, own in zip(rates, seeds[2:], strict=True)
        )

    @property
    def plain(self):
        """Whether token mixing is as in section 2: one MLP for all channels, no token less."""
        return self.token_mixing.form == "shared" and self.token_mixing.tokens is None

    def build(self, input_shape):
        _, tokens, channels = input_shape
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={1: tokens, 2: channels})
        self.token_mixing.build(input_shape)
        self.layer_norm_0.build(input_shape)
        mixed_shape = self.compute_output_shape(input_shape)
        self.layer_norm_1.build(mixed_shape)
        self.channel_mixing.build(mixed_shape)

    def call(self, inputs, training=False):
        # Stochastic depth draws its masks outside of what is computed again.
        again = keras.remat if self.remat and training else lambda mix: mix
        kept = computed_once if training else lambda x: x  # Gradients are taken in training.

        def mix_tokens(x):
            return self.token_mixing(self.layer_norm_0(kept(x)), training=training)

        def mix_channels(x):
            return self.channel_mixing(self.layer_norm_1(kept(x)), training=training)

        u = again(mix_tokens)(inputs)
        if self.token_mixing.tokens is None:
            u = inputs + self.token_depth(u, training=training)
        return u + self.channel_depth(again(mix_channels)(u), training=training)

    def compute_output_shape(self, input_shape):
        return self.token_mixing.compute_output_shape(input_shape)

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
            "token_mixing": self.token_mixing.form,
            "groups": self.token_mixing.groups,
            "tokens": self.token_mixing.tokens,
        }
