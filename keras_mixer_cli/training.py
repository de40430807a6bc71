"""`keras-mixer finetune` and `keras-mixer pretrain`"""

import shlex
import sys
from dataclasses import asdict

import click

from keras_mixer_cli.distribution_options import distributed, distribution_options
from keras_mixer_cli.numbers import Size, Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.reading import max_bad_images
from keras_mixer_cli.recipe_options import find_recipe, recipe_options, set_option


def _training_options(command):
    """What both commands take."""
    for option in reversed(
        [
            click.argument("data"),
            recipe_options(),
            set_option,
            click.option(
                "--gelu",
                type=click.Choice(["tanh", "exact"]),
                help="Form of GELU. Default: the weights' own.",
            ),
            click.option(
                "--resolution",
                type=click.Choice(["expand", "interpolate"]),
                help="How weights of another image size are brought to this one. Default: expand.",
            ),
            click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH."),
            click.option("--seed", type=Whole(0), default=0, show_default=True),
            click.option("--sweep", is_flag=True, help="Choose the rate on the dev split first."),
            click.option(
                "--seeds",
                type=Whole(),
                default=1,
                show_default=True,
                help="Runs to take the mean and the deviation of.",
            ),
            click.option(
                "--output",
                type=click.Path(file_okay=False),
                help="Run directory. Default: in runs.",
            ),
            click.option(
                "--resume", is_flag=True, help="Fail unless there is a run to go on with."
            ),
            click.option("--new", is_flag=True, help="Begin anew, whatever could go on."),
            click.option(
                "--cache", is_flag=True, help="Keep the training images in memory, decoded."
            ),
            click.option(
                "--data-dir",
                type=click.Path(file_okay=False),
                help="Where TensorFlow Datasets keeps data.",
            ),
            max_bad_images,
            distribution_options,
            click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard."),
            click.option("--quiet", is_flag=True, help="Print errors alone."),
            click.option("--json-lines", is_flag=True, help="Print a line of JSON for each event."),
            on_a_backend,
        ]
    ):
        command = option(command)
    return command


@click.command()
@_training_options
def finetune(data, **options) -> None:
    """Train a Mixer on DATA and judge it on the held-out part.

    DATA is digits, pets, flowers102, cifar10, cifar100, imagenet, vtab/TASK, or tfds:NAME
    (keras-mixer datasets lists them); the path of a folder that holds one folder of pictures for
    each class, or such folders below train/, val/ and test/; or of a .csv file of paths and labels.

    A run that was cut short goes on when its command is given again.
    """
    _train(data, False, **options)


@click.command()
@_training_options
def pretrain(data, **options) -> None:
    """Train a Mixer on DATA from random weights; DATA is as for finetune.

    The recipe is by default Table 4's of the paper for imagenet, and else `small`.
    """
    _train(data, True, **options)


def check_data(data, *outputs) -> None:
    """A usage error unless `data` names something that can be loaded, with no output within."""
    from keras_mixer.data import check_outside
    from keras_mixer.data.sources import unknown

    if problem := unknown(data):
        raise click.BadParameter(problem, param_hint="DATA")
    for output in outputs:
        try:
            check_outside(output, data)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--output") from error


def _train(
    data,
    from_scratch,
    *,
    recipe_name,
    settings,
    gelu,
    resolution,
    image_size,
    seed,
    sweep,
    seeds,
    output,
    resume,
    new,
    cache,
    data_dir,
    max_bad_images,
    tensorboard,
    quiet,
    json_lines,
    distribute,
    split,
    processes,
    process,
    coordinator,
    wait,
    **changes,
) -> None:
    from keras_mixer import runs, training
    from keras_mixer_cli.progress import choose_progress

    if resume and new:
        raise click.UsageError("--resume and --new exclude each other.")
    check_data(data, output or "runs")
    changes = {**changes, **settings}
    if from_scratch:
        default = training.default_pretraining(data, changes["model"])
        changes["weights"] = changes["weights"] or "none"
    else:
        default = training.default_recipe(data)
    recipe = find_recipe(default, recipe_name, changes)
    options = {"resolution": resolution} if resolution else {}
    if gelu:
        options["gelu_approximate"] = gelu == "tanh"
    request = runs.Request(
        data,
        checked_model(recipe.model, image_size),
        recipe,
        seed=seed,
        image_size=image_size,
        options=options,
        sweep=sweep,
        seeds=seeds,
        cache=cache,
    )
    place = runs.Place(
        output=output,
        resume=resume,
        new=new,
        data_dir=data_dir,
        command=shlex.join(["keras-mixer", *sys.argv[1:]]),
        tensorboard=tensorboard,
        max_bad_images=max_bad_images,
    )
    # What the pictures are is compared later.
    facts = {**asdict(recipe), "model": request.model_name, "seed": seed, "size": image_size}
    facts |= {"gelu": gelu, "resolution": resolution}
    several = (distribute, split, processes, process, coordinator, wait)
    with distributed(*several, facts) as here:
        if not here.chief:
            runs.train_along(request, place)
            return
        progress = choose_progress(quiet=quiet, json_lines=json_lines)
        with progress:
            run = runs.run(request, place, say=progress.say, callbacks=[progress])
    progress.result(run)


def checked_model(name, image_size=None, option="--model"):
    """The architecture of a Mixer by its name, or the name of another model; else a usage error."""
    from keras_mixer.specs import SPECS
    from keras_mixer_cli.find_model import check_model_name

    check_model_name(name, option)
    if name not in SPECS:
        return name
    try:
        SPECS[name].grid(image_size)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--image-size") from error
    return SPECS[name]
