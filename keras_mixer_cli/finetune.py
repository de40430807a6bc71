"""`keras-mixer finetune`"""

import dataclasses
import sys
import time

import click

from keras_mixer_cli.options import on_a_backend, parse_size


@click.command()
@click.argument("data")
@click.option("--model", "model_name", help="Architecture. Default: the recipe's.")
@click.option(
    "--weights",
    help="Published weights by name, a weight file (.keras, .weights.h5, .npz, .safetensors or "
    ".pth), or none. Default: the recipe's.",
)
@click.option(
    "--gelu",
    type=click.Choice(["tanh", "exact"]),
    help="Form of GELU. Default: the weights' own.",
)
@click.option(
    "--resolution",
    type=click.Choice(["expand", "interpolate"]),
    default="expand",
    show_default=True,
    help="How weights of another image size are brought to this one.",
)
@click.option("--output", type=click.Path(file_okay=False), help="Run directory; must be new.")
@click.option("--recipe", "recipe_name", help="Default: the data set's own.")
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps.")
@click.option("--batch-size", type=click.IntRange(1), help="Images in a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Peak rate.")
@click.option("--mixup", type=click.FloatRange(0), help="Strength of mixup.")
@click.option("--cutmix", type=click.FloatRange(0), help="Strength of CutMix.")
@click.option(
    "--augment",
    type=click.Choice(["augmix", "fouriermix", "gridmask", "mosaic"]),
    help="One of keras-cv's; the run is then not the same twice.",
)
@click.option(
    "--randaugment-magnitude", type=click.FloatRange(0, 30), help="Strength of RandAugment."
)
@click.option("--cache", is_flag=True, help="Keep the training images in memory, decoded.")
@click.option("--image-size", callback=parse_size, metavar="PIXELS", help="224, or HEIGHTxWIDTH.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--data-dir", type=click.Path(file_okay=False), help="Where TensorFlow Datasets keeps data."
)
@on_a_backend
def finetune(
    data,
    model_name,
    weights,
    gelu,
    resolution,
    output,
    recipe_name,
    image_size,
    cache,
    seed,
    data_dir,
    **changes,
) -> None:
    """Train a Mixer on DATA and judge it on the held-out part.

    DATA is digits, pets, flowers102, cifar10, cifar100, imagenet, vtab/TASK, or tfds:NAME
    (keras-mixer datasets lists them); the path of a folder that holds one folder of pictures for
    each class, or such folders below train/, val/ and test/; or of a .csv file of paths and labels.
    """
    import keras

    import keras_mixer
    from keras_mixer import evaluation, training

    recipe = find_recipe(data, recipe_name, changes)
    spec = _spec(model_name or recipe.model, image_size)
    loaded = keras_mixer.data.load(data, data_dir)
    keras.utils.set_random_seed(seed)
    weights = recipe.weights if weights is None else weights
    model = keras_mixer.Mixer(
        spec,
        weights=None if weights == "none" else weights,
        input_shape=_shape(image_size or spec.image_size),
        classes=loaded.classes,
        classifier_activation=None,
        resolution=resolution,
        gelu_approximate=None if gelu is None else gelu == "tanh",
        seed=seed,
    )
    run = training.new_run(output, f"{recipe.name}-{spec.name}")

    click.echo(f"model: {spec.name}, {model.count_params():,} parameters")
    click.echo(f"weights: {model.load_report or 'none (random initial weights)'}")
    click.echo(
        f"data: {len(loaded.train):,} images to train on, {len(loaded.test):,} held out, "
        f"{loaded.classes} classes"
    )
    if not loaded.checked:
        click.echo(
            "data: too many images to go through first; a bad one will stop the training by name. "
            "`keras-mixer datasets check` finds them all"
        )
    if cache:
        loaded = dataclasses.replace(loaded, train=loaded.train.cached())
        size = sum(picture.nbytes for picture in loaded.train.pictures)
        click.echo(f"cache: {len(loaded.train):,} images, {size / 2**20:,.1f} MiB in memory")
    passes = recipe.steps * recipe.batch_size / len(loaded.train)
    click.echo(
        f"recipe: {recipe.name}, {recipe.steps} steps of {recipe.batch_size} images, "
        f'{passes:.1f} passes; judged every {recipe.steps_per_round} steps ("Epoch" below)'
    )
    start = time.perf_counter()
    training.finetune(
        model,
        loaded,
        recipe,
        seed=seed,
        callbacks=[keras.callbacks.CSVLogger(run / "history.csv")],
        verbose=1 if sys.stdout.isatty() else 2,  # a progress bar, or a line for each round
    )
    seconds = time.perf_counter() - start
    result = evaluation.evaluate(model, loaded.test, crop=recipe.evaluation_crop, verbose=0)
    _report(run, model, loaded, recipe, spec, result, seconds, {"data": loaded.name, "seed": seed})


def find_recipe(data, recipe_name, changes):
    """The recipe that was asked for, else the data set's own, with the changes of the options."""
    from keras_mixer.training import RECIPES, default_recipe

    if recipe_name is not None and recipe_name not in RECIPES:
        raise click.BadParameter(
            f"{recipe_name!r} is not one of {', '.join(RECIPES)}.", param_hint="--recipe"
        )
    check_data(data)
    name = recipe_name or default_recipe(data)
    return RECIPES[name].replace(**{k: v for k, v in changes.items() if v is not None})


def check_data(data) -> None:
    """A usage error unless `data` names something that can be loaded."""
    from keras_mixer.data.sources import unknown

    if problem := unknown(data):
        raise click.BadParameter(problem, param_hint="DATA")


def _spec(name, image_size):
    from keras_mixer.specs import SPECS

    if name not in SPECS:
        raise click.BadParameter(
            f"{name!r} is not one of {', '.join(SPECS)}.", param_hint="--model"
        )
    try:
        SPECS[name].grid(image_size)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--image-size") from error
    return SPECS[name]


def _shape(image_size) -> tuple[int, int, int]:
    import keras

    last = keras.config.image_data_format() == "channels_last"
    return (*image_size, 3) if last else (3, *image_size)


def _report(run, model, data, recipe, spec, result, seconds, arguments) -> None:
    """Writes the run directory and prints the table."""
    import keras

    import keras_mixer
    from keras_mixer import training
    from keras_mixer_cli.tables import percent, show

    metrics = {
        "top_1": result.top_1,
        "top_5": result.top_5,
        "loss": result.loss,
        "test_images": result.images,
        "training_seconds": round(seconds, 1),
    }
    config = {
        **arguments,
        "spec": dataclasses.asdict(spec),
        "recipe": dataclasses.asdict(recipe),
        "input_shape": model.input_shape[1:],
        "output": "logits",
        "weights": str(model.load_report) if model.load_report else None,
        "test_fingerprint": data.test.fingerprint(),
        "versions": {
            "keras_mixer": keras_mixer.__version__,
            "keras": keras.__version__,
            keras.backend.backend(): _backend_version(),
        },
        "metrics": metrics,
    }
    training.save_run(run, model, config, data.label_names)
    show(
        f"{data.name} with {spec.name} on {keras.backend.backend()}",
        {"": "left", "held out": "right"},
        [
            ("top-1", percent(result.top_1)),
            ("top-5", percent(result.top_5)),
            ("loss", f"{result.loss:.4f}"),
            ("images", result.images),
            ("training", f"{seconds:.0f} s"),
        ],
    )
    click.echo(f"saved: {run}")


def _backend_version() -> str:
    import importlib.metadata

    import keras

    return importlib.metadata.version(keras.backend.backend())
