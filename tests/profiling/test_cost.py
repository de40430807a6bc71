"""The estimate of the paper's pre-training runs, worked by hand."""

import pytest

from keras_mixer.profiling import pretraining_costs
from keras_mixer.training import RECIPES

pytestmark = pytest.mark.once


def test_mixer_b16_by_hand():
    # 300 epochs of 1,281,167 images at 1000 images/s: 384,350 s; of 14 million: 4.2 million s.
    # 7 epochs of 300 million: 2.1 million s. A day has 86,400 s.
    costs = {cost.recipe: cost for cost in pretraining_costs("mixer_b16", 1000.0)}
    assert costs.keys() == {
        *("pretrain_imagenet_b", "pretrain_imagenet21k_b", "pretrain_jft300m_b"),
    }
    assert costs["pretrain_imagenet_b"].images == pytest.approx(384.3501)
    assert costs["pretrain_imagenet_b"].device_days == pytest.approx(4.448497, rel=1e-6)
    assert costs["pretrain_imagenet21k_b"].device_days == pytest.approx(48.611, rel=1e-4)
    assert costs["pretrain_jft300m_b"].device_days == pytest.approx(24.306, rel=1e-4)
    assert [cost.tpuv3_core_days for cost in costs.values()] == [10, 150, 80]


def test_every_run_of_the_paper_has_an_estimate():
    wanted = {name for name in RECIPES if name.startswith("pretrain_")}
    models = {RECIPES[name].model for name in wanted}
    found = [cost.recipe for model in models for cost in pretraining_costs(model, 1.0)]
    assert sorted(found) == sorted(wanted)
    # Table 3: H/14 on JFT-300M, 14 epochs, 1.01k core-days.
    (huge,) = pretraining_costs("mixer_h14", 1.0)
    assert (huge.images, huge.tpuv3_core_days) == (4200, 1010)


def test_other_models_have_none():
    assert pretraining_costs("mixer_s32", 10.0) == ()
    assert pretraining_costs("resnet50", 10.0) == ()


def test_a_rate_of_nothing():
    with pytest.raises(ValueError, match=r"must be positive. Received: 0"):
        pretraining_costs("mixer_b16", 0)
