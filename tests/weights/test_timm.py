"""timm itself reads what is written here, and gives the same logits."""

import keras
import numpy as np
import pytest

import keras_mixer

pytestmark = pytest.mark.timm


@pytest.fixture(scope="module")
def timm():
    """timm, in spite of a torchvision whose compiled operators do not fit PyTorch's CPU build.

    timm uses none of them for a Mixer, but importing torchvision describes two that are then not
    there.
    """
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import timm

    return timm


@pytest.mark.parametrize(
    ("name", "constructor"),
    [("mixer_s32_224", keras_mixer.MixerS32), ("mixer_b16_224", keras_mixer.MixerB16)],
)
@pytest.mark.parametrize(("approximate", "act_layer"), [(True, "gelu_tanh"), (False, "gelu")])
def test_timm_agrees_on_an_exported_file(
    timm, name, constructor, approximate, act_layer, tmp_path, rng, randomize
):
    import torch
    from safetensors.torch import load_file

    model = randomize(
        constructor(
            weights=None, classes=10, classifier_activation=None, gelu_approximate=approximate
        )
    )
    model.save(tmp_path / "m.keras")
    keras_mixer.weights.convert(tmp_path / "m.keras", tmp_path / "m.safetensors")
    act = timm.layers.get_act_layer(act_layer)
    theirs = timm.create_model(name, num_classes=10, act_layer=act).eval()
    theirs.load_state_dict(load_file(tmp_path / "m.safetensors"), strict=True)
    x = rng.uniform(-1, 1, (2, 224, 224, 3)).astype("float32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    got = keras.ops.convert_to_numpy(model.predict(x, verbose=0))
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()

    # And back: their own file, here.
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    again = constructor(
        weights=tmp_path / "theirs.pth", classifier_activation=None, gelu_approximate=approximate
    )
    np.testing.assert_allclose(again.predict(x, verbose=0), got, atol=1e-5)
