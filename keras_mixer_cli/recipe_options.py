"""The fields of a recipe as options; a test compares them with the fields that there are."""

import click


class OrNone(click.ParamType):
    """A value of another type, or `none`."""

    def __init__(self, kind: click.ParamType):
        self.kind = kind
        self.name = f"{kind.name}|none"

    def convert(self, value, param, ctx):
        if value is None or str(value).lower() == "none":
            return NONE
        return self.kind.convert(value, param, ctx)


class Numbers(click.ParamType):
    """Numbers with commas between them."""

    name = "n,n,..."

    def convert(self, value, param, ctx):
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not numbers with commas between them.", param, ctx)


NONE = "none"  # `None` would be an option that was not given.
CROPS = click.Choice(["affine", "inception_crop", "random_crop", "resize"])
FIELDS: dict[str, tuple[click.ParamType, str]] = {
    "model": (click.STRING, "Architecture; `keras-mixer models` lists them."),
    "weights": (
        OrNone(click.STRING),
        "Published weights by name, a weight file (.keras, .weights.h5, .npz, .safetensors or "
        ".pth), or none.",
    ),
    "optimizer": (click.Choice(["sgd", "adamw"]), "With momentum 0.9; or b1 0.9, b2 0.999."),
    "learning_rate": (click.FLOAT, "Rate at the end of the warm-up."),
    "learning_rates": (Numbers(), "What --sweep tries."),
    "batch_size": (click.INT, "Images in a step."),
    "accumulation": (click.INT, "Parts that a batch is computed in, for small memory."),
    "steps": (click.INT, "Optimiser steps."),
    "epochs": (click.FLOAT, "Passes over the training images, instead of --steps."),
    "warmup_steps": (click.FLOAT, "Steps of linear growth of the rate; below 1, their share."),
    "decay": (click.Choice(["cosine", "linear"]), "Way down of the rate."),
    "clip_norm": (OrNone(click.FLOAT), "Largest global norm of a gradient, or none."),
    "weight_decay": (click.FLOAT, "Of kernels, multiplied by the rate; adamw only."),
    "layer_decay": (click.FLOAT, "Factor on the rate from each layer to the one before it."),
    "ema": (OrNone(click.FLOAT), "Momentum of the average of the weights that is kept, or none."),
    "loss": (click.Choice(["softmax", "sigmoid"]), "Cross-entropy of all classes, or of each."),
    "label_smoothing": (click.FLOAT, "Share of a label that is spread over all classes."),
    "class_weights": (OrNone(click.Choice(["balanced"])), "balanced: rare classes weigh more."),
    "head_bias": (click.FLOAT, "Where the bias of a new head begins."),
    "head_steps": (click.INT, "First steps, which train the head alone."),
    "linear_probe": (click.BOOL, "Begin with the head that regression on the features gives."),
    "lora_rank": (click.INT, "Rank of adapters of both MLPs, which then train with the head."),
    "dropout": (click.FLOAT, "Rate inside both MLPs."),
    "stochastic_depth": (click.FLOAT, "Rate at the last MLP, growing from 0."),
    "precision": (click.Choice(["float32", "mixed_bfloat16"]), "Of the computation."),
    "remat": (click.BOOL, "Compute activations again in the backward pass, for small memory."),
    "crop": (CROPS, "From a training image to the model's size."),
    "flip": (click.BOOL, "Mirror half of the images."),
    "randaugment_layers": (click.INT, "Changes to each image by RandAugment."),
    "randaugment_magnitude": (click.FLOAT, "Their strength, 0 to 30."),
    "mixup": (click.FLOAT, "Strength of mixup."),
    "cutmix": (click.FLOAT, "Strength of CutMix."),
    "augment": (
        OrNone(click.Choice(["augmix", "fouriermix", "gridmask", "mosaic"])),
        "One of keras-cv's; the run is then not the same twice.",
    ),
    "evaluation_crop": (
        click.Choice(["resize", "resize_crop", "resmall_crop"]),
        "From a test image to the model's size.",
    ),
    "evaluations": (click.INT, "How often to judge during the run, about."),
    "early_stopping": (click.INT, "Evaluations without a better top-1 after which to stop."),
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
        settings[name] = FIELDS[name][0].convert(value, param, ctx)
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
