"""What the commands share that train several models."""

import shlex
import sys

import click

from keras_mixer_cli.numbers import Size, Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.recipe_options import FIELDS, recipe_options, set_option


def study_options(command):
    """Adds the options of the recipe but for the model, and those of a folder of trainings."""
    fields = [name for name in FIELDS if name not in ("model", "weights")]
    for option in reversed(
        [
            recipe_options(*fields),
            set_option,
            click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH."),
            click.option("--seed", type=Whole(0), default=0, show_default=True),
            click.option(
                "--output", type=click.Path(file_okay=False), help="Folder. Default: in runs."
            ),
            click.option("--resume", is_flag=True, help="Fail unless there is one to go on with."),
            click.option("--new", is_flag=True, help="Begin anew, whatever could go on."),
            click.option(
                "--data-dir",
                type=click.Path(file_okay=False),
                help="Where TensorFlow Datasets keeps data.",
            ),
            click.option("--quiet", is_flag=True, help="Print errors alone."),
            click.option("--json", "as_json", is_flag=True, help="Print the result as JSON alone."),
            on_a_backend,
        ]
    ):
        command = option(command)
    return command


def place_of(output, resume, new, data_dir, max_bad_images=0):
    """Where the trainings go."""
    from keras_mixer import runs

    if resume and new:
        raise click.UsageError("--resume and --new exclude each other.")
    return runs.Place(
        output=output,
        resume=resume,
        new=new,
        data_dir=data_dir,
        command=shlex.join(["keras-mixer", *sys.argv[1:]]),
        max_bad_images=max_bad_images,
    )
