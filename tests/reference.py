"""MLP-Mixer in NumPy float64, written from the paper's equations and nothing else.

Equation 1 of https://arxiv.org/abs/2105.01601 with the numerics of the official Flax code: the
tanh form of GELU, layer normalisation with epsilon 1e-6.
"""

import math

import numpy as np


def gelu(x, approximate=True):
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def layer_norm(x, gamma, beta, epsilon=1e-6):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def mlp(x, weights, name, approximate=True):
    x = x @ weights[f"{name}/dense_0/kernel"] + weights[f"{name}/dense_0/bias"]
    x = gelu(x, approximate)
    return x @ weights[f"{name}/dense_1/kernel"] + weights[f"{name}/dense_1/bias"]


def mixer_layer(x, weights, name, approximate=True, epsilon=1e-6):
    """`x` is (batch, S, C)."""

    def norm(x, which):
        path = f"{name}/layer_norm_{which}"
        return layer_norm(x, weights[f"{path}/gamma"], weights[f"{path}/beta"], epsilon)

    mixed = mlp(norm(x, 0).swapaxes(1, 2), weights, f"{name}/token_mixing", approximate)
    u = x + mixed.swapaxes(1, 2)
    return u + mlp(norm(u, 1), weights, f"{name}/channel_mixing", approximate)


def patches(images, p, q):
    """Raster order over the image; inside a patch row, column, channel. One patch at a time."""
    batch, height, width, _ = images.shape
    tokens = [
        images[:, top : top + p, left : left + q].reshape(batch, -1)
        for top in range(0, height, p)
        for left in range(0, width, q)
    ]
    return np.stack(tokens, axis=1)


def mixer_logits(images, weights, patch_size, approximate=True, epsilon=1e-6):
    """Logits (batch, classes) of images (batch, height, width, channels)."""
    weights = {name: np.asarray(array, "float64") for name, array in weights.items()}
    x = patches(np.asarray(images, "float64"), *patch_size)
    x = x @ weights["stem/kernel"] + weights["stem/bias"]
    block = 0
    while f"mixer_block_{block}/layer_norm_0/gamma" in weights:
        x = mixer_layer(x, weights, f"mixer_block_{block}", approximate, epsilon)
        block += 1
    norm = "pre_head_layer_norm"
    x = layer_norm(x, weights[f"{norm}/gamma"], weights[f"{norm}/beta"], epsilon)
    return x.mean(axis=1) @ weights["head/kernel"] + weights["head/bias"]


def weights_of(model):
    """`{path: array}` of the trainable weights of a Keras model."""
    return {v.path: np.array(v.numpy(), "float64") for v in model.trainable_variables}
