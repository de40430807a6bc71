"""A Mixer as a convolutional network computes the same (section 1 of the paper)."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, change_resolution
from keras_mixer.layers import SharedDepthwiseConv2D
from keras_mixer.models import as_convnet
from keras_mixer.training import adapt

TOLERANCE = 1e-4  # of the largest number


def output(model, images):
    return keras.ops.convert_to_numpy(model(images))


def assert_equal_outputs(model, convnet, rng, low=-1, high=1):
    images = rng.uniform(low, high, (2, *model.input_shape[1:])).astype("float32")
    expected = output(model, images)
    actual = output(convnet, images).reshape(expected.shape)
    assert np.abs(expected).max() > 0.1
    assert np.abs(actual - expected).max() < TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize(
    ("shape", "approximate"), [((8, 8, 3), True), ((8, 12, 3), False), ((20, 4, 1), True)]
)
def test_logits(shape, approximate, tiny, randomize, rng):
    model = randomize(
        Mixer(
            tiny,
            weights=None,
            input_shape=shape,
            classes=5,
            classifier_activation=None,
            gelu_approximate=approximate,
            stochastic_depth=0.2,
        )
    )
    convnet = as_convnet(model)
    assert convnet.count_params() == model.count_params()
    assert_equal_outputs(model, convnet, rng)


def test_its_layers_are_convolutions(tiny):
    convnet = as_convnet(Mixer(tiny, weights=None, classes=5))
    assert convnet.get_layer("stem").kernel.shape == (4, 4, 3, 8)
    kinds = {type(layer) for layer in convnet.layers if layer.weights}
    norm, head = keras.layers.LayerNormalization, keras.layers.Dense
    assert kinds == {keras.layers.Conv2D, SharedDepthwiseConv2D, norm, head}
    names = {layer.name: layer for layer in convnet.layers}
    assert names["mixer_block_1_channel_mixing_dense_0"].kernel.shape == (1, 1, 8, 16)
    # Over the grid of 2x3 tokens to 6 hidden units, and over these back to the tokens.
    assert names["mixer_block_0_token_mixing_dense_0"].kernel.shape == (2, 3, 1, 6)
    assert names["mixer_block_0_token_mixing_dense_1"].kernel.shape == (6, 1, 1, 6)
    assert names["mixer_block_0_token_mixing_dense_1"].output.shape == (None, 2, 3, 8)


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_without_a_head(pooling, tiny, randomize, rng):
    model = randomize(Mixer(tiny, include_top=False, weights=None, pooling=pooling))
    convnet = as_convnet(model)
    assert convnet.output_shape == ((None, 8) if pooling else (None, 2, 3, 8))
    assert_equal_outputs(model, convnet, rng)


def test_at_another_resolution_with_preprocessing(tiny, randomize, rng):
    model = Mixer(tiny, weights=None, classes=5, include_preprocessing=True)
    large = change_resolution(randomize(model), (16, 24))
    assert_equal_outputs(large, as_convnet(large), rng, 0, 255)


def test_with_adapters(tiny, randomize, rng):
    model = randomize(Mixer(tiny, weights=None, classes=5))
    adapt.add_lora(model, 2)
    dense = model.get_layer("mixer_block_0").token_mixing.dense_0
    dense.lora_kernel_b.assign(rng.normal(size=dense.lora_kernel_b.shape))
    assert_equal_outputs(model, as_convnet(model), rng)


def test_channels_first(tiny, randomize, rng):
    keras.config.set_image_data_format("channels_first")
    model = randomize(Mixer(tiny, weights=None, classes=5))
    convnet = as_convnet(model)
    assert convnet.input_shape == (None, 3, 8, 12)
    assert_equal_outputs(model, convnet, rng)
    with pytest.raises(ValueError, match="received uint8 pixels"):
        convnet(np.zeros((1, 3, 8, 12), "uint8"))


def test_precision_is_kept(tiny, randomize):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = Mixer(tiny, weights=None, classes=5)
    keras.config.set_dtype_policy("float32")
    convnet = as_convnet(model)
    policies = {x.dtype_policy.name for x in convnet.layers if x.name.startswith("mixer_block")}
    assert policies == {"mixed_bfloat16"}
    scores = output(convnet, np.ones((2, 8, 12, 3), "float32"))
    np.testing.assert_array_equal(scores, np.float32(0.2))  # A new head, in full precision.


def test_save_and_load(tiny, randomize, rng, tmp_path):
    convnet = as_convnet(randomize(Mixer(tiny, weights=None, classes=5)))
    convnet.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    images = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    np.testing.assert_array_equal(output(loaded, images), output(convnet, images))
    with pytest.raises(ValueError, match="received uint8 pixels"):
        loaded(np.zeros((1, 8, 12, 3), "uint8"))


def test_it_stands_alone(tiny, randomize, rng):
    """Training the model afterwards leaves the network as it was."""
    model = randomize(Mixer(tiny, weights=None, classes=5))
    convnet = as_convnet(model)
    images = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    before = output(convnet, images)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(images, np.array([0, 1]))
    np.testing.assert_array_equal(output(convnet, images), before)


@pytest.mark.parametrize(
    "options",
    [
        {"token_mixing": "untied"},
        {"token_mixing": "grouped", "groups": 2},
        {"token_mixing": "views", "groups": 2},
        {"pyramid": {0: 4}},
    ],
)
def test_ablations_are_refused(options, tiny):
    with pytest.raises(ValueError, match="mixer_block_0 of tiny has an ablation of token mixing"):
        as_convnet(Mixer(tiny, weights=None, **options))


def test_other_models_are_refused(tiny):
    model = Mixer(tiny, weights=None, classes=5)
    inputs = keras.Input((8,))
    flat = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="flat")
    tokens = model.get_layer("pre_head_layer_norm").output
    two = keras.Model(model.input, [tokens, model.output], name="two")
    pixels = keras.Input((8, 12, 3))
    noisy = Mixer(tiny, weights=None, input_tensor=keras.layers.GaussianNoise(0.1)(pixels))
    for other in (flat, two, noisy):
        with pytest.raises(ValueError, match=rf"{other.name} is not a Mixer: `Patches`, a stem"):
            as_convnet(other)


def test_quantised_weights_are_refused(tiny):
    model = Mixer(tiny, weights=None, classes=5)
    model.get_layer("mixer_block_0").channel_mixing.dense_0.quantize("int8")
    with pytest.raises(ValueError, match="dense_0 is quantised to int8"):
        as_convnet(model)
