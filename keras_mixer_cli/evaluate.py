"""`keras-mixer evaluate`"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re

import click

from keras_mixer_cli.evaluated import load_for
from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import is_run, not_taken, on_a_backend
from keras_mixer_cli.printing import echo, echo_json, finite
from keras_mixer_cli.reading import max_bad_images

MANY_CLASSES = 50  # Beyond, only the worst ones are shown one by one.
WORST_CLASSES = 20


@click.command()
@click.argument("target")
@click.argument("data", required=False)
@click.option("--weights", help="Of a model by name: published weights, or a weight file.")
@click.option(
    "--crop",
    "crops",
    multiple=True,
    type=click.Choice(["resize", "resize_crop", "resmall_crop"]),
    help="May be given several times. Default: the run's, else the data set's.",
)
@click.option("--batch-size", type=Whole(), default=64, show_default=True)
@click.option("--real", is_flag=True, help="Judge on ImageNet's ReaL labels, too.")
@click.option(
    "--real-labels",
    type=click.Path(exists=True, dir_okay=False),
    help="A copy of their real.json. Default: fetched, once.",
)
@click.option(
    "--predictions",
    type=click.Path(dir_okay=False),
    help="File to write the predictions to; of several crops, one each: FILE-CROP.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False),
    help="Folder for pictures, in a folder DATA-CROP. Default: RUN/evaluation, else none.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Where TensorFlow Datasets keeps data.",
)
@max_bad_images
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each crop.")
@on_a_backend
def evaluate(target, data, real, real_labels, predictions, output, as_json, **options) -> None:
    """Judge TARGET on every held-out image of DATA.

    TARGET is the directory of a run, hf://user/name[@revision], a .keras file, the name of a model
    with --weights, or an .npz file of predictions, which needs no DATA. DATA is by default what the
    run was trained on; it must have the classes of the model. Only a run names those; elsewhere
    their number has to agree, and their order is taken to be that of DATA.
    """
    from keras_mixer import evaluation

    if predictions and not predictions.endswith(".npz"):
        raise click.BadParameter(f"{predictions!r} must end in .npz.", param_hint="--predictions")
    real = evaluation.load_real_labels(real_labels) if real or real_labels else None
    if target.endswith(".npz"):
        given = {"DATA": data, "--weights": options["weights"], "--crop": options["crops"]}
        given |= {"--predictions": predictions, "--data-dir": options["data_dir"]}
        given |= {"--max-bad-images": options["max_bad_images"]}
        if unused := [name for name, value in given.items() if value]:
            raise click.UsageError(f"{target} holds predictions: leave out {', '.join(unused)}.")
        found = [evaluation.Predictions.load(target)]
    else:
        file = predictions and pathlib.Path(predictions)
        outputs = [output] if output else []
        found = _predict(target, data, file, real is not None, outputs, **options)
        if output is None and os.path.isdir(target):
            output = os.path.join(target, "evaluation")
    results = [one.score() for one in found]
    reals = [evaluation.real_accuracy(one, real) if real else None for one in found]
    contents = [_content(*row) for row in zip(found, results, reals, strict=True)]
    if as_json:
        for content in contents:
            echo_json(content)
    else:
        _show(found, results, reals)
    for row in zip(found, results, contents, strict=True) if output else ():
        _draw(pathlib.Path(output), *row)


def _predict(
    target, data, file, real, outputs, *, weights, crops, batch_size, data_dir, max_bad_images
) -> list:
    """The predictions of a model for each crop, each written to `file` as soon as it is there."""
    from keras_mixer import evaluation, runs
    from keras_mixer.data import DATASETS
    from keras_mixer_cli.find_model import find_model

    run = runs.load_run(target) if is_run(target) else None
    _check_target(target, data, weights)
    loaded = load_for(target, data, run, weights, outputs, data_dir, max_bad_images)
    name = data or loaded.name
    if real:  # What would fail after the work is said before it.
        evaluation.image_numbers(evaluation.picture_names(loaded.test), loaded.label_names)
    classes = loaded.classes if ":" in target else None  # A factory has none of its own.
    model = find_model(target, weights=weights, classes=classes).model
    if model.output_shape[-1] != loaded.classes:
        raise ValueError(
            f"{target} has {model.output_shape[-1]} classes and {name} has {loaded.classes}."
        )
    if not crops and run:
        crops = [run.crop]
    elif not crops:
        crops = [DATASETS[name].evaluation_crop if name in DATASETS else "resmall_crop"]
    found = []
    for crop in dict.fromkeys(crops):
        one = evaluation.Predictions.of(
            model,
            loaded.test,
            crop=crop,
            batch_size=batch_size,
            verbose=0,
            label_names=loaded.label_names,
            data=loaded.name,
            name=f"{target} ({weights})" if weights else target,
        )
        found.append(one)
        if file:
            one.save(file if len(set(crops)) == 1 else file.with_stem(f"{file.stem}-{crop}"))
    return found


def _check_target(target: str, data: str | None, weights: str | None) -> None:
    """A usage error unless the arguments name one model that knows something."""
    from keras_mixer.specs import SPECS

    if is_run(target) or target.endswith(".keras"):
        if weights:
            raise click.UsageError(f"{target} has its own weights: leave out --weights.")
    elif ":" not in target and target not in SPECS:  # Other models get a head that knows nothing.
        raise click.BadParameter(
            not_taken(
                target,
                "the directory of a run, hf://user/name[@revision], a .keras or .npz file, "
                "package.module:factory, or a Mixer by name with --weights",
            ),
            param_hint="TARGET",
        )
    elif target in SPECS and weights is None:
        raise click.UsageError(
            f"{target} needs --weights: published ones, a file, or none for random ones."
        )
    if data is None and not is_run(target):
        raise click.UsageError(f"Missing argument 'DATA': what to judge {target} on.")


def _content(one, result, real) -> dict:
    """An evaluation as JSON; what is not a number becomes null."""

    calibration = dataclasses.asdict(result.calibration)
    content = {name: getattr(one, name) for name in ("model", "backend", "data", "crop")}
    content |= {name: getattr(result, name) for name in ("images", "top_1", "top_5", "loss")}
    content["ece"] = calibration.pop("error")
    if real:
        content["real"] = dataclasses.asdict(real)
    content["calibration"] = {name: array.tolist() for name, array in calibration.items()}
    content["per_class"] = dict(zip(one.label_names, result.per_class.tolist(), strict=True))
    return finite(content)


def _show(found, results, reals) -> None:
    """Prints the classes, or the worst of many, then everything else; a column for each crop."""
    import numpy as np

    from keras_mixer_cli.tables import Side, percent, show

    crops: dict[str, Side] = {one.crop: "right" for one in found}
    names, per_class = found[0].label_names, np.stack([result.per_class for result in results])
    shown, title = np.arange(len(names)), f"{len(names)} classes"
    if len(names) > MANY_CLASSES:
        shown = np.argsort(per_class.mean(axis=0), kind="stable")[:WORST_CLASSES]  # NaN is last.
        title = f"The {WORST_CLASSES} of {len(names):,} classes with the lowest top-1"
    rows = [(names[i], *map(percent, per_class[:, i])) for i in shown]
    show(title, {"class": "left", **crops}, rows)
    rows = [
        ("top-1", *(percent(result.top_1) for result in results)),
        ("top-5", *(percent(result.top_5) for result in results)),
        ("loss (nats)", *(f"{result.loss:.4f}" for result in results)),
        ("ECE", *(percent(result.calibration.error) for result in results)),
        ("images", *(f"{result.images:,}" for result in results)),
    ]
    if reals[0]:
        rows.append(("ReaL top-1", *(percent(real.top_1) for real in reals)))
        rows.append(("ReaL images", *(f"{real.images:,}" for real in reals)))
    title = f"{found[0].data}: {found[0].model} on {found[0].backend}"
    show(title, {"all": "left", **crops}, rows)


def _is_of_another(file: pathlib.Path, one) -> bool:
    """Whether a file is an evaluation of other data, such as another folder of the same name."""
    try:
        there = json.loads(file.read_text())
        return (there["data"], there["model"]) != (one.data, one.model)
    except (OSError, ValueError, KeyError, TypeError):
        return False  # None, or half of one.


def _draw(output: pathlib.Path, one, result, content: dict) -> None:
    """Writes the pictures of an evaluation, and its numbers."""
    from keras_mixer import evaluation
    from keras_mixer.runs import figures
    from keras_mixer.writing import make_folder, write_text

    data = os.path.basename(one.data) if os.path.isabs(one.data) else one.data
    name = re.sub(r"[^\w.-]", "_", f"{data}-{one.crop}")
    if _is_of_another(output / name / "evaluation.json", one):
        name += f"-{hashlib.sha256(f'{one.model} {one.data}'.encode()).hexdigest()[:8]}"
    folder = output / name
    make_folder(folder)
    confusion = figures.confusion(result.labels, result.predicted, one.label_names)
    figures.save(confusion, folder / "confusion.png")
    figures.save(evaluation.reliability(result.calibration), folder / "reliability.png")
    write_text(folder / "evaluation.json", json.dumps(content, indent=2) + "\n")
    echo(f"saved: {folder}", err=True)
