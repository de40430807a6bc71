"""The MLP along the tokens, in the paper's own form and in those of its ablations."""

import keras
from keras import ops

from keras_mixer.arguments import whole
from keras_mixer.layers.initial import LecunNormal
from keras_mixer.layers.mlp_block import MlpBlock

FORMS = ("shared", "untied", "grouped", "views")


@keras.saving.register_keras_serializable(package="keras_mixer")
class TokenMixing(MlpBlock):
    """An MLP along the tokens: one that all channels share, or an ablation of it.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 2, equation 1, for `"shared"`, appendix
    A.1 for the other forms. Of S tokens with C channels:

    - `"shared"`: each channel is a vector of length S, and one MLP acts on all C of them.
    - `"untied"`: each channel has an MLP of its own, so there are C times the parameters.
    - `"grouped"`: G neighbouring channels are one vector. X (S x C) is reshaped to
      (S G) x (C / G), one MLP acts on its C / G columns, and it is reshaped back.
    - `"views"`: G learned linear functions R^C -> R^(C / G) without biases give G views of each
      token, which are then mixed as in `"grouped"`, number k of view g as channel k G + g. Their
      matrices stand side by side in one kernel (C, C), in that order of columns.

    With `tokens`, S' of them come out of any form (the pyramid of appendix A.1): where the MLP
    would end in S or S G numbers, it ends in S' or S' G.

    Args:
        mlp_dim: hidden width, D_S.
        dropout: as in `MlpBlock`.
        gelu_approximate: as in `MlpBlock`.
        seed: as in `MlpBlock`.
        form: `"shared"`, `"untied"`, `"grouped"` or `"views"`.
        groups: G, for `"grouped"` and `"views"` alone; it divides the channels.
        tokens: S', below the number of tokens of the input; by default that number itself.

    Input shape:
        `(batch, S, C)`; S and C must be known.

    Output shape:
        `(batch, S, C)`, or `(batch, S', C)` with `tokens`.

    Raises:
        ValueError: an argument is not as above or as in `MlpBlock`, or S or C is unknown.
    """

    def __init__(
        self,
        mlp_dim,
        dropout=0.0,
        gelu_approximate=True,
        seed=None,
        *,
        form="shared",
        groups=None,
        tokens=None,
        **kwargs,
    ):
        super().__init__(mlp_dim, dropout, gelu_approximate, seed, **kwargs)
        if form not in FORMS:
            raise ValueError(
                f"The form of token mixing must be one of {', '.join(map(repr, FORMS))}. "
                f"Received: {form!r}"
            )
        if form in ("grouped", "views"):
            groups = whole(groups, "groups")
        elif groups is not None:
            raise ValueError(
                "`groups` is for the token mixing 'grouped' or 'views' alone. "
                f"Received: groups={groups!r} with {form!r}"
            )
        self.form = form
        self.groups = groups
        self.tokens = None if tokens is None else whole(tokens, "tokens")
        self.supports_masking = tokens is None

    def build(self, input_shape):
        batch, tokens, channels = input_shape
        if tokens is None or channels is None:
            raise ValueError(
                "Token mixing needs a known number of tokens and channels, since its weights "
                f"depend on both. Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={1: tokens, 2: channels})
        groups = self.groups or 1
        if channels % groups:
            raise ValueError(
                f"`groups` must divide the number of channels, {channels}. "
                f"Received: groups={groups}"
            )
        if self.tokens is not None and self.tokens >= tokens:
            raise ValueError(
                f"`tokens` must be below the number of tokens of the input, {tokens}. "
                f"Received: tokens={self.tokens}"
            )
        if self.form == "views":
            self.views = keras.layers.Dense(
                channels,
                use_bias=False,
                kernel_initializer=LecunNormal(),
                dtype=self.dtype_policy,
                name="views",
            )
            self.views.build(input_shape)
        units = groups * (self.tokens or tokens)
        self._build_layers((batch, channels // groups, groups * tokens), units)

    def _dense(self, units, input_shape, name):
        if self.form != "untied":
            return super()._dense(units, input_shape, name)
        channels = input_shape[1]
        dense = keras.layers.EinsumDense(
            "bcs,csu->bcu",
            (channels, units),
            bias_axes="cu",
            kernel_initializer=LecunNormal(),  # Among the inputs of one channel.
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build(input_shape)
        return dense

    def call(self, inputs, training=False):
        if self._in_place():
            x = ops.gelu(_along_tokens(self.dense_0, inputs), approximate=self.gelu_approximate)
            x = _along_tokens(self.dense_1, self.drop(x, training=training))
            return self.drop(x, training=training)
        x = self.views(inputs) if self.form == "views" else inputs
        x = super().call(self._to_vectors(x), training=training)
        return self._to_tokens(x)

    # A matrix product with both transposes around it; on PyTorch, which copies what it transposes,
    # the form that leaves the tokens in place. `apps/benchmarks/token_mixing.py` times five forms
    # on each backend (figures: CONTRIBUTING.md).

    def _in_place(self):
        exact = all(d.quantization_mode is None for d in (self.dense_0, self.dense_1))
        return keras.backend.backend() == "torch" and self.form == "shared" and exact

    def _to_vectors(self, x):
        if self.groups is None:
            return ops.transpose(x, (0, 2, 1))  # b s c -> b c s
        _, tokens, channels = x.shape
        x = ops.reshape(x, (-1, tokens, channels // self.groups, self.groups))
        x = ops.transpose(x, (0, 2, 1, 3))  # b s k g -> b k s g
        return ops.reshape(x, (-1, channels // self.groups, tokens * self.groups))

    def _to_tokens(self, x):
        if self.groups is None:
            return ops.transpose(x, (0, 2, 1))  # b c s -> b s c
        _, vectors, length = x.shape
        x = ops.reshape(x, (-1, vectors, length // self.groups, self.groups))
        x = ops.transpose(x, (0, 2, 1, 3))  # b k s g -> b s k g
        return ops.reshape(x, (-1, length // self.groups, vectors * self.groups))

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        return (batch, self.tokens or tokens, channels)

    def get_config(self):
        return {
            **super().get_config(),
            "form": self.form,
            "groups": self.groups,
            "tokens": self.tokens,
        }


def _along_tokens(dense, x):
    """`dense` along axis 1 of `x`, `(batch, tokens, channels)`, on PyTorch."""
    import torch

    kernel, bias, x = (ops.cast(t, dense.compute_dtype) for t in (dense.kernel, dense.bias, x))
    weights = kernel.T.expand(x.shape[0], -1, -1)  # Not copied.
    return torch.baddbmm(bias[:, None], weights, x)
