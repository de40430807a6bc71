"""The recipes known by name: one row each."""

import dataclasses

from keras_mixer.training.recipe import Recipe

# Fine-tuning. Steps, batch, clipping, decay, the rates that are tried: section 3 of the paper
# (https://arxiv.org/abs/2105.01601), which follows the ViT paper (https://arxiv.org/abs/2010.11929,
# Table 4 and appendix B.1.1). Rate 0.03 and the warm-up of 500 steps for 10,000 are the defaults of
# google-research/vision_transformer; for 500 steps no source gives a warm-up, and a tenth is taken.
_FINETUNE = "MLP-Mixer, section 3 and appendix C; ViT, Table 4 and appendix B.1.1"
_FIVE = (
    "mean of ImageNet, CIFAR-10, CIFAR-100, Pets and Flowers: 92.50 % (Table 3); none for it alone"
)
_CIFAR10 = "96.82 %; from ImageNet weights 96.72 % (google-research/vision_transformer, README)"
# Pre-training. Section 3 and Table 4 of appendix B. Loss and the head's first bias, which the paper
# does not state: the configurations of google-research/big_vision (mlp_mixer_i1k.py, vit_i21k.py);
# for JFT-300M, whose classes are not public, the loss is taken over and the bias left at 0. Decay
# is Table 4's number times the learning rate, on kernels alone, as there (`wd` = 0.1 * 0.001 =
# 1e-4). Core-days and accuracies: Table 3.
_PRETRAIN = "MLP-Mixer, section 3 and appendix B, Table 4; loss: google-research/big_vision"


def _pretrain(
    data: str, model: str, epochs: int, rate: float, decay: float, result: str, days: str, **more
) -> Recipe:
    size = model if model.endswith("_l32") else model.rstrip("0123456789")
    return Recipe(
        f"pretrain_{data}_{size.removeprefix('mixer_')}",
        _PRETRAIN,
        f"ImageNet top-1 {result}",
        f"{days} core-days of TPUv3",
        data=data,
        model=model,
        weights=None,
        optimizer="adamw",
        learning_rate=rate,
        learning_rates=(rate,),
        batch_size=4096,
        steps=None,
        epochs=epochs,
        warmup_steps=10_000,
        decay="linear",
        weight_decay=decay,
        loss="sigmoid",
        crop="inception_crop",
        evaluations=30,
        **more,
    )


def _regularised(magnitude: float, mixup: float, bias: float) -> dict:
    """The columns of Table 4 that JFT-300M has no entries in."""
    return {
        "randaugment_magnitude": magnitude,
        "mixup": mixup,
        "stochastic_depth": 0.1,
        "head_bias": bias,
    }


_1K = "with these weights alone"
_FT = "after fine-tuning"
_SMALL = Recipe(
    "small",
    "this package: from random weights on small data sets of small pictures",
    "never run on CIFAR; meant to pass 90.83 % on CIFAR-10 (omihub777/MLP-Mixer-CIFAR) and "
    "47.58 % on CIFAR-100 (keras.io's example of modern MLPs)",
    model="mixer_xs4",
    weights=None,
    optimizer="adamw",
    learning_rate=1e-3,
    learning_rates=(5e-4, 1e-3, 2e-3),
    batch_size=128,
    steps=None,
    epochs=300,
    warmup_steps=0.01,
    weight_decay=0.05,
    ema=0.999,
    label_smoothing=0.1,
    stochastic_depth=0.1,
    randaugment_layers=2,
    randaugment_magnitude=10,
    cutmix=1.0,
    evaluation_crop="resize",
    evaluations=30,
)
_DIGITS = Recipe(
    "digits",
    "this package",
    data="digits",
    model="mixer_ti4",
    weights=None,
    optimizer="adamw",
    learning_rate=4e-3,
    learning_rates=(2e-3, 4e-3, 8e-3),
    batch_size=64,
    steps=2000,
    warmup_steps=100,
    weight_decay=0.1,
    ema=0.99,
    label_smoothing=0.1,
    stochastic_depth=0.1,
    crop="affine",
    flip=False,
    evaluation_crop="resize",
)
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "imagenet",
            _FINETUNE,
            "80.64 % (Table 3)",
            data="imagenet",
            steps=20_000,
            warmup_steps=500,
        ),
        Recipe("pets", _FINETUNE, _FIVE, data="pets"),
        Recipe("flowers102", _FINETUNE, _FIVE, data="flowers102"),
        Recipe("cifar10", _FINETUNE, _CIFAR10, data="cifar10", steps=10_000, warmup_steps=500),
        Recipe("cifar100", _FINETUNE, _FIVE, data="cifar100", steps=10_000, warmup_steps=500),
        Recipe(
            "vtab",
            f"{_FINETUNE}; the whole picture and no flips, for some tasks ask where things are",
            "mean of the 19 tasks, L/16 at 448 pixels: 74.95 % (Table 2)",
            learning_rate=0.01,
            learning_rates=(0.003, 0.01, 0.03),
            steps=2500,
            warmup_steps=250,
            crop="resize",
            flip=False,
            evaluation_crop="resize",
        ),
        Recipe("folder", f"{_FINETUNE}, as for the small data sets"),
        _pretrain(
            *("imagenet", "mixer_b16", 300, 1e-3, 0.1, f"76.44 % {_1K}", "10"),
            **_regularised(15, 0.5, -6.9),
        ),
        _pretrain(
            *("imagenet", "mixer_l16", 300, 1e-3, 0.1, f"71.76 % {_1K}", "40"),
            **_regularised(15, 0.5, -6.9),
        ),
        _pretrain(
            *("imagenet21k", "mixer_b16", 300, 1e-3, 0.1, f"80.64 % {_FT}", "150"),
            **_regularised(10, 0.2, -10.0),
        ),
        _pretrain(
            *("imagenet21k", "mixer_l16", 300, 1e-3, 0.1, f"82.89 % {_FT}", "410"),
            **_regularised(20, 0.5, -10.0),
        ),
        _pretrain("jft300m", "mixer_s16", 5, 3e-3, 0.03, f"73.83 % {_FT}", "30"),
        _pretrain("jft300m", "mixer_b16", 7, 3e-3, 0.03, f"80.00 % {_FT}", "80"),
        _pretrain("jft300m", "mixer_l32", 7, 1e-3, 0.03, f"80.67 % {_FT}", "120"),
        _pretrain("jft300m", "mixer_l16", 14, 1e-3, 0.03, f"84.82 % {_FT}", "450"),
        _pretrain("jft300m", "mixer_h14", 14, 1e-3, 0.03, f"86.32 % {_FT}", "1010"),
        _SMALL,
        dataclasses.replace(
            _SMALL,
            name="small_plain",
            source="this package: `small` alike for every kind of model, so without stochastic "
            "depth and without averages of weights, which batch normalisation's statistics do not "
            "follow",
            result="",
            ema=None,
            stochastic_depth=0.0,
        ),
        _DIGITS,
        dataclasses.replace(
            _DIGITS,
            name="digits_short",
            source="this package: the digits in less time, and alike for every kind of model as "
            "`small_plain`",
            steps=600,
            warmup_steps=60,
            evaluations=12,
            ema=None,
            stochastic_depth=0.0,
        ),
    )
}


def default_recipe(data: str) -> str:
    """Name of the fine-tuning recipe for a data set or a path."""
    if data.startswith("vtab/"):
        return "vtab"
    return data if data in RECIPES and RECIPES[data].data == data else "folder"


def default_comparison(data: str) -> str:
    """Name of the recipe by which models of several kinds are compared, from random weights."""
    return "digits_short" if data == "digits" else "small_plain"


def default_pretraining(data: str, model: str | None = None) -> str:
    """Name of the recipe for training on a data set from random weights."""
    if data == "digits":
        return "digits"
    model = (model or "mixer_b16").removeprefix("mixer_")
    for size in (model, model.rstrip("0123456789")):  # L/32 has a recipe of its own.
        if (named := f"pretrain_{data}_{size}") in RECIPES:
            return named
    return "small"
