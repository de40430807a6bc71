"""Activity of units beside the paper's equation in NumPy float64."""

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer.visualize import unit_activity

LAYOUTS = ("channels_last", "channels_first")


def as_float64(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("block", [0, 1])
def test_it_is_the_mean_over_channels_of_the_hidden_activations(
    tiny, rng, randomize, layout, block
):
    keras.config.set_image_data_format(layout)
    model = randomize(keras_mixer.Mixer(tiny, weights=None, classes=4))
    shape = (2, 3, 8, 12) if layout == "channels_first" else (2, 8, 12, 3)
    images = rng.normal(size=shape).astype("float32")
    before = model.get_layer("stem" if block == 0 else "mixer_block_0").output
    x = as_float64(keras.Model(model.input, before)(images))

    layer = model.get_layer(f"mixer_block_{block}")
    norm, dense = layer.layer_norm_0, layer.token_mixing.dense_0
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    x = x * as_float64(norm.gamma) + as_float64(norm.beta)
    z = np.einsum("bsc,su->bcu", x, as_float64(dense.kernel)) + as_float64(dense.bias)
    hidden = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    found = unit_activity(model, images, block)
    np.testing.assert_allclose(found, hidden.mean(axis=1), atol=1e-5)


def test_a_block_that_is_not_there_or_mixes_otherwise_is_refused(tiny):
    model = keras_mixer.Mixer(tiny, weights=None, classes=4)
    images = np.zeros((1, 8, 12, 3), "float32")
    with pytest.raises(ValueError, match="`block` must be one of the 2 of tiny, 0 to 1"):
        unit_activity(model, images, 2)
    untied = keras_mixer.Mixer(tiny, weights=None, classes=4, token_mixing="untied")
    with pytest.raises(ValueError, match="untied token mixing"):
        unit_activity(untied, images, 0)
