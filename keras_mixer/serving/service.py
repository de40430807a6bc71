"""What answers requests: decoding in a pool of threads, then the model in batches."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from starlette.requests import ClientDisconnect

from keras_mixer.serving.batching import Batcher
from keras_mixer.serving.body import read_body, uploads
from keras_mixer.serving.classifier import Classifier, ModelError, Ranked
from keras_mixer.serving.guard import Shares
from keras_mixer.serving.metrics import Metrics
from keras_mixer.serving.upload import MAX_BYTES, MAX_PIXELS, read_upload

T = TypeVar("T")


class Service:
    """A classifier, its queue and its figures; the warm-up begins at once, in another thread.

    Nothing that is sent is written to the disk, and no address or path in it is followed.

    Args:
        classifier: what answers.
        max_batch: images of a batch, and pictures of a request, at most.
        max_wait: seconds that an image waits for others of its batch at most.
        places: pictures on their way at most; of those that are still arriving one client may have
            half.
        max_bytes: length of the body of a request at most; there may be `places` of them in
            memory.
        max_pixels: pixels of a picture at most.

    Raises:
        ValueError: fewer places than images of a batch.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        max_batch: int = 32,
        max_wait: float = 0.005,
        places: int = 128,
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
    ):
        self.classifier = classifier
        self.max_batch = max_batch
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels
        black = np.zeros((*classifier.image_size, 3), "uint8")
        self._batcher = Batcher(
            classifier.probabilities,
            classifier.prepare(black).shape,
            max_batch=max_batch,
            max_wait=max_wait,
            places=places,
            on_batch=lambda images: self.metrics.batches.observe(images),
        )
        self.metrics = Metrics(self._batcher.sizes)
        self.metrics.queue.set_function(lambda: self._batcher.taken)
        self._shares = Shares(places // 2)
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")

    @property
    def ready(self) -> "Future[None]":
        """Done when the warm-up is; with its error, if it failed."""
        return self._batcher.ready

    async def classify(self, request: Request, top: int) -> list[list[Ranked]]:
        """The `top` classes of each picture in a request.

        Raises:
            QueueFullError: there is no place for it; what it holds was not read.
            UnreadableImageError: one of its pictures cannot be read.
            ModelError: the model fails on one of them.
            fastapi.HTTPException: as in `read_body` and `uploads`.
            starlette.requests.ClientDisconnect: its sender went away; its pictures are dropped.
        """
        with self._batcher.taking(1):
            body = await read_body(request, self.max_bytes, self._shares)
            kind = request.headers.get("content-type", "")
            pictures = await self._in_pool(uploads, kind, body, self.max_batch)
            del body  # The pictures are in memory now.
            with self._batcher.taking(len(pictures) - 1):
                rows = await unless_gone(request, self._rows(pictures))
        return [self.classifier.rank(row, top) for row in rows]

    async def see(self, request: Request, shares: Shares | None = None) -> np.ndarray:
        """The one picture of a request as `Classifier.see` gives it: small, however large it was.

        Args:
            request: what was sent.
            shares: of the bodies on their way. Defaults to those of `classify`.

        Raises:
            UnreadableImageError: it cannot be read.
            fastapi.HTTPException: as in `read_body` and `uploads`.
        """
        body = await read_body(request, self.max_bytes, shares or self._shares)
        kind = request.headers.get("content-type", "")
        ((name, data),) = (await self._in_pool(uploads, kind, body, 1)).items()
        return await self._in_pool(self._see, name, data)

    def probabilities(self, seen: Sequence[np.ndarray]) -> np.ndarray:
        """Of many pictures as `Classifier.see` gives them, in batches between those of requests.

        It waits for them: call it from a thread of its own.
        """
        rows: list[np.ndarray] = []
        for start in range(0, len(seen), self.max_batch):
            part = range(start, min(start + self.max_batch, len(seen)))
            waiting = [self._batcher.submit(self.classifier.scale(seen[i])) for i in part]
            rows += [row.result() for row in waiting]
        return np.stack(rows)

    def close(self) -> None:
        """Answers what was accepted, and ends the threads."""
        self._pool.shutdown()
        self._batcher.close()

    async def _rows(self, pictures: dict[str, bytes]) -> list[np.ndarray]:
        """Probabilities of each picture; the model sees none of them before all can be read."""
        images = await asyncio.gather(
            *(self._in_pool(self._image, name, data) for name, data in pictures.items())
        )
        rows = [asyncio.wrap_future(self._batcher.submit(image)) for image in images]
        try:
            return await asyncio.gather(*rows)
        except Exception as error:
            raise ModelError(f"{self.classifier.name} failed: {error}") from error

    def _image(self, name: str, data: bytes) -> np.ndarray:
        return self.classifier.scale(self._see(name, data))

    def _see(self, name: str, data: bytes) -> np.ndarray:
        limits = {"max_bytes": self.max_bytes, "max_pixels": self.max_pixels}
        return self.classifier.see(read_upload(data, **limits, name=name))

    def _in_pool(self, function, *arguments) -> asyncio.Future:
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled when the sender of the request goes away."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())  # After the body nothing else can come.
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
