"""`keras-mixer web`"""

import os
from collections.abc import Sequence

import click

from keras_mixer_cli.listening import listening, say_ready, warn_if_open
from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option(
    "--rate",
    type=Whole(),
    default=60,
    show_default=True,
    help="POST requests a minute of one address; a picture takes two.",
)
@listening("Of a picture.")
@on_a_backend
def web(targets, host, port, rate, **limits) -> None:
    """Show on a web page what models see on a picture, and why.

    TARGET is the directory of a run, hf://user/name[@revision], a .keras file, a file or folder
    that `keras-mixer export` wrote, or NAME@WEIGHTS, a model by name with published weights or a
    weight file. Several are chosen among on the page.

    The page shows the first five classes, what the first one rests on, and the token-mixing units
    that it made fire. Pictures stay in memory; nothing is fetched from elsewhere. SIGTERM and
    SIGINT end it.
    """
    from keras_mixer import serving

    with serving.listen(host, port) as bound:
        # All of them before the first begins to warm up: who ends meanwhile would abort that.
        classifiers = [_classifier(target) for target in targets]
        services = [
            serving.Service(classifier, max_batch=16, places=32, **limits)
            for classifier in classifiers
        ]
        site = serving.Site(services)
        app = serving.create_page(site, host=bound.getsockname()[0], rate=rate)
        echo(f"{serving.address(bound)} shows {', '.join(site.names)}")
        warn_if_open(host)
        site.ready.add_done_callback(say_ready)
        serving.serve(app, site.ready, bound)


def _classifier(target: str):
    """What a user names, with the names of its classes."""
    from keras_mixer import export, serving
    from keras_mixer.weights import split_part
    from keras_mixer_cli.find_model import find_model, public_name, published_labels

    if export.format_of(target) is not None:
        return serving.ExportedClassifier(target, name=public_name(target, target))
    weights = None
    if not (os.path.exists(target) or target.startswith("hf://")):
        target, _, weights = target.partition("@")
    found = find_model(target, weights=weights or None)
    names: Sequence[str] | None = found.label_names
    if weights and names is None:
        names = published_labels(weights)
    name = public_name(target, found.name)
    if weights and os.path.exists(split_part(weights)[0]):
        name = f"{target} ({os.path.basename(weights)})"
    return serving.Classifier(found.model, names, crop=found.crop, name=name)
