"""The Dense of an MLP: what Keras' own computes, however it is told to."""

import keras
import numpy as np
import pytest

from keras_mixer.layers.dense import Dense


def pair(dtype="float32", **kwargs):
    """Ours and Keras' own, with the same random weights, and an input."""
    rng = np.random.default_rng(0)
    ours, keras_own = Dense(5, dtype=dtype, **kwargs), keras.layers.Dense(5, dtype=dtype, **kwargs)
    for layer in (ours, keras_own):
        layer.build((None, 7, 4))
    values = [rng.normal(size=w.shape).astype("float32") for w in ours.weights]
    for layer in (ours, keras_own):
        layer.set_weights(values)
    return ours, keras_own, rng.normal(size=(2, 7, 4)).astype("float32")


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1)], ids=["contiguous", "transposed"])
def test_against_float64(axes):
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    transposed = np.transpose(x, axes)
    ours = Dense(5)
    ours.build(transposed.shape)
    kernel, bias = (np.random.default_rng(1).normal(size=w.shape) for w in ours.weights)
    ours.set_weights([kernel, bias])
    found = ours(keras.ops.transpose(keras.ops.convert_to_tensor(x), axes))
    expected = transposed.astype("float64") @ kernel + bias
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kwargs", [{}, {"use_bias": False}, {"activation": "tanh"}])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_as_keras(dtype, kwargs):
    ours, keras_own, x = pair(dtype, **kwargs)
    found, expected = ours(x), keras_own(x)
    assert found.dtype == expected.dtype
    # In bfloat16 Keras rounds the product before it adds the bias.
    tolerance = 1e-6 if dtype == "float32" else 0.03
    found, expected = (
        keras.ops.convert_to_numpy(keras.ops.cast(y, "float32")) for y in (found, expected)
    )
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_integers():
    ours, keras_own, _ = pair()
    x = np.arange(56).reshape(2, 7, 4)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours(x)), keras.ops.convert_to_numpy(keras_own(x)), rtol=1e-5
    )


@pytest.mark.parametrize("alpha", [None, 1, 2, 8])
def test_lora(alpha):
    ours, keras_own, x = pair()
    kernel_and_bias = ours.get_weights()
    for layer in (ours, keras_own):
        layer.enable_lora(2, lora_alpha=alpha)
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(4, 2)), rng.normal(size=(2, 5))
    for layer in (ours, keras_own):
        layer.lora_kernel_a.assign(a)
        layer.lora_kernel_b.assign(b)
    kernel, bias = kernel_and_bias
    found = keras.ops.convert_to_numpy(ours(x))
    product = (alpha or 2) / 2 * a @ b
    np.testing.assert_allclose(found, x @ (kernel + product) + bias, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found, keras.ops.convert_to_numpy(keras_own(x)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("mode", "lora"), [("int8", False), ("int8", True), ("float8", False)])
def test_quantisation(mode, lora):
    ours, keras_own, x = pair()
    exact = keras.ops.convert_to_numpy(ours(x))
    for layer in (ours, keras_own):
        if lora:
            layer.enable_lora(2)
        layer.quantize(mode)
    found = keras.ops.convert_to_numpy(ours(x))
    np.testing.assert_array_equal(found, keras.ops.convert_to_numpy(keras_own(x)))
    assert 0 < np.abs(found - exact).max() < (0.1 if mode == "int8" else 1)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_constraint": keras.constraints.MaxNorm(1.0), "bias_constraint": "non_neg"},
        {"kernel_initializer": "ones", "bias_initializer": "ones", "name": "mine"},
        {"activity_regularizer": keras.regularizers.L2(0.1), "trainable": False},
        {"kernel_regularizer": "l2", "bias_regularizer": keras.regularizers.L1(0.1)},
        {"lora_rank": 2, "lora_alpha": 4},
    ],
    ids=", ".join,
)
def test_every_other_option_of_keras(options):
    ours, keras_own, x = pair(**options)
    outputs, losses = [], []
    for layer in (ours, keras_own):
        outputs.append(keras.ops.convert_to_numpy(layer(x)))
        losses.append([float(keras.ops.convert_to_numpy(loss)) for loss in layer.losses])
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert bool(losses[0]) is any("regularizer" in name for name in options)
    assert {**ours.get_config(), "name": ""} == {**keras_own.get_config(), "name": ""}
    assert ours.trainable is keras_own.trainable
