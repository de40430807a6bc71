"""What a model says of pictures as they come, in memory that does not grow with their number."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from keras_mixer.data import EVALUATION_CROPS, Found, UnreadableImageError, evaluation_image
from keras_mixer.data.ahead import AHEAD
from keras_mixer.data.pipeline import choose, image_size
from keras_mixer.distribution import on_this_process
from keras_mixer.evaluation.predictions import probabilities_of


@dataclasses.dataclass(frozen=True)
class PredictedBatch:
    """What a model says of some pictures, in their order.

    Args:
        files: the pictures.
        problems: why each one has no prediction, on one line; `None` for those that have.
        probabilities: of each class, `(len(files), classes)` in float64; NaN where there is a
            problem.
    """

    files: list[Found]
    problems: list[str | None]
    probabilities: np.ndarray


def predict_stream(
    model: keras.Model,
    files: Iterable[Found],
    *,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    always_full: bool = False,
) -> Iterator[PredictedBatch]:
    """Predictions of pictures in order, decoded on threads ahead of the model.

    They are those of `predict`. Each batch has the shape of the first one: a last, smaller one is
    filled up, so that nothing is compiled again. Memory holds a few batches, however many files
    there are.

    Args:
        model: as in `predict`.
        files: such as a `keras_mixer.data.Walk`; taken as they are needed.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        batch_size: files at a time.
        always_full: fill up the first batch, too, where it is the only one.

    Raises:
        ValueError: an unknown crop, a batch size below one, or a model that does not take RGB
            images.

    Example:

    >>> for batch in predict_stream(model, keras_mixer.data.Walk(["pictures"])):
    ...     print(len(batch.files), batch.probabilities.argmax(axis=1))
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
    size = image_size(model)
    choose(crop, EVALUATION_CROPS)
    return _predicted(model, iter(files), crop, size, batch_size, always_full)


def _predicted(model, files, crop, size, batch_size, always_full) -> Iterator[PredictedBatch]:
    def picture(found: Found) -> np.ndarray | str:
        """What the model takes, or what is wrong."""
        if found.problem is not None:
            return found.problem
        try:
            return evaluation_image(found.path, size, crop, model)
        except UnreadableImageError as error:
            return error.reason

    decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    pending: collections.deque[tuple[list[Found], list[Future]]] = collections.deque()
    rows = batch_size if always_full else 0  # Of every batch, from the first one on.
    try:
        with on_this_process(model) as own:
            while True:
                while len(pending) <= AHEAD and (
                    members := list(itertools.islice(files, batch_size))
                ):
                    rows = rows or len(members)
                    pending.append((members, [decoders.submit(picture, f) for f in members]))
                if not pending:
                    return
                members, pictures = pending.popleft()
                x = np.zeros((rows, *own.input_shape[1:]), "float32")
                problems: list[str | None] = [None] * len(members)
                for i, future in enumerate(pictures):
                    result = future.result()
                    if isinstance(result, str):
                        problems[i] = result
                    else:
                        x[i] = result
                scores = np.asarray(own.predict_on_batch(x), "float64")[: len(members)]
                finite = np.isfinite(scores).all(axis=1)
                probabilities = probabilities_of(own, np.where(finite[:, None], scores, 0))
                for i, problem in enumerate(problems):
                    if problem is None and not finite[i]:
                        problems[i] = "the model gives numbers that are not finite"
                    if problems[i] is not None:
                        probabilities[i] = np.nan
                yield PredictedBatch(members, problems, probabilities)
    finally:
        decoders.shutdown(wait=False, cancel_futures=True)
