"""Models of other libraries, by name and by import path."""

import sys

import keras
import numpy as np
import pytest

from keras_mixer import SPECS, profiling
from keras_mixer.models import PEERS, build_by_name, peers

pytest.importorskip("keras_hub")


@pytest.mark.parametrize("name", [name for name in PEERS if name.endswith("_ti4")])
def test_small_peers_have_the_budget_of_the_small_mixer(name):
    model = build_by_name(name, classes=10)
    spec = SPECS["mixer_ti4"]
    assert model.input_shape == (None, 32, 32, 3)
    assert model.count_params() == pytest.approx(spec.parameters(10), rel=0.05)
    assert profiling.macs(model) == pytest.approx(spec.macs(10), rel=0.2)


def test_the_large_peers_are_those_that_were_published():
    """Without head: ViT-B/16 86 M (Table 1 of arXiv 2010.11929), ResNet-50 23.5 M."""
    vit, resnet = (build_by_name(name, classes=1) for name in ("vit_b16", "resnet50"))
    assert vit.count_params() == 85_798_656 + 769
    assert resnet.count_params() == 23_587_712 + 2049
    assert vit.name == "vit_b16"


def test_published_weights_have_names_that_kerashub_knows():
    import keras_hub

    for name, peer in PEERS.items():
        if name.startswith("vit"):
            assert set(peer.weights.values()) <= set(keras_hub.models.ViTBackbone.presets)


def test_a_new_head_gives_zeros_and_the_seed_decides_the_rest():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    one, same, other = (build_by_name("resnet_ti4", classes=4, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.predict(images, verbose=0), np.zeros((2, 4)))
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_resnet50_with_weights_takes_what_keras_applications_prepares(tmp_path):
    body = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    body.save_weights(tmp_path / "w.weights.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    prepared = keras.applications.resnet.preprocess_input(pixels.copy())
    expected = body.predict(prepared, verbose=0).mean((1, 2))
    images = keras.Input((32, 32, 3))
    features = peers._resnet50(images, str(tmp_path / "w.weights.h5"))
    actual = keras.Model(images, features).predict(pixels / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())


def factory(input_shape, classes):
    """A model of a user."""
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), _dense(classes)])


def _dense(classes):
    return keras.layers.Dense(classes)


def of_another_shape(input_shape, classes):
    return factory(input_shape, classes + 1)


def test_factories(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    model = build_by_name("mine:factory", classes=3, image_size=(8, 12))
    assert (model.input_shape, model.output_shape) == ((None, 8, 12, 3), (None, 3))
    model = build_by_name("keras.applications:MobileNetV2", classes=3, image_size=(32, 32))
    assert model.layers[-1].activation is keras.activations.linear
    for path, message in (
        ("mine:other", r"the module mine has no 'other'"),
        ("mine:pytest", r"'mine:pytest' is no function of `input_shape` and `classes`"),
        ("mine:", r"'mine:' is not package.module:function"),
        ("mine:of_another_shape", r"must give a keras.Model with output \(None, 3\).*None, 4"),
    ):
        with pytest.raises(ValueError, match=message):
            build_by_name(path, classes=3)
    with pytest.raises(ValueError, match=r"mine:factory takes no `weights`"):
        build_by_name("mine:factory", classes=3, weights="imagenet")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        build_by_name("nowhere:factory", classes=3)


def test_wrong_names():
    with pytest.raises(
        ValueError, match=r"Unknown model 'vit'\. Choose one of: mixer_s32.*vit_b16"
    ):
        build_by_name("vit", classes=3)
    with pytest.raises(ValueError, match=r"Unknown weights 'jft' of vit_b16\. Choose.*imagenet21k"):
        build_by_name("vit_b16", classes=3, weights="jft")
    with pytest.raises(ValueError, match=r"of resnet_ti4\. Choose one of: none, so pass weights"):
        build_by_name("resnet_ti4", classes=3, weights="imagenet")
