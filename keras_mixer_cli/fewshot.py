"""`keras-mixer fewshot`"""

import click

from keras_mixer_cli.numbers import Real, Size, Whole
from keras_mixer_cli.options import Several, Values, on_a_backend
from keras_mixer_cli.printing import echo_json
from keras_mixer_cli.reading import load_data, max_bad_images


@click.command(cls=Several)
@click.argument("data")
@click.option(
    "--model",
    "target",
    required=True,
    help="Run (directory or hf://user/name), .keras file, name, or package.module:factory.",
)
@click.option("--weights", help="For a name: published weights, a weight file, or none.")
@click.option("--shots", type=Values(Whole()), default="1,5,10,25", show_default=True)
@click.option("--seeds", type=Whole(1, 1000), default=3, show_default=True)
@click.option("--l2", type=Real(min_open=True), default=1024.0, show_default=True)
@click.option("--layer", help="Layer that gives the features. Default: the input of the head.")
@click.option("--image-size", type=Size(), help="224, or HEIGHTxWIDTH.")
@click.option(
    "--crop",
    type=click.Choice(["resize", "resize_crop", "resmall_crop"]),
    help="Default: the run's, else resize_crop, but resize where places matter.",
)
@click.option("--batch-size", type=Whole(), default=64, show_default=True)
@click.option("--data-dir", type=click.Path(file_okay=False))
@max_bad_images
@click.option("--cache/--no-cache", default=True, help="Keep the features for the next time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_a_backend
def fewshot(
    data,
    target,
    weights,
    shots,
    seeds,
    l2,
    layer,
    image_size,
    crop,
    batch_size,
    data_dir,
    max_bad_images,
    cache,
    as_json,
) -> None:
    """Judge the frozen features of a model by a linear regression on a few images of each class.

    The paper's few-shot protocol, in closed form; DATA is as for finetune.
    """
    import keras_mixer
    from keras_mixer import evaluation
    from keras_mixer.weights import cache_dir
    from keras_mixer_cli.find_model import find_model
    from keras_mixer_cli.tables import percent, show
    from keras_mixer_cli.training import check_data

    check_data(data)
    found = find_model(target, weights=weights, image_size=image_size)
    if found.run and not crop:
        crop = found.run.crop
    row = keras_mixer.data.DATASETS.get(data)
    result = evaluation.fewshot(
        found.model,
        load_data(data, data_dir, max_bad_images),
        shots=shots,
        seeds=seeds,
        l2=l2,
        layer=layer,
        crop=crop or ("resize" if row and row.evaluation_crop == "resize" else "resize_crop"),
        batch_size=batch_size,
        cache=cache_dir() / "features" if cache else None,
        verbose=0,
    )
    if as_json:
        numbers = {n: {"mean": result.mean(n), "top_1": result.top_1[n]} for n in result.top_1}
        echo_json({"model": found.name, "data": data, "shots": numbers}, indent=2)
        return

    def mean(n):
        deviation = result.deviation(n)
        return percent(result.mean(n)) + ("" if deviation is None else f" ± {100 * deviation:.2f}")

    show(
        f"{found.name} on {data}: {result.features} features, {result.test_images:,} test images",
        {"images of each class": "right", "top-1": "right", "of each seed": "left"},
        [(n, mean(n), ", ".join(map(percent, result.top_1[n]))) for n in result.top_1],
    )
