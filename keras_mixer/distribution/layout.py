"""Which dimension of each weight of a Mixer is split between devices."""

import keras


def mixer_layout(mesh: keras.distribution.DeviceMesh) -> keras.distribution.LayoutMap:
    """The `LayoutMap` of a Mixer for `keras.distribution.ModelParallel`.

    Both MLPs of a layer are `dense_1(gelu(dense_0(x)))`. Of `dense_0` the columns are split: each
    device computes some of the hidden units from all of `x`, bias and GELU included, and asks no
    other one. Of `dense_1` the rows are split alike: each device multiplies its own units, and the
    outputs of all are summed. That sum is one all-reduce for each MLP, two for a layer, in the
    forward pass; the gradient of `x` is a sum over the devices too, which makes two more in the
    backward pass. Everything else is on every device. The scheme is that of Megatron-LM (Shoeybi
    et al. 2019, https://arxiv.org/abs/1909.08053, section 3); that token mixing is an MLP along
    another axis does not matter to it.

    | weight | shape | split |
    |---|---|---|
    | `token_mixing/dense_0/kernel` | (S, D_S) | columns |
    | `token_mixing/dense_0/bias` | (D_S,) | all |
    | `token_mixing/dense_1/kernel` | (D_S, S) | rows |
    | `channel_mixing/dense_0/kernel` | (C, D_C) | columns |
    | `channel_mixing/dense_0/bias` | (D_C,) | all |
    | `channel_mixing/dense_1/kernel` | (D_C, C) | rows |

    Args:
        mesh: devices with an axis `"model"`, whose length divides D_S and D_C.

    Returns:
        Layouts by the path of a variable; the slots of an optimiser follow their variables.

    Example:
        >>> mesh = keras.distribution.DeviceMesh((1, 4), ("batch", "model"))
        >>> layout = mixer_layout(mesh)
    """
    layout = keras.distribution.LayoutMap(mesh)
    for mlp in ("token_mixing", "channel_mixing"):
        layout[f".*{mlp}/dense_0/kernel"] = (None, "model")
        layout[f".*{mlp}/dense_0/bias"] = ("model",)
        layout[f".*{mlp}/dense_1/kernel"] = ("model", None)
    return layout
