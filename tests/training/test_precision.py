"""Mixed bfloat16 beside float32, over a training that is long enough to drift apart."""

import keras
import pytest

from keras_mixer import data, evaluation, finetune
from keras_mixer.training import RECIPES


def top_1(precision: str) -> float:
    digits = data.load("digits")
    recipe = RECIPES["digits"].replace(steps=500, evaluations=1, precision=precision)
    model, _ = finetune("mixer_ti4", digits, recipe, verbose=0)
    policy = model.get_layer("mixer_block_0").dtype_policy
    assert (policy.name, policy.variable_dtype) == (precision, "float32")
    return evaluation.evaluate(model, digits.test, crop=recipe.evaluation_crop, verbose=0).top_1


@pytest.mark.slow  # Two trainings of 500 steps on the digits.
def test_mixed_bfloat16_ends_within_a_point_of_float32():
    full, mixed = top_1("float32"), top_1("mixed_bfloat16")
    print(f"{keras.backend.backend()}: float32 {100 * full:.2f} %, mixed {100 * mixed:.2f} %")
    assert full > 0.9
    assert abs(full - mixed) <= 0.01
