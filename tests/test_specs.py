"""Sizes and costs against the published figures."""

import dataclasses

import keras
import pytest

import keras_mixer
from keras_mixer import SPECS, MixerSpec

pytestmark = pytest.mark.once

# MLP-Mixer (https://arxiv.org/abs/2105.01601), Table 1: parameters in millions without head.
PAPER_MILLIONS = {
    "mixer_s32": 19,
    "mixer_s16": 18,
    "mixer_b32": 60,
    "mixer_b16": 59,
    "mixer_l32": 206,
    "mixer_l16": 207,
    "mixer_h14": 431,
}
# The same table, column by column; patches are square.
PAPER_SIZES = {
    "patch_size": (32, 16, 32, 16, 32, 16, 14),
    "num_layers": (8, 8, 12, 12, 24, 24, 32),
    "hidden_size": (512, 512, 768, 768, 1024, 1024, 1280),
    "channels_mlp_dim": (2048, 2048, 3072, 3072, 4096, 4096, 5120),
    "tokens_mlp_dim": (256, 256, 384, 384, 512, 512, 640),
}
# models_test.py of google-research/vision_transformer: parameters with a 1000-class head.
OFFICIAL_PARAMETERS = {
    "mixer_b16": 59_880_472,
    "mixer_b32": 60_293_428,
    "mixer_l16": 208_196_168,
}
# Results of timm: 10^9 multiply-accumulates at 224 px. It counts some of the normalisation too.
TIMM_GMACS = {
    "mixer_s32": 1.0,
    "mixer_s16": 3.79,
    "mixer_b32": 3.24,
    "mixer_b16": 12.62,
    "mixer_l32": 11.27,
    "mixer_l16": 44.6,
}


def build_by_count(spec, **kwargs):
    """A model whose variables have shapes and no memory."""
    with keras.StatelessScope(initialize_variables=False):
        model = keras_mixer.Mixer(spec, weights=None, **kwargs)
    count = model.count_params()
    assert all(v._value is None for v in model.trainable_variables)
    keras.utils.clear_session()
    return count


@pytest.mark.parametrize("name", SPECS)
def test_parameters_of_the_built_model(name):
    assert build_by_count(SPECS[name]) == SPECS[name].parameters()
    assert build_by_count(SPECS[name], include_top=False) == SPECS[name].parameters(classes=None)


def test_every_spec_of_the_paper_has_its_published_size():
    assert {*PAPER_MILLIONS, "mixer_s8", "mixer_xs4", "mixer_ti4"} == set(SPECS)


@pytest.mark.parametrize("name", PAPER_MILLIONS)
def test_parameters_of_the_paper(name):
    assert round(SPECS[name].parameters(classes=None) / 1e6) == PAPER_MILLIONS[name]


@pytest.mark.parametrize("field", PAPER_SIZES)
def test_sizes_of_the_paper(field):
    for name, size in zip(PAPER_MILLIONS, PAPER_SIZES[field], strict=True):
        assert getattr(SPECS[name], field) == ((size, size) if field == "patch_size" else size)
        assert SPECS[name].image_size == (224, 224)


def test_sizes_of_the_others():
    assert SPECS["mixer_s8"] == dataclasses.replace(
        SPECS["mixer_s16"], name="mixer_s8", patch_size=8
    )
    # https://github.com/omihub777/MLP-Mixer-CIFAR: 8 layers, hidden 128, 64 and 512, patches of 4.
    assert SPECS["mixer_xs4"] == MixerSpec("mixer_xs4", 4, 8, 128, 64, 512, 32)
    halved = {"num_layers": 4, "hidden_size": 64, "tokens_mlp_dim": 32, "channels_mlp_dim": 256}
    assert SPECS["mixer_ti4"] == dataclasses.replace(SPECS["mixer_xs4"], name="mixer_ti4", **halved)


@pytest.mark.parametrize("name", OFFICIAL_PARAMETERS)
def test_parameters_of_the_official_test(name):
    assert SPECS[name].parameters() == OFFICIAL_PARAMETERS[name]


def test_parameters_of_other_heads_and_sizes():
    assert SPECS["mixer_b16"].parameters(classes=21_843) == 75_908_739
    assert SPECS["mixer_l16"].parameters(classes=21_843) == 229_560_243
    spec = SPECS["mixer_ti4"]
    size, channels = (24, 40), 1
    assert build_by_count(spec, input_shape=(*size, channels), classes=3) == spec.parameters(
        3, size, channels
    )


@pytest.mark.parametrize("name", TIMM_GMACS)
def test_macs(name):
    assert SPECS[name].macs() / 1e9 == pytest.approx(TIMM_GMACS[name], rel=0.01)


def test_macs_by_hand():
    # 6 tokens of 16 pixels: stem 6*16*3*8; a layer 2*(8*6*5 + 6*8*7); head 8*10.
    spec = MixerSpec("hand", 4, 1, 8, 5, 7, (8, 12))
    assert spec.macs(classes=10) == 6 * 48 * 8 + 2 * (8 * 6 * 5 + 6 * 8 * 7) + 80


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("patch_size", bad) for bad in (0, (4, 4, 4), (4,), (4, 0), (4, 1.5), "44", None)),
        *(("image_size", bad) for bad in (0, (8, 8, 8), (8, -8))),
        *(("num_layers", bad) for bad in (1.5, 0, True, (4, 4), [4])),
        ("hidden_size", -1),
    ],
)
def test_bad_numbers(field, value):
    fields = dict.fromkeys(("patch_size", "num_layers", "hidden_size"), 4)
    fields |= dict.fromkeys(("tokens_mlp_dim", "channels_mlp_dim"), 4)
    pair = " or a pair of them" if field in ("patch_size", "image_size") else ""
    with pytest.raises(ValueError, match=f"`{field}` must be a positive integer{pair}. Received:"):
        MixerSpec("bad", **{**fields, field: value})


@pytest.mark.parametrize("size", [(225, 224), (224, 225), (8, 224), (224, 8)])
def test_image_that_patches_do_not_divide(size):
    height, width = size
    with pytest.raises(ValueError, match=f"{height}x{width} pixels is not a whole number of 16x16"):
        SPECS["mixer_b16"].grid(size)


def test_a_spec_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPECS["mixer_b16"].num_layers = 13


def test_smallest_and_oblong_sizes():
    one = MixerSpec("one", 1, 1, 1, 1, 1, 1)
    assert (one.tokens(), one.parameters(1, channels=1)) == (1, 2 + 4 + 4 + 4 + 2 + 2)
    wide = MixerSpec("wide", [2, 4], 1, 8, 5, 7, (6, 16))
    assert (wide.patch_size, wide.grid(), wide.tokens()) == ((2, 4), (3, 4), 12)
    assert wide.grid((4, 4)) == (2, 1)
    assert wide.macs(None) == 12 * (2 * 4 * 3) * 8 + 2 * 12 * 8 * (5 + 7)
    assert wide.macs(1) - wide.macs(None) == 8
