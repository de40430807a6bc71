"""The one rule for pictures that cannot be read: so many may be left out, and each is listed."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keras_mixer.data.files import Found, shown
from keras_mixer.data.images import UnreadableImageError, check_readable
from keras_mixer.data.splits import Split

Look = Callable[[int, int, int], Any]


def leave_out_bad(
    splits: Sequence[Split],
    max_bad_images: int = 0,
    look: Look = lambda done, of, bad: None,
    found: Sequence[Found] = (),
) -> tuple[list[Split], tuple[Found, ...]]:
    """Goes through every picture of some splits, and leaves out those that cannot be read.

    The splits are then what they would be had these files been removed.

    Args:
        splits: of one data set.
        max_bad_images: how many of all of them may be left out.
        look: called, as it goes, with the pictures that were gone through, how many there are and
            how many cannot be read.
        found: what a walk came to, to which what is bad already counts.

    Returns:
        The splits, and what was left out, with the reasons, in their order.

    Raises:
        UnreadableImageError: more cannot be read; the message counts them and names up to five.

    Example:

    >>> (split,), skipped = leave_out_bad([split], max_bad_images=10)
    """
    if max_bad_images < 0:
        raise ValueError(f"`max_bad_images` must not be negative. Received: {max_bad_images}")
    kept: list[list[int]] = [[] for _ in splits]
    bad = [one for one in found if one.problem is not None]
    known = len(bad)
    members = [(which, i) for which, split in enumerate(splits) for i in range(len(split))]

    def reason(member: tuple[int, int]) -> str | None:
        which, i = member
        try:
            check_readable(splits[which].pictures[i])
        except UnreadableImageError as error:
            return error.reason
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (member, problem) in enumerate(
            zip(members, pool.map(reason, members), strict=True), start=1
        ):
            which, i = member
            if problem is None:
                kept[which].append(i)
            else:
                picture, name = splits[which].pictures[i], splits[which].names[i]
                path = os.fsdecode(picture) if isinstance(picture, str | os.PathLike) else name
                bad.append(Found(path, problem))
            look(done, len(members), len(bad))
    total = known + len(members)
    if len(bad) > max_bad_images:
        some = "; ".join(f"Cannot read {shown(one.path)}: {one.problem}" for one in bad[:5])
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        allowed = f", and {max_bad_images} may be left out" if max_bad_images else ""
        raise UnreadableImageError(
            f"{len(bad)} of {total} images cannot be read{allowed}. Mend or remove them, or "
            f"leave them out with --max-bad-images {len(bad)} (`max_bad_images`). {some}{more}"
        )
    if not bad:
        return list(splits), ()
    return [split.subset(rows) for split, rows in zip(splits, kept, strict=True)], tuple(bad)
