"""`keras-mixer recipes`"""

import dataclasses

import click

from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo_json


@click.group(invoke_without_command=True)
@click.pass_context
def recipes(context) -> None:
    """List the recipes for training, or show one."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@recipes.command("list")
@on_a_backend
def list_() -> None:
    """List the recipes."""
    from keras_mixer.training import RECIPES
    from keras_mixer_cli.tables import show

    show(
        "Recipes. rate: at the end of the warm-up.",
        {
            "recipe": "left",
            "model": "left",
            "rate": "right",
            "batch": "right",
            "length": "right",
        },
        [
            (
                recipe.name,
                recipe.model,
                f"{recipe.learning_rate:g}",
                recipe.batch_size,
                f"{recipe.epochs:g} epochs" if recipe.steps is None else f"{recipe.steps} steps",
            )
            for recipe in RECIPES.values()
        ],
    )


@recipes.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_a_backend
def show(name, as_json) -> None:
    """Show the recipe NAME: where it comes from, what it gave there, and every field."""
    from keras_mixer.training import RECIPES
    from keras_mixer_cli.tables import show as show_table

    if name not in RECIPES:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(RECIPES)}.", param_hint="NAME")
    fields = dataclasses.asdict(RECIPES[name])
    if as_json:
        echo_json(fields, indent=2)
        return
    command = "finetune" if fields["weights"] or name == "digits" else "pretrain"
    data = fields["data"] or ("vtab/TASK" if name == "vtab" else "DATA")
    recipe = (
        "" if (fields["data"] and command == "finetune") or name == "vtab" else f" --recipe {name}"
    )
    show_table(
        f"keras-mixer {command} {data}{recipe}",
        {"field": "left", "value": "left"},
        [(key, _text(value)) for key, value in fields.items()],
    )


def _text(value) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{number:g}" for number in value)
    return "none" if value is None else str(value)
