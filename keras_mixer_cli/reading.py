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


def load_data(name, data_dir, max_bad, *, whole=False):
    """A data set as in `keras_mixer.data.load`; what is not used is said on stderr."""
    import keras_mixer
    from keras_mixer_cli.counting import Looking

    with Looking() as look:
        loaded = keras_mixer.data.load(
            name, data_dir, max_bad_images=max_bad, look=look, whole=whole
        )
    for note in loaded.notes:
        echo(f"data: {note.text}", err=True)
    _list(loaded.skipped)
    return loaded


def load_own(name, run, data_dir, max_bad, instead):
    """The data that a run was trained on, with its classes in the order of the run.

    Raises:
        ValueError: the held-out images are other ones now; `instead` says what to do then.
    """
    from keras_mixer.data.files import LATER

    loaded = load_data(name, data_dir, max_bad)
    if sorted(loaded.label_names) == sorted(run.label_names):
        loaded = loaded.in_order(run.label_names)
    if loaded.test.fingerprint() != run.told("test_fingerprint"):
        later = [name for name in loaded.test.names if name.lower().endswith(LATER)]
        hint = f" Files such as {later[0]} were not read by earlier versions." if later else ""
        raise ValueError(
            f"{name} has changed since the run: its held-out images are other ones.{hint} {instead}"
        )
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
