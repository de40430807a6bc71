"""`keras-mixer serve`"""

import json
import pathlib

import click

from keras_mixer_cli.listening import listening, say_ready, warn_if_open
from keras_mixer_cli.numbers import Real, Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo


@click.command()
@click.argument("target")
@click.option("--weights", help="Of a model by name: published weights, or a weight file.")
@click.option(
    "--crop",
    type=click.Choice(["resize", "resize_crop", "resmall_crop"]),
    help="Default: the run's, else resmall_crop.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False),
    help="JSON list of the names of the classes. Default: the run's, else those of the published "
    "weights, else numbers.",
)
@click.option(
    "--max-batch",
    type=Whole(),
    default=32,
    show_default=True,
    help="Pictures of a batch, and of a request.",
)
@click.option(
    "--max-wait",
    type=Real(0, 3.6e6),
    default=5,
    show_default=True,
    help="Milliseconds that a picture waits for others.",
)
@click.option(
    "--queue",
    type=Whole(),
    default=128,
    show_default=True,
    help="Pictures accepted and not answered yet; beyond, requests get status 503.",
)
@listening("Of a request. As many of them as the queue has places may be in memory.")
@on_a_backend
def serve(target, weights, crop, labels, host, port, max_batch, max_wait, queue, **limits) -> None:
    """Answer over HTTP what TARGET sees on pictures.

    TARGET is the directory of a run, hf://user/name[@revision], a .keras file, or the name of a
    model with --weights.

    \b
    POST /v1/classify   one picture as image/*, or JSON {"images": [base64, ...]}; ?top=3
    GET  /health        200 when the model has warmed up
    GET  /metrics       for Prometheus
    GET  /openapi.json  the interface

    SIGTERM and SIGINT let it answer what it has accepted, then it ends; a second one ends it at
    once.
    """
    from keras_mixer import serving
    from keras_mixer_cli.find_model import find_model, public_name, published_labels

    if queue < max_batch:
        raise click.BadParameter(
            f"{queue} is less than --max-batch {max_batch}.", param_hint="--queue"
        )
    with serving.listen(host, port) as bound:
        found = find_model(target, weights=weights)
        names = _read(labels) if labels else found.label_names
        if weights and names is None:
            names = published_labels(weights)
        name = public_name(target, found.name)
        classifier = serving.Classifier(found.model, names, crop=crop or found.crop, name=name)
        service = serving.Service(
            classifier, max_batch=max_batch, max_wait=max_wait / 1000, places=queue, **limits
        )
        classes = len(classifier.label_names)
        echo(f"{serving.address(bound)} serves {classifier.name}: {classes} classes")
        warn_if_open(host)
        service.ready.add_done_callback(say_ready)
        app = serving.create_app(service, host=bound.getsockname()[0])
        serving.serve(app, service.ready, bound)


def _read(labels: str) -> list[str]:
    """The names of classes in a file."""
    from keras_mixer.preprocessing import check_label_names

    try:
        names = json.loads(pathlib.Path(labels).read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{labels} is not JSON: {error}", param_hint="--labels") from error
    try:
        return list(check_label_names(names, whose=labels))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--labels") from error
