"""`keras-mixer evaluate`"""

import dataclasses
import json

import click

from keras_mixer_cli.options import on_a_backend


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("data", required=False)
@click.option("--crop", type=click.Choice(["resize", "resize_crop", "resmall_crop"]))
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option("--data-dir", type=click.Path(file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_a_backend
def evaluate(run, data, crop, batch_size, data_dir, as_json) -> None:
    """Judge the model of a RUN directory on every held-out image of DATA.

    DATA is by default what the run was trained on; another one must have the same classes.
    """
    import keras_mixer
    from keras_mixer import evaluation, runs
    from keras_mixer_cli.tables import percent, show
    from keras_mixer_cli.training import check_data

    trained = runs.load_run(run)
    own = data is None
    data = trained.config["data"] if own else data
    check_data(data)
    loaded = keras_mixer.data.load(data, data_dir)
    if loaded.label_names != trained.label_names:
        raise ValueError(
            f"{data} has the classes {_some(loaded.label_names)} and the run was trained on "
            f"{_some(trained.label_names)}."
        )
    if own and loaded.test.fingerprint() != trained.config["test_fingerprint"]:
        raise ValueError(
            f"{data} has changed since the run: its held-out images are other ones. Name DATA to "
            "judge on it as it is now; images the model was trained on may be among them."
        )
    crop = crop or trained.config["recipe"]["evaluation_crop"]
    result = evaluation.evaluate(
        trained.load_model(), loaded.test, crop=crop, batch_size=batch_size, verbose=0
    )
    if as_json:
        content = dataclasses.asdict(result)
        content["per_class"] = {
            name: None if share != share else share
            for name, share in zip(loaded.label_names, result.per_class.tolist(), strict=True)
        }
        click.echo(json.dumps(content, indent=2))
        return
    show(
        f"{data}: {result.images} images, {crop}",
        {"class": "left", "top-1": "right"},
        [
            *zip(loaded.label_names, map(percent, result.per_class), strict=True),
            ("all", percent(result.top_1)),
            ("all, top-5", percent(result.top_5)),
        ],
    )


def _some(names) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
