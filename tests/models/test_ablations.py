"""The ablations of appendix A.1 as arguments of the constructors, through the whole package."""

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, MixerSpec, change_resolution
from keras_mixer.training import adapt
from keras_mixer.training.optimizers import layer_rates
from keras_mixer.weights import convert

ABLATIONS = {
    "untied": {"token_mixing": "untied"},
    "grouped": {"token_mixing": "grouped", "groups": 4},
    "views": {"token_mixing": "views", "groups": 2},
    "pyramid": {"pyramid": {0: 4, 1: 3}},
    "views in a pyramid": {"token_mixing": "views", "groups": 2, "pyramid": {1: 2}},
}
each_ablation = pytest.mark.parametrize("name", ABLATIONS)


def output(model, images):
    return keras.ops.convert_to_numpy(model(images))


@pytest.fixture
def build(tiny, randomize):
    def make(name, **kwargs):
        kwargs = {"classes": 5, "classifier_activation": None, **kwargs}
        return randomize(Mixer(tiny, weights=None, **ABLATIONS.get(name, {}), **kwargs))

    return make


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")


@pytest.mark.parametrize("name", ["untied", "grouped", "views in a pyramid"])
def test_save_and_load(name, build, tiny, images, tmp_path):
    model = build(name, gelu_approximate=False)
    expected = output(model, images)
    assert np.abs(expected).max() > 0.1
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(output(loaded, images), expected)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("untied", "m.keras"),
        ("grouped", "m.keras"),
        ("grouped", "m.weights.h5"),
        ("views", "m.keras"),
        ("pyramid", "m.weights.h5"),
    ],
)
def test_a_model_takes_the_weights_of_one_like_itself(name, file, build, tiny, images, tmp_path):
    model = build(name)
    (model.save if file == "m.keras" else model.save_weights)(tmp_path / file)
    options = {**ABLATIONS[name], "classifier_activation": None}
    again = Mixer(tiny, weights=tmp_path / file, **options)
    np.testing.assert_array_equal(output(again, images), output(model, images))


@pytest.mark.parametrize(
    ("name", "policy", "options"),
    [
        ("untied", "mixed_bfloat16", {"dropout": 0.1}),
        ("grouped", "float32", {"dropout": 0.1}),
        ("views in a pyramid", "mixed_bfloat16", {"remat": True}),
    ],
)
def test_one_training_step(name, policy, options, build, images):
    keras.config.set_dtype_policy(policy)
    model = build(name, stochastic_depth=0.1, seed=1, **options)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    block = model.get_layer("mixer_block_1").token_mixing
    before = [v.numpy().copy() for v in (block.dense_0.kernel, block.dense_1.kernel)]
    assert np.isfinite(model.train_on_batch(images, np.array([0, 1, 2])))
    after = [v.numpy() for v in (block.dense_0.kernel, block.dense_1.kernel)]
    assert all(not np.array_equal(a, b) for a, b in zip(after, before, strict=True))


def test_a_pyramid_has_fewer_tokens_from_layer_to_layer(tiny, build):
    model = build("pyramid", stochastic_depth=0.3)
    shapes = [model.get_layer(f"mixer_block_{i}").output.shape for i in range(2)]
    assert shapes == [(None, 4, 8), (None, 3, 8)]
    plain = tiny.parameters(classes=5)
    fewer = (6 - 4) * (6 + 1)  # Layer 0 ends in 4 tokens,
    fewer += (6 - 4) * 6 + (6 - 3) * (6 + 1)  # layer 1 takes these to 3.
    assert model.count_params() == plain - fewer
    blocks = [model.get_layer(f"mixer_block_{i}") for i in range(2)]
    rates = [rate for b in blocks for rate in (b.token_depth.rate, b.channel_depth.rate)]
    np.testing.assert_allclose(rates, [0, 0.1, 0, 0.3])


def test_a_pyramid_of_nothing_is_the_plain_mixer(tiny, build, images):
    plain = build("plain")
    same = Mixer(tiny, weights=None, classes=5, classifier_activation=None, pyramid={})
    same.set_weights(plain.get_weights())
    np.testing.assert_array_equal(output(same, images), output(plain, images))


@pytest.mark.parametrize("name", ["grouped", "views in a pyramid"])
def test_adapters(name, build, images):
    model = build(name)
    expected = output(model, images)
    adapt.add_lora(model, 2)
    dense = model.get_layer("mixer_block_1").token_mixing.dense_1
    dense.lora_kernel_b.assign(np.full(dense.lora_kernel_b.shape, 0.5))
    adapted = output(model, images)
    assert np.abs(adapted - expected).max() > 1e-3
    merged = adapt.merge_lora(model)
    np.testing.assert_allclose(output(merged, images), adapted, rtol=1e-4, atol=1e-4)


def test_untied_mlps_take_no_adapters(build):
    with pytest.raises(ValueError, match=r"mixer_block_0 of tiny has a token-mixing MLP for each"):
        adapt.add_lora(build("untied"), 2)


@each_ablation
def test_layers_have_their_rates(name, build):
    rates = layer_rates(build(name).trainable_variables, 0.5)
    for path, rate in rates.items():
        if path.startswith("mixer_block"):
            assert rate == (0.25 if path.startswith("mixer_block_0") else 0.5), path


@each_ablation
def test_another_resolution_is_refused(name, build):
    with pytest.raises(ValueError, match=r"mixer_block_. of tiny has an ablation of token mixing"):
        change_resolution(build(name), (16, 24))


@each_ablation
def test_other_formats_are_refused(name, build, tmp_path):
    build(name).save(tmp_path / "m.keras")
    for target in ("m.npz", "m.safetensors"):
        with pytest.raises(ValueError, match=r"m\.keras does not have one token-mixing MLP for"):
            convert(tmp_path / "m.keras", tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


@each_ablation
def test_plain_weights_do_not_fit(name, build, tiny, tmp_path):
    build("plain").save(tmp_path / "m.keras")
    with pytest.raises(
        ValueError, match=r"weights of .*m\.keras do not fit tiny\. .*/token_mixing/"
    ):
        Mixer(tiny, weights=tmp_path / "m.keras", **ABLATIONS[name])
    convert(tmp_path / "m.keras", tmp_path / "m.npz")
    with pytest.raises(ValueError, match=r"m\.npz is not of a model on 2x3 tokens\. With"):
        Mixer(tiny, weights=tmp_path / "m.npz", **ABLATIONS[name])


@each_ablation
def test_a_plain_mixer_does_not_take_its_weights(name, build, tiny, tmp_path):
    build(name).save(tmp_path / "m.keras")
    with pytest.raises(
        ValueError, match=r"weights of .*m\.keras do not fit tiny\. .*/token_mixing/"
    ):
        Mixer(tiny, weights=tmp_path / "m.keras")


@pytest.mark.parametrize("resolution", ["expand", "interpolate"])
def test_shapes_that_agree_by_chance_are_refused(resolution, tmp_path):
    """Four tokens in groups of four channels, and sixteen tokens, have kernels of one shape."""
    spec = MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 8))
    options = {"token_mixing": "grouped", "groups": 4}
    Mixer(spec, weights=None, **options).save(tmp_path / "grouped.keras")
    with pytest.raises(ValueError, match=r"grouped\.keras does not have one token-mixing MLP"):
        Mixer(
            spec,
            weights=tmp_path / "grouped.keras",
            input_shape=(16, 16, 3),
            resolution=resolution,
        )
    Mixer(spec, weights=None, input_shape=(16, 16, 3)).save(tmp_path / "plain.keras")
    with pytest.raises(ValueError, match=r"plain\.keras is not of a model on 2x2 tokens"):
        Mixer(spec, weights=tmp_path / "plain.keras", **options)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"token_mixing": "none"}, "must be one of 'shared', 'untied', 'grouped', 'views'"),
        ({"token_mixing": "grouped"}, "`groups` must be a positive integer"),
        (
            {"token_mixing": "grouped", "groups": 3},
            "`groups` must divide the number of channels, 8",
        ),
        ({"groups": 2}, "for the token mixing 'grouped' or 'views' alone"),
        ({"pyramid": [4, 3]}, r"`pyramid` must map numbers of layers, 0 to 1, .*\[4, 3\]"),
        ({"pyramid": {2: 4}}, r"0 to 1, .*\{2: 4\}"),
        ({"pyramid": {1: None}}, r"`pyramid` must map"),
        ({"pyramid": {0: 4, 1: 4}}, "below the number of tokens of the input, 4"),
    ],
)
def test_bad_arguments(tiny, kwargs, message):
    with pytest.raises(ValueError, match=message):
        Mixer(tiny, weights=None, **kwargs)
