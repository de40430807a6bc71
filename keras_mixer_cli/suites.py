"""`keras-mixer vtab` and `keras-mixer transfer`"""

import dataclasses

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import Several, Values
from keras_mixer_cli.printing import echo, echo_json
from keras_mixer_cli.recipe_options import find_recipe, refuse_settings
from keras_mixer_cli.study_options import place_of, study_options


def _suite_options(command):
    for option in reversed(
        [
            click.option(
                "--model", default="mixer_b16", show_default=True, help="Name of a model."
            ),
            click.option(
                "--weights",
                help="Published weights by name, a weight file, or none. Default: imagenet21k.",
            ),
            click.option("--tasks", type=Values(click.STRING), help="Only these data sets."),
            click.option("--seeds", type=Whole(), help="Runs of each. Default: the paper's."),
            click.option(
                "--sweep/--no-sweep",
                default=True,
                help="Choose the learning rate on the dev split.",
            ),
            study_options,
        ]
    ):
        command = option(command)
    return command


@click.command(cls=Several)
@_suite_options
def vtab(**options) -> None:
    """Fine-tune a model on the 19 tasks of VTAB-1k, and take the means.

    Of each task 800 images are trained on and 200 choose the learning rate among the paper's three;
    the final run takes all 1,000. A task whose images cannot be had is skipped, and the means then
    are marked as partial; the same command goes on with it later.
    """
    _run("vtab", **options)


@click.command(cls=Several)
@_suite_options
def transfer(**options) -> None:
    """Fine-tune a model on ImageNet, CIFAR-10, CIFAR-100, Pets and Flowers: the paper's Avg 5.

    The learning rate is chosen on the dev split; the mean and the deviation are of three seeds.
    """
    _run("transfer", **options)


def _run(
    name,
    *,
    model,
    weights,
    tasks,
    seeds,
    sweep,
    image_size,
    recipe_name,
    settings,
    seed,
    output,
    resume,
    new,
    data_dir,
    quiet,
    as_json,
    **changes,
) -> None:
    from keras_mixer import runs, training
    from keras_mixer_cli.progress import choose_progress
    from keras_mixer_cli.training import checked_model

    refuse_settings(settings, model="--model", weights="--weights")
    place = place_of(output, resume, new, data_dir)
    suite = runs.SUITES[name]
    chosen = _chosen(suite, tasks)
    built = checked_model(model, image_size)

    def request_of(task):
        recipe = find_recipe(
            training.default_recipe(task),
            recipe_name,
            {**changes, **settings, "model": model, "weights": weights},
        )
        return runs.Request(
            task,
            built,
            recipe,
            seed=seed,
            image_size=image_size,
            sweep=sweep,
            seeds=seeds or suite.seeds,
        )

    progress = choose_progress(quiet=quiet or as_json, json_lines=False)
    with progress:
        path, result = runs.run_suite(
            suite, request_of, place, tasks=chosen, say=progress.say, callbacks=[progress]
        )
    if as_json:
        rows = [dataclasses.asdict(task) for task in result.tasks]
        echo_json({"path": str(path), "tasks": rows, "means": result.summary()}, indent=2)
    elif not quiet:
        _show(f"{model}, {suite.title}", result)
        echo(f"saved: {path}")


def _chosen(suite, tasks):
    """Names of data sets of the suite, each named with or without its `vtab/`, or `None`."""
    if tasks is None:
        return None
    known = {task.rpartition("/")[2]: task for task, _ in suite.tasks()}
    wanted = [task.rpartition("/")[2] for task in tasks]
    if unknown := [task for task in wanted if task not in known]:
        raise click.BadParameter(
            f"{', '.join(unknown)}: not among {', '.join(known)}.", param_hint="--tasks"
        )
    return [known[task] for task in wanted]


def _show(title, result) -> None:
    import statistics

    from keras_mixer_cli.tables import percent, show

    rows = [
        (
            task.task,
            task.group,
            "" if task.skipped else f"{task.learning_rate:g}",
            "skipped" if task.skipped else percent(statistics.fmean(task.top_1)),
        )
        for task in result.tasks
        if task.skipped != "not asked for"
    ]
    for group, numbers in result.summary().items():
        if numbers["mean"] is not None:
            deviation = numbers["deviation"]
            text = percent(numbers["mean"]) + (f" ± {100 * deviation:.2f}" if deviation else "")
            done = len(result.done(None if group == "overall" else group))
            partial = " (PARTIAL)" if numbers["partial"] else ""
            rows.append((f"mean of {done}{partial}", group, "", text))
    show(
        title,
        {"data": "left", "group": "left", "rate": "right", "top-1": "right"},
        rows,
    )
    for task in result.tasks:
        if task.skipped and task.skipped != "not asked for":
            echo(f"skipped {task.task}: {task.skipped}")
