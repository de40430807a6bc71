"""Pictures of many requests become batches of few sizes, and one thread runs the model."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np


class QueueFullError(RuntimeError):
    """As many pictures are on their way as there are places for."""


class Batcher:
    """Collects images from any thread and computes them in batches in a thread of its own.

    A batch is computed when it is full, or `max_wait` after its first image came. It is filled up
    with zeros to a power of two, or to `max_batch`, so that JAX and TensorFlow compile few
    programs; all of them run once before the first image does.

    Args:
        compute: from images `(batch, *shape)` in float32 to as many rows. Called by one thread.
        shape: of one image.
        max_batch: images of a batch at most.
        max_wait: seconds that the first image of a batch waits for others at most.
        places: images on their way at most, see `taking`.
        on_batch: called with the number of images of each batch.

    Raises:
        ValueError: fewer places than images of a batch.

    Example:
        `Batcher(classifier.probabilities, (32, 32, 3)).submit(image).result()`
    """

    def __init__(
        self,
        compute: Callable[[np.ndarray], np.ndarray],
        shape: tuple[int, ...],
        *,
        max_batch: int = 32,
        max_wait: float = 0.005,
        places: int = 128,
        on_batch: Callable[[int], object] = lambda images: None,
    ):
        if not 1 <= max_batch <= places:
            raise ValueError(
                f"A batch needs one image and a place for each: `max_batch` = {max_batch}, "
                f"`places` = {places}."
            )
        self.max_batch = max_batch
        self.places = places
        self.sizes = (*(2**n for n in range((max_batch - 1).bit_length())), max_batch)
        self.taken = 0
        self.ready: Future[None] = Future()
        self._compute = compute
        self._shape = shape
        self._max_wait = max_wait
        self._on_batch = on_batch
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[np.ndarray, Future, float] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def taking(self, images: int) -> Iterator[None]:
        """Keeps places for images that will be submitted, until they are answered.

        Raises:
            QueueFullError: there are not so many left.
        """
        with self._lock:
            if self.taken + images > self.places:
                raise QueueFullError(f"All {self.places} places are taken.")
            self.taken += images
        try:
            yield
        finally:
            with self._lock:
                self.taken -= images

    def submit(self, image: np.ndarray) -> "Future[np.ndarray]":
        """The row of an image, to come; whoever no longer wants it cancels it."""
        future: Future[np.ndarray] = Future()
        self._queue.put((image, future, time.monotonic() + self._max_wait))
        return future

    def close(self) -> None:
        """Computes what was submitted, and ends the thread. Nothing may be submitted any more."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            for size in self.sizes:
                self._compute(np.zeros((size, *self._shape), "float32"))
        except BaseException as error:
            self.ready.set_exception(error)
            while (item := self._queue.get()) is not None:  # Until it is closed.
                if item[1].set_running_or_notify_cancel():
                    item[1].set_exception(error)
            return
        self.ready.set_result(None)
        going_on = True
        while going_on:
            batch, going_on = self._next()
            batch = [(image, row) for image, row in batch if row.set_running_or_notify_cancel()]
            if batch:
                self._answer([image for image, _ in batch], [row for _, row in batch])

    def _next(self) -> tuple[list[tuple[np.ndarray, Future]], bool]:
        """The images of the next batch, and whether there may be more batches."""
        batch: list[tuple[np.ndarray, Future]] = []
        until = None
        while len(batch) < self.max_batch:
            # What waits already is taken even if its time is over.
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                return batch, False
            image, future, end = item
            if not future.cancelled():
                until = until or end
                batch.append((image, future))
        return batch, True

    def _answer(self, images: list[np.ndarray], rows: list[Future]) -> None:
        """Computes a batch; where that fails, each image alone, so that one harms no other."""
        size = next(size for size in self.sizes if size >= len(images))
        try:
            batch = np.zeros((size, *self._shape), "float32")
            batch[: len(images)] = images
            computed = self._compute(batch)[: len(images)]
        except Exception as error:
            if len(images) == 1:
                rows[0].set_exception(error)
                return
            for image, row in zip(images, rows, strict=True):
                self._answer([image], [row])
            return
        self._on_batch(len(images))
        for row, values in zip(rows, computed, strict=True):
            row.set_result(values)
