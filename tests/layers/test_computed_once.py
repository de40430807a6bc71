"""The mark that a value is kept changes what a compiler does, not what comes out."""

import keras
import numpy as np
import pytest

from keras_mixer import MixerLayer
from keras_mixer.layers import mixer_layer
from keras_mixer.layers.computed_once import computed_once


def test_value():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    kept = computed_once(keras.ops.convert_to_tensor(x))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kept), x)


def gradient(depth, x):
    """Of a stack of layers on JAX, compiled."""
    import jax

    inputs = y = keras.Input(x.shape[1:])
    for i in range(depth):
        y = MixerLayer(8, 16, seed=i)(y)
    model = keras.Model(inputs, y)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.3, size=variable.shape))
    fixed = [v.value for v in model.non_trainable_variables]

    def loss(trainable):
        y, _ = model.stateless_call(trainable, fixed, x, training=True)
        return jax.numpy.square(y).mean()

    values = [v.value for v in model.trainable_variables]
    compiled = jax.jit(jax.grad(loss)).lower(values).compile()
    return compiled.cost_analysis()["flops"], compiled(values)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA as JAX calls it")
def test_work_grows_with_depth_and_no_faster(monkeypatch):
    """Each further layer costs the same; without the mark, the more the deeper it lies."""
    x = np.random.default_rng(0).normal(size=(4, 16, 32)).astype("float32")

    def growth():
        (few, _), (more, gradients), (most, _) = (gradient(depth, x) for depth in (1, 3, 5))
        return (most - more) / (more - few), gradients

    marked, gradients = growth()
    monkeypatch.setattr(mixer_layer, "computed_once", lambda x: x)
    bare, expected = growth()
    assert marked == pytest.approx(1, abs=0.02)
    assert bare > 1.1  # Where this fails, the compiler no longer needs the mark.
    for found, wanted in zip(gradients, expected, strict=True):
        scale = np.abs(np.asarray(wanted)).max()
        np.testing.assert_allclose(found, wanted, atol=1e-5 * scale)
