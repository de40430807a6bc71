"""`keras-mixer predict`"""

import json

import click

from keras_mixer_cli.options import RunDirectory, on_a_backend


@click.command()
@click.argument("run", type=RunDirectory())
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="Classes shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each image.")
@on_a_backend
def predict(run, images, top, as_json) -> None:
    """Classify IMAGES with the model of RUN, a directory or hf://user/name[@revision]."""
    import numpy as np

    from keras_mixer import data, evaluation, runs
    from keras_mixer_cli.tables import percent, show

    trained = runs.load_run(run)
    split = data.Split(images, np.zeros(len(images), int), images)
    split.check_readable()
    probabilities = evaluation.predict(
        trained.load_model(), split, crop=trained.config["recipe"]["evaluation_crop"], verbose=0
    )
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    if as_json:
        for image, scores, order in zip(images, probabilities, best, strict=True):
            ranked = {trained.label_names[i]: float(scores[i]) for i in order}
            click.echo(json.dumps({"image": image, "probabilities": ranked}))
        return
    show(
        f"{run}",
        {"image": "left", **{f"#{i + 1}": "left" for i in range(best.shape[1])}},
        [
            (image, *(f"{trained.label_names[i]} {percent(scores[i])}" for i in order))
            for image, scores, order in zip(images, probabilities, best, strict=True)
        ],
    )
