"""The fields of a recipe as options; a test compares them with the fields that there are."""

import click

from keras_mixer_cli.numbers import COUNT, LARGE, Real, Whole
from keras_mixer_cli.options import Values


class OrNone(click.ParamType):
    """A value of another type, or `none`."""

    def __init__(self, kind: click.ParamType):
        self.kind = kind
        self.name = f"{kind.name}|none"

    def convert(self, value, param, ctx):
        if value is None or str(value).lower() == "none":
            return NONE
        return self.kind.convert(value, param, ctx)


NONE = "none"  # `None` would be an option that was not given.
SHARE = Real(0, 1, max_open=True)
CROPS = click.Choice(["affine", "inception_crop", "random_crop", "resize"])
FIELDS: dict[str, tuple[click.ParamType, str]] = {
    "model": (click.STRING, "Architecture; `keras-mixer models` lists them."),
    "weights": (
        OrNone(click.STRING),
        "Published weights by name, a weight file (.keras, .weights.h5, .npz, .safetensors or "
        ".pth), or none.",
    ),
    "optimizer": (click.Choice(["sgd", "adamw"]), "With momentum 0.9; or b1 0.9, b2 0.999."),
    "learning_rate": (Real(min_open=True), "Rate at the end of the warm-up."),
    "learning_rates": (Values(Real(min_open=True)), "What --sweep tries."),
    "batch_size": (Whole(1, 2**20), "Images in a step."),
    "accumulation": (Whole(), "Parts that a batch is computed in, for small memory."),
    "steps": (Whole(), "Optimiser steps."),
    "epochs": (
        Real(0, COUNT, min_open=True),
        "Passes over the training images, instead of --steps.",
    ),
    "warmup_steps": (Real(0, COUNT), "Steps of linear growth of the rate; below 1, their share."),
    "decay": (click.Choice(["cosine", "linear"]), "Way down of the rate."),
    "clip_norm": (OrNone(Real(min_open=True)), "Largest global norm of a gradient, or none."),
    "weight_decay": (Real(), "Of kernels, multiplied by the rate; adamw only."),
    "layer_decay": (
        Real(0, 1, min_open=True),
        "Factor on the rate from each layer to the one before it.",
    ),
    "ema": (
        OrNone(Real(0, 1, min_open=True, max_open=True)),
        "Momentum of the average of the weights that is kept, or none.",
    ),
    "loss": (click.Choice(["softmax", "sigmoid"]), "Cross-entropy of all classes, or of each."),
    "label_smoothing": (SHARE, "Share of a label that is spread over all classes."),
    "class_weights": (OrNone(click.Choice(["balanced"])), "balanced: rare classes weigh more."),
    "head_bias": (Real(-LARGE), "Where the bias of a new head begins."),
    "head_steps": (Whole(0), "First steps, which train the head alone."),
    "linear_probe": (click.BOOL, "Begin with the head that regression on the features gives."),
    "lora_rank": (
        Whole(0, 65_536),
        "Rank of adapters of both MLPs, which train with the head.",
    ),
    "dropout": (SHARE, "Rate inside both MLPs."),
    "stochastic_depth": (SHARE, "Rate at the last MLP, growing from 0."),
    "precision": (click.Choice(["float32", "mixed_bfloat16"]), "Of the computation."),
    "remat": (click.BOOL, "Compute activations again in the backward pass, for small memory."),
    "crop": (CROPS, "From a training image to the model's size."),
    "flip": (click.BOOL, "Mirror half of the images."),
    "randaugment_layers": (Whole(0, 1000), "Changes to each image by RandAugment."),
    "randaugment_magnitude": (Real(0, 30), "Their strength, 0 to 30."),
    "mixup": (Real(), "Strength of mixup."),
    "cutmix": (Real(), "Strength of CutMix."),
    "augment": (
        OrNone(click.Choice(["augmix", "fouriermix", "gridmask", "mosaic"])),
        "One of keras-cv's; the run is then not the same twice.",
    ),
    "evaluation_crop": (
        click.Choice(["resize", "resize_crop", "resmall_crop"]),
        "From a test image to the model's size.",
    ),
    "evaluations": (Whole(1, 1_000_000), "How often to judge during the run, about."),
    "early_stopping": (Whole(0), "Evaluations without a better top-1 after which to stop."),
    "keep_best": (click.BOOL, "Keep the weights of the best evaluation."),
}


def recipe_options(*names: str):
    """Adds an option for each field, or for those that are named, and `--recipe`."""

    def decorate(command):
        for name in reversed(names or tuple(FIELDS)):
            kind, text = FIELDS[name]
            flags = f"--{name.replace('_', '-')}"
            if isinstance(kind, click.types.BoolParamType):
                flags += f"/--no-{name.replace('_', '-')}"
                command = click.option(flags, name, default=None, help=text)(command)
            else:
                command = click.option(flags, name, type=kind, help=text)(command)
        return click.option("--recipe", "recipe_name", help="Default: that of the data set.")(
            command
        )

    return decorate


def set_option(command):
    """Adds `--set FIELD=VALUE`."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="FIELD=VALUE",
        callback=_parse_settings,
        help="Any field of the recipe; may be given several times.",
    )(command)


def _parse_settings(ctx, param, values) -> dict:
    settings = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or name not in FIELDS:
            raise click.BadParameter(
                f"{text!r} is not FIELD=VALUE, with one of the fields {', '.join(FIELDS)}."
            )
        try:
            settings[name] = FIELDS[name][0].convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(f"{name}: {error.message}") from error
    return settings


def refuse_settings(settings: dict, **instead: str) -> None:
    """Refuses a field of `--set` that a command has another option for.

    Args:
        settings: what `--set` gave.
        instead: that option, by field.
    """
    for field, option in instead.items():
        if field in settings:
            raise click.UsageError(f"--set {field}=... is not for this command. Give {option}.")


def find_recipe(default: str, recipe_name: str | None, changes: dict):
    """The recipe that was asked for, else the default one, with the options that were given."""
    from keras_mixer.training import RECIPES

    if recipe_name is not None and recipe_name not in RECIPES:
        raise click.BadParameter(
            f"{recipe_name!r} is not one of {', '.join(RECIPES)}.", param_hint="--recipe"
        )
    given = {k: None if v == NONE else v for k, v in changes.items() if v is not None}
    try:
        return RECIPES[recipe_name or default].replace(**given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
