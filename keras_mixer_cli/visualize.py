"""`keras-mixer visualize`"""

import os
import pathlib

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.options import Several, Values, is_run, on_a_backend
from keras_mixer_cli.printing import echo


@click.command(cls=Several)
@click.argument("target")
@click.option("--model", help="Architecture that the weights are for, such as mixer_b16.")
@click.option(
    "--gelu", type=click.Choice(["tanh", "exact"]), help="Form of GELU. Default: the weights' own."
)
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Show what the prediction for it rests on; may be given again.",
)
@click.option("--blocks", type=Values(Whole(0)), help="Default: the first three, 0 1 2.")
@click.option("--units", type=Whole(), default=64, show_default=True, help="Shown of each layer.")
@click.option(
    "--output",
    type=click.Path(file_okay=False),
    help="Folder for the pictures. Default: visualize, in the run directory if it is one.",
)
@on_a_backend
def visualize(target, model, gelu, images, blocks, units, output) -> None:
    """Draw the weights of TARGET, and what its predictions rest on.

    TARGET is a run directory, hf://user/name[@revision] or a .keras file; or, with --model, a
    weight file (.keras, .weights.h5, .npz, .safetensors, .pth) or the name of published weights.
    """
    import numpy as np

    from keras_mixer import data
    from keras_mixer import visualize as library
    from keras_mixer.runs import figures
    from keras_mixer.visualize.units import mixer_blocks
    from keras_mixer.writing import make_folder

    stems = [pathlib.Path(image).stem for image in images]
    if twice := [stem for stem in stems if stems.count(stem) > 1]:
        raise click.BadParameter(
            f"Two files are called {twice[0]!r}, and so would their pictures be. Give them in two "
            "commands, each with its --output.",
            param_hint="--image",
        )
    data.leave_out_bad([data.Split(images, np.zeros(len(images), int), images)])
    net, label_names, crop = _load(target, model, gelu, head=bool(images))
    if blocks is None:
        blocks = range(min(3, len(mixer_blocks(net))))
    mixing = [library.token_mixing_units(net, block) for block in blocks]
    patches = library.stem_units(net)

    own = model is None and os.path.isdir(target)  # The cache of the hub is not written in.
    default = pathlib.Path(target if own else "", "visualize")
    folder = default if output is None else pathlib.Path(output)
    make_folder(folder)

    def save(name: str, figure) -> None:
        path = folder / f"{name}.png"
        figures.save(figure, path)
        echo(f"saved: {path}")

    (name,) = figures.drawable([net.name], 24)
    for block, pictures in zip(blocks, mixing, strict=True):
        title = (
            f"{name}, block {block}: incoming weights of the token-mixing units,\n"
            "low frequency first, each followed by the one nearest to its inverse"
        )
        save(f"token_mixing_block_{block}", library.units_figure(pictures, title, units))
    save("stem", library.stem_figure(patches, units))
    for stem, image in zip(stems, images, strict=True):
        found = library.occlusion(net, image, crop=crop)
        save(f"occlusion_{stem}", library.occlusion_figure(found, label_names))


def _load(target: str, model: str | None, gelu: str | None, head: bool):
    """The model, the names of its classes or `None`, and how pictures are brought to its size."""
    import keras_mixer
    from keras_mixer import runs
    from keras_mixer_cli.find_model import find_model, published_labels, say_what_was_taken

    if is_run(target):
        if model or gelu:
            raise click.UsageError("--model and --gelu are for weights; a run knows its own.")
        run = runs.load_run(target)
        return run.load_model(), run.label_names, run.crop
    if target.endswith(".keras") and not (model or gelu):
        return find_model(target).model, None, "resmall_crop"
    if model not in keras_mixer.SPECS:
        raise click.BadParameter(
            f"{target} is no run directory and no .keras file. With weights its architecture must "
            f"be named, one of: {', '.join(keras_mixer.SPECS)}. Received: {model or 'nothing'}",
            param_hint="--model",
        )
    net = keras_mixer.Mixer(
        keras_mixer.SPECS[model],
        include_top=head,
        weights=target,
        gelu_approximate=None if gelu is None else gelu == "tanh",
    )
    say_what_was_taken(net)
    return net, published_labels(target) if head else None, "resmall_crop"
