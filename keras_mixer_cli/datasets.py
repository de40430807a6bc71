"""`keras-mixer datasets`"""

import os

import click

from keras_mixer_cli.numbers import Size, Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo
from keras_mixer_cli.recipe_options import find_recipe, recipe_options


@click.group(invoke_without_command=True)
@click.pass_context
def datasets(context) -> None:
    """List the data sets known by name, or look into one."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@datasets.command("list")
@on_a_backend
def list_() -> None:
    """List the data sets known by name. Any other one of TensorFlow Datasets is tfds:NAME."""
    from keras_mixer.data import DATASETS
    from keras_mixer_cli.tables import show

    show(
        "Data sets",
        {
            "name": "left",
            "classes": "right",
            "train / test": "right",
            "steps": "right",
            "TensorFlow Datasets": "left",
        },
        [
            (
                row.name,
                row.classes or "",
                row.images,
                row.steps or "",
                _source(row),
            )
            for row in DATASETS.values()
        ],
    )


def _source(row) -> str:
    """Where a row comes from."""
    if row.unavailable:
        return "not by name"
    name = row.tfds.partition(":")[0] if row.tfds else "no: scikit-learn"
    return f"{name} (by hand)" if row.by_hand else name


@datasets.command()
@click.argument("data")
@click.option(
    "--data-dir", type=click.Path(file_okay=False), help="Where TensorFlow Datasets keeps data."
)
@on_a_backend
@click.pass_context
def check(context, data, data_dir) -> None:
    """Go through every image of DATA and find what would spoil a training.

    Exit code 1 if an image cannot be read, is both trained on and evaluated on, or has two labels,
    if a class has nothing to train on, or if files or folders are not used that may be meant to be.
    """
    import keras_mixer
    from keras_mixer_cli.tables import show
    from keras_mixer_cli.training import check_data

    check_data(data)
    loaded = keras_mixer.data.load(data, data_dir, check=False)
    report = keras_mixer.data.check(loaded)
    train, test = report.counts["train"], report.counts["test"]
    show(
        f"{loaded.name}: {train.sum():,} images to train on, {test.sum():,} to judge on",
        {"class": "left", "train": "right", "test": "right"},
        [*zip(loaded.label_names, train, test, strict=True), ("all", train.sum(), test.sum())],
    )
    for side, (least, median, most) in (("height", report.heights), ("width", report.widths)):
        echo(f"{side}: {least} to {most} pixels, median {median}")
    echo(f"imbalance: the largest class has {report.imbalance:.1f} times the smallest")
    problems = report.problems(loaded.label_names)
    for problem in problems:
        echo(f"problem: {problem}")
    for note in loaded.notes:
        if not note.problem:
            echo(note.text)
    if not problems:
        echo("no problems found")
    context.exit(1 if problems else 0)


@datasets.command("show")
@click.argument("data")
@click.option("--output", type=click.Path(dir_okay=False), default="grid.png", show_default=True)
@click.option("--images", type=Whole(1, 10_000), default=24, show_default=True)
@click.option("--columns", type=Whole(), default=8, show_default=True)
@click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH.")
@recipe_options("crop", "randaugment_magnitude", "mixup", "cutmix", "augment")
@click.option("--seed", type=Whole(0), default=0, show_default=True)
@click.option(
    "--data-dir", type=click.Path(file_okay=False), help="Where TensorFlow Datasets keeps data."
)
@on_a_backend
def show_(
    data, recipe_name, output, images, columns, image_size, seed, data_dir, **changes
) -> None:
    """Draw the first images of a training on DATA as the model gets them, with their labels."""
    from PIL import Image

    import keras_mixer
    from keras_mixer import training
    from keras_mixer.writing import in_one_step
    from keras_mixer_cli.training import check_data

    kind = Image.registered_extensions().get(os.path.splitext(output)[1].lower())
    if kind not in Image.SAVE:
        raise click.BadParameter(
            f"{output!r} must end like an image that can be written, such as .png or .jpg.",
            param_hint="--output",
        )
    check_data(data, output)
    changes |= {"batch_size": images, "accumulation": 1, "steps": 1, "warmup_steps": 0}
    recipe = find_recipe(training.default_recipe(data), recipe_name, {**changes, "head_steps": 0})
    loaded = keras_mixer.data.load(data, data_dir, check=False)
    size = image_size or keras_mixer.SPECS[recipe.model].image_size
    batches = training.training_batches(loaded, recipe, size, seed=seed)
    batch = batches[0] if recipe.augment is None else next(iter(batches.as_numpy_iterator()))
    picture = keras_mixer.data.gallery(batch, loaded.label_names, columns)
    with in_one_step(output) as temporary:
        picture.save(temporary, format=kind)
    echo(f"saved: {output}, {images} images of {data} by the recipe {recipe.name}")
