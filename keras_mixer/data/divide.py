"""From parts that were read to what is trained on and what is evaluated on."""

from collections.abc import Sequence

import numpy as np

from keras_mixer.data.files import Found, Note, shown
from keras_mixer.data.images import UnreadableImageError
from keras_mixer.data.names import alike_elsewhere, in_natural_order
from keras_mixer.data.readable import Look, leave_out_bad
from keras_mixer.data.same import same_images
from keras_mixer.data.splits import ImageData, Split, hold_out

CHECKED_ON_LOAD = 10_000  # Some ten seconds on one core; more would keep training waiting.
EVALUATED: tuple[str, ...] = ("test", "val", "train")  # The first that is there is evaluated on.


def divided(
    path: str,
    label_names: Sequence[str],
    splits: dict[str, Split],
    *,
    dev: bool,
    whole: bool,
    check: bool,
    max_bad_images: int,
    look: Look | None,
    notes: Sequence[Note],
) -> ImageData:
    """What to train on and what to evaluate on, of the parts that there are.

    Args:
        path: the name of the data.
        label_names: sorted as text, by which images are held out; so these are the same ones
            whatever order the classes have in the end, which is the natural one.
        splits: `train`, and `val` and `test` where there are some.
        dev: as in `load_folder`.
        whole: likewise.
        check: likewise.
        max_bad_images: likewise.
        look: likewise.
        notes: what was found on the way.
    """
    if whole:  # What is not evaluated on is not read either.
        splits = {part: splits[part] for part in [next(p for p in EVALUATED if p in splits)]}
    few = sum(len(split) for split in splits.values()) <= CHECKED_ON_LOAD
    checked = check and (few or max_bad_images > 0)
    skipped: tuple[Found, ...] = ()
    if checked:
        looking = () if look is None else (look,)
        kept, skipped = leave_out_bad([*splits.values()], max_bad_images, *looking)
        splits = dict(zip(splits, kept, strict=True))
        if skipped:
            _check_some_left(label_names, splits, skipped)
    train, test, part = _chosen(splits, dev, whole)
    notes = [*notes, *(_case(*pair) for pair in alike_elsewhere(label_names))]
    if checked:
        notes += same_images(train, test)
    found = ImageData(path, train, test, tuple(label_names), checked, skipped, part, tuple(notes))
    return found.in_order(in_natural_order(label_names))


def _chosen(splits: dict[str, Split], dev: bool, whole: bool) -> tuple[Split, Split, str]:
    """What to train on, what to evaluate on, and what that is called."""
    if whole:
        ((part, test),) = splits.items()
        return test.subset([]), test, "all" if part == "train" else part
    train = splits["train"]
    part = next((name for name in ("test", "val") if name in splits), "held out")
    if part == "held out":
        train, test = hold_out(train)
    else:
        test = splits[part]
    if dev and "val" in splits and part == "test":
        return train, splits["val"], "val"
    if dev:
        return *hold_out(train, 0.1, seed=1), "held out"
    return train, test, part


def _case(one: str, other: str) -> Note:
    return Note(
        f"the classes {one!r} and {other!r} differ only by case or dots at the end; on some file "
        "systems their folders would be one",
        problem=False,
    )


def _check_some_left(
    label_names: Sequence[str], splits: dict[str, Split], skipped: Sequence[Found]
) -> None:
    """Raises if skipping images left a class, or a part, without any."""
    empty = []
    if "train" in splits:
        counts = np.bincount(splits["train"].labels, minlength=len(label_names))
        empty = [f"the class {label_names[i]}" for i in (counts == 0).nonzero()[0].tolist()]
    empty = empty or [f"the split {name}" for name, split in splits.items() if not len(split)]
    if empty:
        raise UnreadableImageError(
            f"Of {', '.join(empty[:5])} no image can be read. Mend some, or remove it. "
            f"Cannot read {shown(skipped[0].path)}: {skipped[0].problem}"
        )
