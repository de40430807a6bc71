"""`keras-mixer compare` and `keras-mixer shuffle-study`"""

import dataclasses

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import Several, Values
from keras_mixer_cli.printing import echo, echo_json
from keras_mixer_cli.reading import max_bad_images
from keras_mixer_cli.recipe_options import find_recipe, refuse_settings
from keras_mixer_cli.study_options import place_of, study_options

SMALL = ("mixer_ti4", "vit_ti4", "resnet_ti4")
LARGE = ("mixer_b16", "vit_b16", "resnet50")


@click.command(cls=Several)
@click.argument("data")
@click.option(
    "--models",
    type=Values(click.STRING),
    help="Names, or package.module:factory; name@weights begins from published weights. "
    f"Default: {' '.join(SMALL)} for the digits, else {' '.join(LARGE)}.",
)
@click.option(
    "--batch-sizes",
    type=Values(Whole()),
    default="1,8,32",
    show_default=True,
    help="To measure throughput at; the best one counts.",
)
@click.option("--rounds", type=Whole(), default=5, show_default=True)
@click.option(
    "--seeds",
    type=Whole(),
    default=1,
    show_default=True,
    help="Trainings of each model to take the mean and the deviation of.",
)
@max_bad_images
@study_options
def compare(
    data,
    models,
    batch_sizes,
    rounds,
    seeds,
    image_size,
    recipe_name,
    settings,
    seed,
    output,
    resume,
    new,
    data_dir,
    max_bad_images,
    quiet,
    as_json,
    **changes,
) -> None:
    """Train several models on DATA by one recipe, and measure the paper's three quantities.

    Accuracy, cost of training and throughput, in a table and two pictures. All begin from random
    weights unless `name@weights` says otherwise; DATA is as for finetune.
    """
    from keras_mixer import runs, training
    from keras_mixer_cli.progress import choose_progress
    from keras_mixer_cli.training import check_data, checked_model

    check_data(data, output or "runs")
    refuse_settings(settings, model="--models", weights="--models NAME@WEIGHTS")
    place = place_of(output, resume, new, data_dir, max_bad_images)
    models = models or (SMALL if data == "digits" else LARGE)
    pretrained = any("@" in named for named in models)
    default = training.default_recipe if pretrained else training.default_comparison
    requests = {}
    for named in models:
        name, _, weights = named.partition("@")
        recipe = find_recipe(
            default(data),
            recipe_name,
            {**changes, **settings, "model": name, "weights": weights or "none"},
        )
        built = checked_model(name, image_size, "--models")
        requests[named] = runs.Request(
            data, built, recipe, seed=seed, image_size=image_size, seeds=seeds
        )
    progress = choose_progress(quiet=quiet or as_json, json_lines=False)
    with progress:
        path, rows = runs.compare(
            requests,
            place,
            batch_sizes=batch_sizes,
            rounds=rounds,
            say=progress.say,
            callbacks=[progress],
        )
    if as_json:
        content = [dataclasses.asdict(row) for row in rows]
        echo_json({"path": str(path), "compared": content}, indent=2)
    elif not quiet:
        _show_compared(data, path, rows)


def _show_compared(data, path, rows) -> None:
    from keras_mixer_cli.tables import percent, show

    show(
        (
            f"{data}. trained: how long, and 10^12 multiply-accumulates; images/s of inference and",
            "of training: at the best batch size",
        ),
        {
            "model": "left",
            "params": "right",
            "MACs": "right",
            "top-1": "right",
            "trained": "right",
            "TMACs": "right",
            "infer/s": "right",
            "train/s": "right",
        },
        [
            (
                row.model,
                f"{row.parameters / 1e6:.2f} M",
                f"{row.macs / 1e9:.3f} G",
                percent(row.top_1) + (f" ± {100 * row.deviation:.2f}" if row.deviation else ""),
                f"{row.training_seconds:.0f} s",
                f"{row.training_macs / 1e12:.2f}",
                *(
                    "no memory" if rate is None else f"{rate:,.0f}"
                    for rate in (row.inference, row.training)
                ),
            )
            for row in rows
        ],
    )
    echo(f"saved: {path}, with accuracy_cost.png and accuracy_throughput.png")


@click.command("shuffle-study", cls=Several)
@click.argument("data")
@click.option(
    "--models",
    type=Values(click.STRING),
    help="A Mixer, and names of others, or package.module:factory. "
    f"Default: {' '.join(SMALL[::2])} for the digits, else {' '.join(LARGE[::2])}.",
)
@max_bad_images
@study_options
def shuffle_study(
    data,
    models,
    image_size,
    recipe_name,
    settings,
    seed,
    output,
    resume,
    new,
    data_dir,
    max_bad_images,
    quiet,
    as_json,
    **changes,
) -> None:
    """Train a Mixer and a ResNet on DATA as it is, and with its pixels in disorder.

    Once patches, and the pixels within them, are in another order, the same one in every image;
    once all pixels are. The paper's Figure 4 has such curves, of 5-shot accuracy on ImageNet; these
    are of the held-out images of DATA, which is as for finetune.
    """
    from keras_mixer import runs, training
    from keras_mixer_cli.progress import choose_progress
    from keras_mixer_cli.tables import percent, show
    from keras_mixer_cli.training import check_data, checked_model

    check_data(data, output or "runs")
    refuse_settings(settings, model="--models", weights="none: all begin at random")
    place = place_of(output, resume, new, data_dir, max_bad_images)
    models = models or ((SMALL if data == "digits" else LARGE)[::2])
    for name in models:
        checked_model(name, image_size, "--models")
    recipe = find_recipe(
        training.default_comparison(data),
        recipe_name,
        {**changes, **settings, "model": models[0], "weights": "none"},
    )
    progress = choose_progress(quiet=quiet or as_json, json_lines=False)
    with progress:
        path, rows = runs.shuffle_study(
            data,
            models,
            recipe,
            place,
            seed=seed,
            image_size=image_size,
            say=progress.say,
            callbacks=[progress],
        )
    if as_json:
        content = [dataclasses.asdict(row) for row in rows]
        echo_json({"path": str(path), "curves": content}, indent=2)
    elif not quiet:
        first = {row.model: row.top_1 for row in reversed(rows)}
        show(
            f"{data}: held-out top-1 with the pixels in order and in disorder",
            {"model": "left", "pixels": "left", "top-1": "right", "lost": "right"},
            [
                (
                    row.model,
                    row.arm,
                    percent(row.top_1),
                    percent(1 - row.top_1 / first[row.model] if first[row.model] else None),
                )
                for row in rows
            ],
        )
        echo(f"saved: {path}, with shuffle.png")
