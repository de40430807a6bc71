"""The recipes, field by field against the papers, and their schedules by closed forms."""

import dataclasses
import functools
import json
import math

import keras
import numpy as np
import pytest

from keras_mixer import SPECS, data, weights
from keras_mixer.training import (
    RECIPES,
    default_comparison,
    default_pretraining,
    default_recipe,
)
from keras_mixer.training.build import build_model
from keras_mixer.training.loop import stretch
from keras_mixer.training.ranges import RANGES
from keras_mixer.training.recipe import OPTIONAL
from keras_mixer.training.schedules import WarmUp

pytestmark = pytest.mark.once

# MLP-Mixer (https://arxiv.org/abs/2105.01601), appendix B, Table 4: epochs, rate, decay,
# RandAugment's magnitude, mixup, stochastic depth.
TABLE_4 = {
    "pretrain_imagenet_b": (300, 1e-3, 0.1, 15, 0.5, 0.1),
    "pretrain_imagenet_l": (300, 1e-3, 0.1, 15, 0.5, 0.1),
    "pretrain_imagenet21k_b": (300, 1e-3, 0.1, 10, 0.2, 0.1),
    "pretrain_imagenet21k_l": (300, 1e-3, 0.1, 20, 0.5, 0.1),
    "pretrain_jft300m_s": (5, 3e-3, 0.03, 0, 0, 0),
    "pretrain_jft300m_b": (7, 3e-3, 0.03, 0, 0, 0),
    "pretrain_jft300m_l32": (7, 1e-3, 0.03, 0, 0, 0),
    "pretrain_jft300m_l": (14, 1e-3, 0.03, 0, 0, 0),
    "pretrain_jft300m_h": (14, 1e-3, 0.03, 0, 0, 0),
}
CROP = "random_crop"
# Section 3, and the ViT paper (https://arxiv.org/abs/2010.11929), Table 4.
FINETUNING_STEPS = {
    "imagenet": 20_000,
    "pets": 500,
    "flowers102": 500,
    "cifar10": 10_000,
    "cifar100": 10_000,
    "vtab": 2500,
}


@pytest.mark.parametrize("name", TABLE_4)
def test_pretraining_is_table_4(name):
    recipe = RECIPES[name]
    row = (
        *(recipe.epochs, recipe.learning_rate, recipe.weight_decay),
        *(recipe.randaugment_magnitude, recipe.mixup, recipe.stochastic_depth),
    )
    assert row == TABLE_4[name]
    assert recipe.randaugment_layers == 2
    assert (recipe.batch_size, recipe.warmup_steps, recipe.decay) == (4096, 10_000, "linear")
    assert (recipe.optimizer, recipe.clip_norm, recipe.dropout) == ("adamw", 1.0, 0.0)
    assert (recipe.crop, recipe.flip, recipe.weights) == ("inception_crop", True, None)
    # As many steps as google-research/big_vision makes of 300 epochs of ImageNet.
    if name == "pretrain_imagenet_b":
        assert recipe.for_images(1_281_167).steps == 93_835


@pytest.mark.parametrize("name", FINETUNING_STEPS)
def test_finetuning_is_the_papers(name):
    recipe = RECIPES[name]
    assert recipe.steps == FINETUNING_STEPS[name]
    assert (recipe.optimizer, recipe.batch_size, recipe.clip_norm) == ("sgd", 512, 1.0)
    assert (recipe.decay, recipe.weight_decay, recipe.loss) == ("cosine", 0.0, "softmax")
    rates = (0.003, 0.01, 0.03) if name == "vtab" else (0.003, 0.01, 0.03, 0.06)
    assert recipe.learning_rates == rates
    off = {"precision": "float32", "accumulation": 1, "layer_decay": 1.0, "class_weights": None}
    off |= dict.fromkeys(("ema", "augment", "epochs"))
    off |= dict.fromkeys(("linear_probe", "keep_best", "remat"), False)
    off |= dict.fromkeys(("label_smoothing", "dropout", "stochastic_depth", "mixup", "cutmix"), 0)
    off |= dict.fromkeys(("head_bias", "head_steps", "lora_rank", "early_stopping"), 0)
    off |= {"randaugment_magnitude": 0}
    assert {field: getattr(recipe, field) for field in off} == off
    assert (recipe.flip, recipe.crop) == ((False, "resize") if name == "vtab" else (True, CROP))
    assert recipe.learning_rate == (0.01 if name == "vtab" else 0.03)
    assert recipe.warmup_steps == (50 if recipe.steps == 500 else 250 if name == "vtab" else 500)
    assert (recipe.evaluations, recipe.randaugment_layers) == (10, 2)


# This package's own choices, as they were when their results were measured.
OWN = {
    "small": {
        **{"learning_rate": 1e-3, "learning_rates": (5e-4, 1e-3, 2e-3), "batch_size": 128},
        **{"epochs": 300, "warmup_steps": 0.01, "weight_decay": 0.05, "ema": 0.999},
        **{"label_smoothing": 0.1, "stochastic_depth": 0.1, "cutmix": 1.0, "evaluations": 30},
        **{"randaugment_layers": 2, "randaugment_magnitude": 10, "flip": True},
    },
    "digits": {
        **{"learning_rate": 4e-3, "learning_rates": (2e-3, 4e-3, 8e-3), "batch_size": 64},
        **{"steps": 2000, "warmup_steps": 100, "weight_decay": 0.1, "ema": 0.99, "mixup": 0},
        **{"label_smoothing": 0.1, "stochastic_depth": 0.1, "flip": False, "cutmix": 0},
    },
    "digits_short": {"steps": 600, "warmup_steps": 60, "evaluations": 12, "ema": None},
}


@pytest.mark.parametrize("name", OWN)
def test_own_recipes(name):
    assert {field: getattr(RECIPES[name], field) for field in OWN[name]} == OWN[name]


@pytest.mark.parametrize(
    ("fields", "allowed", "refused"),
    [
        (("label_smoothing", "stochastic_depth", "dropout"), (0, 0.999), (-1e-9, 1, 1.5)),
        (("mixup", "cutmix"), (0, 1, 1e9), (-1e-9, -1, math.inf)),
        (("randaugment_layers",), (0, 1, 1000), (-1, 1001, 1.5, math.inf)),
        (("randaugment_magnitude", "lora_rank", "early_stopping"), (0, 1), (-1, math.nan)),
        (("warmup_steps",), (0, 0.5, 499), (-1, 500, 501)),
        (("head_steps",), (0, 1, 500), (-1, 501)),
        (("learning_rate", "clip_norm"), (1e-9, 1, 1e9), (0, -1, math.inf)),
        (("evaluations", "batch_size"), (1, 7, 512), (0, -1, math.inf)),
        (("accumulation",), (1, 2, 512), (0, -1, 3, 1024)),
        (("steps",), (51, 500), (0, -1, 50)),
        (("ema",), (1e-9, 0.999), (0, 1, -0.5)),
        (("layer_decay",), (1e-9, 1), (0, 1.001, -1)),
        (("head_bias",), (-10, 0, 10), (math.inf, math.nan)),
    ],
)
def test_ranges(fields, allowed, refused):
    for field in fields:
        for value in allowed:
            assert getattr(dataclasses.replace(RECIPES["pets"], **{field: value}), field) == value
        for value in refused:
            with pytest.raises(ValueError, match=f"`{'warmup_steps' if value == 50 else field}`"):
                dataclasses.replace(RECIPES["pets"], **{field: value})


def test_every_recipe_has_a_test():
    own = {"folder", "small", "small_plain", "digits", "digits_short"}
    assert {*TABLE_4, *FINETUNING_STEPS, *own} == set(RECIPES)
    for recipe in RECIPES.values():
        assert recipe.source
        assert recipe.model in SPECS
        assert recipe.weights is None or recipe.weights in weights.WEIGHTS[recipe.model]


def test_recipes_for_comparisons_differ_in_what_only_some_models_can_follow():
    for name, other in (("small", "small_plain"), ("digits", "digits_short")):
        one, plain = (dataclasses.asdict(RECIPES[key]) for key in (name, other))
        changed = {key for key in one if one[key] != plain[key]}
        told = {"name", "source", "result"}
        length = {"steps", "warmup_steps", "evaluations"} if name == "digits" else set()
        assert changed - told == {"ema", "stochastic_depth"} | length
        assert (plain["ema"], plain["stochastic_depth"]) == (None, 0.0)
    assert default_comparison("digits") == "digits_short"
    assert default_comparison("pets") == "small_plain"


def test_every_data_set_has_a_recipe():
    rows = [row for row in data.DATASETS.values() if not row.unavailable]
    for row in rows:
        recipe = RECIPES[default_recipe(row.name)]
        assert row.steps in (None, recipe.steps)
        assert row.evaluation_crop == recipe.evaluation_crop
    assert default_recipe("tfds:beans") == default_recipe("my/pictures") == "folder"
    # Names of recipes are not names of data sets.
    assert default_recipe("small") == default_recipe("pretrain_imagenet_b") == "folder"


@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ("imagenet", None, "pretrain_imagenet_b"),
        ("imagenet", "mixer_l16", "pretrain_imagenet_l"),
        ("imagenet", "mixer_s16", "small"),
        ("cifar10", "mixer_xs4", "small"),
        ("digits", "mixer_ti4", "digits"),
        ("my/pictures", "mixer_b16", "small"),
    ],
)
def test_recipes_for_random_weights(data, model, expected):
    assert default_pretraining(data, model) == expected


def closed_form(recipe, step):
    warm, peak, end = recipe.warmup_steps, recipe.learning_rate, recipe.steps
    if step < warm:
        return peak * step / warm
    share = (step - warm) / (end - warm)
    return peak * ((1 - share) if recipe.decay == "linear" else 0.5 * (1 + np.cos(np.pi * share)))


@pytest.mark.parametrize("name", RECIPES)
def test_schedule_at_every_step(name):
    recipe = RECIPES[name].for_images(300_000_000 if "jft" in name else 1_281_167)
    schedule = WarmUp(recipe.learning_rate, recipe.steps, recipe.warmup_steps, recipe.decay)
    steps = np.arange(recipe.steps + 1)
    expected = np.array([closed_form(recipe, step) for step in steps])
    actual = keras.ops.convert_to_numpy(schedule(keras.ops.convert_to_tensor(steps, "int32")))
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-6 * recipe.learning_rate)
    assert actual.max() == pytest.approx(recipe.learning_rate)
    assert actual[-1] == pytest.approx(0, abs=1e-9)
    for step in (0, 1, recipe.warmup_steps, recipe.steps - 1, recipe.steps):
        assert recipe.rate(step) == pytest.approx(closed_form(recipe, step), rel=1e-9)


def test_a_schedule_counts_optimiser_steps():
    assert WarmUp(0.1, 20).get_config() == WarmUp(0.1, 20, 0, "cosine", 1, 0).get_config()
    plain = WarmUp(0.1, 20, 5, "linear")
    parts = WarmUp(0.1, 20, 5, "linear", accumulation=4, first_step=3)
    for step in range(17):
        for part in range(4):
            assert float(parts(4 * step + part)) == float(plain(step + 3))
    again = WarmUp.from_config(parts.get_config())
    assert again.get_config() == parts.get_config()


@pytest.mark.parametrize("steps", [1, 7, 12, 500, 10_000, 93_811])
@pytest.mark.parametrize("head_steps", [0, 1, 333])
def test_rounds_cover_the_run(steps, head_steps):
    if head_steps > steps:
        pytest.skip("longer than the run")
    recipe = RECIPES["pets"].replace(steps=steps, head_steps=head_steps, warmup_steps=0)
    rounds = recipe.rounds()
    assert rounds == sorted(set(rounds))
    assert rounds[-1] == steps
    assert len(rounds) <= recipe.evaluations + 1
    assert head_steps == 0 or head_steps in rounds
    # Stretches of equal rounds, from any step, end at each round in turn.
    for begin in {0, 1, steps // 2, steps - 1}:
        step, ends = begin, []
        while step < steps:
            number, length, count = stretch(rounds, step, steps)
            for i in range(count):
                step += length
                ends.append(step)
                assert step == rounds[number + i]
        assert ends == [end for end in rounds if end > begin]


def test_replace():
    pets = RECIPES["pets"]
    assert pets.replace(steps=100).warmup_steps == 10
    assert pets.replace(steps=100, warmup_steps=7).warmup_steps == 7
    longer = pets.replace(epochs=3.0)
    assert (longer.steps, longer.epochs) == (None, 3.0)
    whole = longer.for_images(3680)  # 3 * 3680 / 512 = 21.6
    assert (whole.steps, whole.epochs, whole.warmup_steps) == (21, None, 2)
    assert pets.replace(warmup_steps=0.5, steps=9).for_images(3680).warmup_steps == 4
    b16 = RECIPES["pretrain_imagenet_b"].replace(steps=20_000)
    assert (b16.steps, b16.epochs, b16.warmup_steps) == (20_000, None, 10_000)
    shorter = RECIPES["pretrain_imagenet_b"].replace(epochs=30)
    assert (shorter.steps, shorter.epochs, shorter.warmup_steps) == (None, 30, 1000)
    assert shorter.replace(epochs=0.001).warmup_steps == 1
    for epochs in (0.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="`epochs` must be above 0"):
            shorter.replace(epochs=epochs)
    assert RECIPES["small"].replace(epochs=3).warmup_steps == 0.01
    with pytest.raises(ValueError, match=r"`warmup_steps` must be .* below `steps` = 732"):
        RECIPES["pretrain_imagenet_b"].for_images(10_000)


@pytest.mark.parametrize("images", [40, 400, 50_000])
def test_the_recipe_for_random_weights_is_for_folders_of_any_size(images):
    whole = RECIPES["small"].for_images(images)
    assert 0 <= whole.warmup_steps <= whole.steps / 100
    assert whole.steps == int(300 * images / 128)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lion"}, "`optimizer` must be one of sgd, adamw. Received: 'lion'"),
        ({"decay": "step"}, "`decay` must be one of cosine, linear"),
        ({"loss": "hinge"}, "`loss` must be one of softmax, sigmoid"),
        ({"precision": "bfloat16"}, "`precision` must be one of float32, mixed_bfloat16"),
        ({"class_weights": "equal"}, "`class_weights` must be one of None, balanced"),
        ({"learning_rate": 0}, "`learning_rate` must be above 0"),
        (
            {"learning_rates": (0.1, float("nan"))},
            "`learning_rates` must be .*Received: nan",
        ),
        ({"learning_rates": ()}, "`learning_rates` must be one number or more"),
        ({"steps": 0}, "`steps` must be a whole number from 1 to 2,147,.*: 0"),
        ({"steps": None}, "either `steps` or `epochs`"),
        ({"warmup_steps": 500}, "`warmup_steps` must be at least 0 and below `steps` = 500"),
        ({"warmup_steps": -1}, "`warmup_steps` must be at least 0"),
        ({"head_steps": 501}, "`head_steps` must be at most `steps` = 500"),
        ({"accumulation": 3}, "`accumulation` must be a divisor of `batch_size` = 512"),
        ({"ema": 1.0}, "`ema` must be above 0 and below 1"),
        ({"layer_decay": 0}, "`layer_decay` must be above 0 and at most 1"),
        ({"label_smoothing": 1}, "`label_smoothing` must be at least 0 and below 1"),
        ({"mixup": float("nan")}, "`mixup` must be at least 0"),
        ({"dropout": -0.1}, "`dropout` must be at least 0 and below 1"),
        ({"remat": True, "dropout": 0.1}, "`remat` and `dropout` exclude each other"),
        ({"augment": "mosaic", "class_weights": "balanced"}, "exclude each other"),
        ({"weight_decay": 0.1}, '`weight_decay` goes with `optimizer="adamw"` alone'),
    ],
)
def test_bad_recipes(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPES["pets"], **change)


@pytest.mark.parametrize("field", RANGES)
def test_numbers_are_checked_before_they_become_tensors(field):
    """As float32 too, where 1e-60 is 0, 1e39 infinite and 1 - 1e-12 one."""
    recipe = dataclasses.replace(RECIPES["pets"], warmup_steps=0)
    range_ = RANGES[field]
    bad = [10**40, -(10**40), 10**400, math.nan, math.inf, -math.inf, 1e39, "1", [], None]
    bad += [0, 1e-60] if range_.min_open else [range_.min - abs(range_.min) / 1000 - 1]
    bad += [1, 1 - 1e-12] if range_.max_open else [range_.max * 1.001]
    bad += [1.5] if range_.whole else []
    for value in bad:
        if value is None and field in OPTIONAL:
            continue
        given = (0.1, value) if field == "learning_rates" else value
        for change in (recipe.replace, functools.partial(dataclasses.replace, recipe)):
            with pytest.raises(ValueError, match=f"^`{field}` must be .*Received: ") as error:
                change(**{field: given})
            assert "\n" not in str(error.value)


def test_numbers_of_numpy_are_those_of_python():
    recipe = RECIPES["pets"].replace(
        steps=np.int64(7), learning_rate=np.float32(0.25), learning_rates=(np.float64(0.5), 1)
    )
    assert json.loads(json.dumps(dataclasses.asdict(recipe)))["steps"] == 7
    assert (recipe.learning_rate, recipe.learning_rates) == (0.25, (0.5, 1))


def test_epochs_that_are_too_many_steps():
    epochs = RECIPES["pets"].replace(epochs=2e9)
    with pytest.raises(ValueError, match="`epochs` must be at most 2,147,483,647 steps; with 3,"):
        epochs.for_images(3680)


def test_seeds():
    for seed in (-1, 2**31, 10**20, 0.5, math.nan, "1"):
        with pytest.raises(ValueError, match=r"^`seed` must be a whole number from 0 to 2,147,"):
            build_model("mixer_ti4", RECIPES["digits"], 2, seed=seed)
    options = {"weights": None, "dropout": 0.1, "stochastic_depth": 0.1}
    recipe = RECIPES["digits"].replace(**options)
    for seed in (2**31 - 1, np.int64(2**31 - 1)):  # All that is drawn from it has 31 bits, too.
        model = build_model("mixer_ti4", recipe, 2, seed=seed)
        keras.ops.stop_gradient(model(np.zeros((1, 32, 32, 3), "float32"), training=True))
