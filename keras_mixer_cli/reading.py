"""How commands read pictures of one's own, without those that may be left out."""

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.printing import echo

max_bad_images = click.option(
    "--max-bad-images",
    type=Whole(0),
    default=0,
    show_default=True,
    help="Pictures of your own that may be left out because they cannot be read.",
)


def load_data(name, data_dir, max_bad):
    """A data set as in `keras_mixer.data.load`; what is left out is listed on stderr."""
    import keras_mixer
    from keras_mixer_cli.counting import Looking

    with Looking() as look:
        loaded = keras_mixer.data.load(name, data_dir, max_bad_images=max_bad, look=look)
    _list(loaded.skipped)
    return loaded


def load_pictures(found, max_bad):
    """What a walk has found, as a split without real labels; likewise.

    Args:
        found: a list of `keras_mixer.data.Found`, not empty.
        max_bad: how many of them may be left out.
    """
    import numpy as np

    from keras_mixer import data
    from keras_mixer_cli.counting import Looking

    paths = [one.path for one in found if one.problem is None]
    split = data.Split(paths, np.zeros(len(paths), int), list(map(data.shown, paths)))
    with Looking() as look:
        (split,), skipped = data.leave_out_bad([split], max_bad, look, found)
    _list(skipped)
    if not len(split):
        one = skipped[0]
        raise data.UnreadableImageError(
            f"No picture can be read. Cannot read {data.shown(one.path)}: {one.problem}"
        )
    return split


def _list(skipped) -> None:
    """Says what was left out."""
    from keras_mixer.data import shown

    if skipped:
        echo(
            f"{len(skipped):,} images cannot be read and are left out; what follows is of the "
            "others:",
            err=True,
        )
    for one in skipped:
        echo(f"  {shown(one.path)}: {one.problem}", err=True)
