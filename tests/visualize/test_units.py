"""The weights of a model as pictures."""

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer.layers import MixerLayer, Patches
from keras_mixer.visualize import sort_units, stem_units, token_mixing_units

SPEC = keras_mixer.MixerSpec("oblong", (4, 2), 2, 9, 6, 8, (12, 10))  # 3 x 5 tokens


@pytest.fixture
def layout():
    return "channels_last"


@pytest.fixture
def model(layout, randomize):
    keras.config.set_image_data_format(layout)
    return randomize(keras_mixer.Mixer(SPEC, weights=None, classes=3))


def images(picture):
    """A batch of one picture `(height, width, 3)` as the model takes it."""
    first = keras.config.image_data_format() == "channels_first"
    return (picture.transpose(2, 0, 1) if first else picture)[None].astype("float32")


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_unit_is_what_it_answers_to_token_by_token(model):
    units = token_mixing_units(model, 1, sort=False)
    assert units.shape == (6, 3, 5)
    dense = model.get_layer("mixer_block_1").token_mixing.dense_0
    for row in range(3):
        for column in range(5):
            one_token = np.zeros((1, 15), "float32")
            one_token[0, 5 * row + column] = 1
            answer = keras.ops.convert_to_numpy(dense(one_token) - dense(0 * one_token))
            np.testing.assert_allclose(units[:, row, column], answer[0], atol=1e-6)


def test_units_are_sorted_and_paired(model):
    y, x = np.indices((3, 5))
    coarse = np.ones((3, 5))
    middle = np.cos(2 * np.pi * x / 5)
    fine = np.cos(2 * np.pi * (y / 3 + 2 * x / 5))
    planted = np.array([fine, -middle, 2 * coarse, -fine, middle, -coarse])
    kernel = model.get_layer("mixer_block_0").token_mixing.dense_0.kernel
    kernel.assign(planted.reshape(6, 15).T)
    expected = [2 * coarse, -coarse, -middle, middle, fine, -fine]
    np.testing.assert_allclose(token_mixing_units(model, 0), expected, atol=1e-6)


def test_the_order_leads_back_to_the_kernel(model):
    units = token_mixing_units(model, 0, sort=False)
    np.testing.assert_array_equal(token_mixing_units(model, 0), units[sort_units(units)])


def test_adapters_are_part_of_the_weights(model):
    before = token_mixing_units(model, 0, sort=False)
    dense = model.get_layer("mixer_block_0").token_mixing.dense_0
    dense.enable_lora(1)
    dense.lora_kernel_a.assign(np.ones((15, 1)))
    dense.lora_kernel_b.assign(np.arange(6.0)[None])
    got = token_mixing_units(model, 0, sort=False)
    np.testing.assert_allclose(got, before + np.arange(6.0)[:, None, None], atol=1e-6)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_stem_unit_answers_most_to_its_own_picture(model):
    """Each token shows one unit; of vectors of one length, that unit's answer is the largest."""
    stem = model.get_layer("stem")
    kernel = keras.ops.convert_to_numpy(stem.kernel)
    stem.kernel.assign(kernel / np.linalg.norm(kernel, axis=0))
    stem.bias.assign(np.zeros(9))
    patches = stem_units(model)
    assert patches.shape == (9, 4, 2, 3)
    shown = np.arange(15) % 9
    picture = np.zeros((12, 10, 3))
    for token, unit in enumerate(shown):
        top, left = token // 5 * 4, token % 5 * 2
        picture[top : top + 4, left : left + 2] = patches[unit]
    answers = keras.Model(model.input, stem.output).predict(images(picture), verbose=0)[0]
    np.testing.assert_array_equal(answers.argmax(axis=1), shown)
    np.testing.assert_allclose(answers.max(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("block", [2, -1, None])
def test_an_unknown_block_is_refused(model, block):
    with pytest.raises(ValueError, match=r"one of the 2 of oblong, 0 to 1\. Received"):
        token_mixing_units(model, block)


def test_a_model_without_mixer_layers_is_refused():
    inputs = keras.Input((8, 8, 3))
    plain = keras.Model(inputs, keras.layers.Flatten()(inputs), name="plain")
    with pytest.raises(ValueError, match=r"plain has no `MixerLayer`\. Pass a Mixer\."):
        token_mixing_units(plain, 0)
    with pytest.raises(ValueError, match="plain has 0 `Patches` layers and must have one"):
        stem_units(plain)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"token_mixing": "untied"}, r"\(6, 16, 5\)"),
        ({"token_mixing": "grouped", "groups": 3}, r"\(48, 5\)"),
        ({"token_mixing": "views", "groups": 2}, r"\(32, 5\)"),
    ],
)
def test_other_forms_of_token_mixing_are_refused(options, shape):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(6)(Patches(2)(inputs))
    net = keras.Model(inputs, MixerLayer(5, 7, name="block", **options)(x), name="net")
    with pytest.raises(ValueError, match=f"block of net mixes .* {shape}; .* 4x4 tokens"):
        token_mixing_units(net, 0)


def test_of_a_pyramid_the_blocks_on_all_tokens_can_be_shown():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(6)(Patches(2)(inputs))
    x = MixerLayer(5, 7, tokens=4)(x)
    net = keras.Model(inputs, MixerLayer(5, 7, name="block")(x), name="net")
    assert token_mixing_units(net, 0).shape == (5, 4, 4)
    with pytest.raises(ValueError, match=r"block of net mixes .* \(4, 5\); .* 4x4 tokens"):
        token_mixing_units(net, 1)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_stem_of_other_channels_is_refused(channels):
    net = keras_mixer.Mixer(SPEC, weights=None, input_shape=(12, 10, channels))
    with pytest.raises(ValueError, match=rf"\(24, units\).*Received: \({8 * channels}, 9\)"):
        stem_units(net)


def test_a_model_without_a_stem_is_refused():
    inputs = keras.Input((8, 8, 3))
    net = keras.Model(inputs, Patches(4)(inputs), name="net")
    with pytest.raises(ValueError, match=r"dense layer `stem` .*Received: no such layer"):
        stem_units(net)
