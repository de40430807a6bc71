"""What a model says of pictures as they come, in memory that does not grow with their number."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from keras_mixer.data import EVALUATION_CROPS, Found, UnreadableImageError
from keras_mixer.data.ahead import AHEAD, in_layout, resampling_of
from keras_mixer.data.images import open_rgb
from keras_mixer.data.pipeline import choose, image_size
from keras_mixer.distribution import on_this_process
from keras_mixer.evaluation.predictions import probabilities_of
from keras_mixer.preprocessing import preprocess_input


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
    size, crops = image_size(model), choose(crop, EVALUATION_CROPS)
    return _predicted(model, iter(files), crops, size, batch_size, always_full)


def _predicted(model, files, crop, size, batch_size, always_full) -> Iterator[PredictedBatch]:
    how = resampling_of(model)

    def picture(found: Found) -> np.ndarray | str:
        """Pixels of `size`, or what is wrong."""
        if found.problem is not None:
            return found.problem
        try:
            return np.asarray(crop(open_rgb(found.path, "it"), size, how))
        except UnreadableImageError as error:
            return _reason(error)
        except MemoryError:  # Such as a line of pixels, whose short side is made 256.
            return "does not fit into memory"

    def assemble(pictures: list[Future], rows: int) -> tuple[np.ndarray, list[str | None]]:
        x, problems = np.zeros((rows, *size, 3), "uint8"), []
        for i, future in enumerate(pictures):
            result = future.result()
            problems.append(result if isinstance(result, str) else None)
            if problems[-1] is None:
                x[i] = result
        return in_layout(preprocess_input(x, model)), problems

    decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    assembler = ThreadPoolExecutor(1, thread_name_prefix="assemble")
    pending: collections.deque[tuple[list[Found], Future]] = collections.deque()
    rows = batch_size if always_full else 0  # Of every batch, from the first one on.
    try:
        with on_this_process(model) as own:
            while True:
                while len(pending) <= AHEAD and (
                    members := list(itertools.islice(files, batch_size))
                ):
                    rows = rows or len(members)
                    pictures = [decoders.submit(picture, found) for found in members]
                    pending.append((members, assembler.submit(assemble, pictures, rows)))
                if not pending:
                    return
                members, future = pending.popleft()
                x, problems = future.result()
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
        for pool in (assembler, decoders):
            pool.shutdown(wait=False, cancel_futures=True)


def _reason(error: UnreadableImageError) -> str:
    """Why a picture cannot be read, without its name, on one line."""
    cause = error.__cause__
    text = str(error).partition(": ")[2]
    if isinstance(cause, OSError) and cause.strerror:
        text = cause.strerror  # Else the path would stand in it.
    return " ".join(text.split()) or type(cause).__name__
