"""`keras-mixer weights`"""

import os

import click

from keras_mixer_cli.options import on_a_backend
from keras_mixer_cli.printing import echo, one_line


@click.group()
def weights() -> None:
    """List, fetch, check and convert weights."""


def _chosen(command):
    """Adds the name of published weights and `--model`."""
    model = click.option("--model", help="Architecture, where several have weights of that name.")
    return click.argument("name")(model(command))


def _records(name: str, model: str | None):
    """The records that NAME and --model stand for."""
    from keras_mixer.weights import WEIGHTS, find, records_named

    try:
        if name == "all":
            if model is not None and model not in WEIGHTS:
                raise click.BadParameter(
                    f"{model!r} has no published weights. Choose one of: {', '.join(WEIGHTS)}",
                    param_hint="--model",
                )
            rows = WEIGHTS.values() if model is None else [WEIGHTS[model]]
            return [record for row in rows for record in row.values()]
        return [find(name, model)] if model else records_named(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error


@weights.command("list")
@on_a_backend
def list_() -> None:
    """Show every published weight file."""
    from keras_mixer.weights import WEIGHTS, is_cached
    from keras_mixer_cli.tables import show

    show(
        "top-1: ImageNet, per cent, as published. MiB: as published.",
        {
            "weights": "left",
            "model": "left",
            "classes": "right",
            "MiB": "right",
            "top-1": "right",
            "cached": "left",
            "trained by": "left",
        },
        [
            (
                record.name,
                record.model,
                record.classes,
                record.size or "",
                f"{record.top_1} ({record.top_1_source})" if record.top_1 else "",
                "yes" if is_cached(record.file_name) else "no",
                record.origin,
            )
            for row in WEIGHTS.values()
            for record in row.values()
        ],
    )


@weights.command()
@_chosen
@click.option("--force", is_flag=True, help="Fetch again what is cached.")
@on_a_backend
def download(name, model, force) -> None:
    """Fetch the published weights NAME, or all of them ("all"), into the cache."""
    from keras_mixer.weights import check_file, fetch

    for record in _records(name, model):
        path = fetch(record.url, record.file_name, check=check_file, force=force)
        echo(path)


@weights.command()
@_chosen
@on_a_backend
def path(name, model) -> None:
    """Print where the file of NAME lies in the cache, or is to be placed by hand."""
    from keras_mixer.weights import cache_dir

    for record in _records(name, model):
        echo(cache_dir() / record.file_name)


@weights.command()
@_chosen
@on_a_backend
def verify(name, model) -> None:
    """Check the weights NAME, or all of them ("all"), from the download to an answer.

    Fetches them if need be, compares hash, names, shapes, values and number of parameters, and
    shows what the model takes a fixed picture for: red grows to the right, green downwards, blue
    along the diagonal.
    """
    from keras_mixer_cli.tables import show

    failed = 0
    for record in _records(name, model):
        try:
            rows = _check(record)
        except (ValueError, OSError) as error:
            echo(f"{record.model} {record.name}: failed: {one_line(error)}", err=True)
            failed += 1
        else:
            show(f"{record.model} {record.name}: ok", {"": "left", "found": "left"}, rows)
    if failed:
        raise click.exceptions.Exit(1)


def _check(record) -> list[tuple]:
    """The rows of the table of `verify`; an error where anything is not as it should be."""
    import numpy as np

    import keras_mixer
    from keras_mixer.weights import cache_dir, class_names, read_record
    from keras_mixer_cli.tables import percent

    spec = keras_mixer.SPECS[record.model]
    net = keras_mixer.Mixer(spec, weights=record.name, include_preprocessing=True)
    parameters = net.count_params()
    if parameters != spec.parameters(record.classes):
        raise ValueError(f"{parameters:,} parameters, not {spec.parameters(record.classes):,}.")
    row, column = np.indices(record.image_size)
    picture = np.stack([column, row, (row + column) // 2], axis=-1)
    if net.input_shape[-1] != 3:
        picture = picture.transpose(2, 0, 1)  # h w c -> c h w
    scores = net.predict(picture[None].astype("float32"), verbose=0)[0]
    if not np.isfinite(scores).all():
        raise ValueError("its scores are not finite.")
    names = [name for _, name in class_names(record.classes)]
    best = np.argsort(-scores, kind="stable")[:5]
    fetched = read_record(record.file_name) or {"verified_by": "nothing: placed by hand"}
    return [
        ("file", cache_dir() / record.file_name),
        ("compared with", fetched["verified_by"]),
        ("sha256", fetched.get("sha256", "not recorded")),
        ("arrays", f"{len(net.load_report.loaded)}: names, shapes, types as expected; all finite"),
        ("parameters", f"{parameters:,}"),
        *((f"#{n + 1}", f"{names[i]} {percent(scores[i])}") for n, i in enumerate(best)),
    ]


@weights.command()
@click.argument("source")
@click.argument("target", type=click.Path())
@on_a_backend
def convert(source, target) -> None:
    """Write the weights of SOURCE as TARGET, bit for bit.

    SOURCE is a run directory, hf://user/name[@revision] or a weight file, or FILE.pth#NAME, one of
    several state dicts in a PyTorch file; TARGET ends in .npz for the official code, or in
    .safetensors for timm.
    """
    from keras_mixer import weights as library

    if source.startswith("hf://"):
        from keras_mixer import runs

        source = runs.load_run(source).path
    if os.path.isdir(source):
        source = os.path.join(source, "model.keras")
    elif not os.path.exists(library.split_part(source)[0]):
        raise click.BadParameter(f"Path {source!r} does not exist.", param_hint="SOURCE")
    with library.open_file(source) as opened:
        if opened.taken:
            echo(f"weights: {source}: {opened.taken}", err=True)
    count = library.convert(source, target)
    echo(f"wrote {count} arrays to {target}")
