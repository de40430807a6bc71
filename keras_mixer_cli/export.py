"""`keras-mixer export`"""

import functools
import os
import pathlib

import click

from keras_mixer_cli.numbers import Real, Whole
from keras_mixer_cli.options import Target, on_a_backend
from keras_mixer_cli.printing import echo
from keras_mixer_cli.reading import load_own, load_pictures, max_bad_images


@click.command()
@click.argument("target", type=Target(files=True))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["onnx", "tf_saved_model", "litert", "openvino", "torch"]),
    required=True,
    help="What to write.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "int8"]),
    default="none",
    show_default=True,
    help="int8: weights of 8 bits.",
)
@click.option(
    "--preprocessing",
    is_flag=True,
    help="Take uint8 pixels and give probabilities. Default: what the model takes and gives.",
)
@click.option(
    "--output",
    type=click.Path(path_type=pathlib.Path),
    help="File, or folder of a SavedModel. Default: beside the model, or here for one of the hub.",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of pictures to compare on. Default: the held-out images of the run.",
)
@click.option("--limit", type=Whole(), default=1000, show_default=True, help="Pictures compared.")
@click.option(
    "--tolerance",
    type=Real(),
    default=1e-4,
    show_default=True,
    help="Largest difference allowed, as a share of the largest output or of 1; not for int8.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Where TensorFlow Datasets keeps data.",
)
@max_bad_images
@on_a_backend
def export(
    target,
    format_name,
    quantize,
    preprocessing,
    output,
    images,
    limit,
    tolerance,
    data_dir,
    max_bad_images,
) -> None:
    """Write the model of TARGET for another runtime, and compare it there with Keras.

    TARGET is the directory of a run, hf://user/name[@revision] or a .keras file. Exit code 1 where
    the file gives other results than the model; it is kept then. What it takes and gives is told by
    the JSON file beside it.
    """
    from keras_mixer import export as library
    from keras_mixer.export.formats import format_named
    from keras_mixer_cli.find_model import find_model
    from keras_mixer_cli.tables import percent, show

    row = format_named(format_name, quantize)
    found = find_model(target)
    if images:
        split = _pictures(images, max_bad_images)
    else:
        split = _held_out(found, data_dir, max_bad_images)
    if output is None:
        stem = "model" if found.run else pathlib.Path(target).stem
        folder = pathlib.Path(target) if os.path.isdir(target) else pathlib.Path(target).parent
        if target.startswith("hf://"):
            folder = pathlib.Path()  # The hub's cache is not written in.
        mode = "" if quantize == "none" else f"-{quantize}"
        output = folder / f"{stem}{mode}{row.suffix}"
    done = library.export(
        found.model,
        output,
        split.subset(range(min(limit, len(split)))),
        format=format_name,
        quantize=quantize,
        preprocessing=preprocessing,
        crop=found.crop,
        label_names=found.label_names,
        labelled=images is None,
        tolerance=tolerance,
        say=functools.partial(echo, err=True),
    )
    one = done.comparison
    show(
        f"{output}: {row.title}, compared on {one.images:,} images. ms: one image, beside Keras.",
        {
            "format": "left",
            "quantize": "left",
            **dict.fromkeys(
                ("MiB", "ms", "Keras ms", "difference", "agreement", "top-1", "Keras top-1"),
                "right",
            ),
        },
        [
            (
                *(format_name, quantize, f"{done.size / 2**20:.2f}"),
                *(f"{1000 * one.seconds:.2f}", f"{1000 * one.keras_seconds:.2f}"),
                *(f"{one.difference:.1e}", percent(one.agreement)),
                *(percent(one.top_1), percent(one.keras_top_1)),
            )
        ],
    )


def _pictures(folder: str, max_bad: int):
    """The pictures in and below a folder, as a split without real labels."""
    from keras_mixer.data import Walk

    walk = Walk([folder])
    if not (found := list(walk)):
        raise click.BadParameter(
            f"{folder} holds no images. {walk.unused()}".strip(), param_hint="--images"
        )
    if unused := walk.unused():
        echo(f"data: {unused}", err=True)
    return load_pictures(found, max_bad)


def _held_out(found, data_dir, max_bad: int):
    """What a run is judged on."""
    from keras_mixer_cli.find_model import own_data

    if found.run is None:
        raise click.UsageError(
            f"{found.name} is no run, which would have pictures of its own: give --images, a "
            "folder of some that it may be compared on."
        )
    name = own_data(found.name, found.run, "--images, a folder of pictures to compare on")
    instead = "Give --images, a folder of images to compare on."
    return load_own(name, found.run, data_dir, max_bad, instead).test
