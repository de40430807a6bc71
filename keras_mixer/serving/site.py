"""What the page asks: several classifiers, and one explanation at a time."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fastapi import Request

from keras_mixer.serving.batching import QueueFullError
from keras_mixer.serving.classifier import ModelError
from keras_mixer.serving.explain import Explanation, explain
from keras_mixer.serving.guard import Shares
from keras_mixer.serving.service import Service, unless_gone


class Site:
    """Services side by side, and a thread that explains one picture after another.

    Args:
        services: one for each model.
        places: explanations on their way at most, the one that is computed among them; of requests
            that are still arriving one client may have half.

    Raises:
        ValueError: no service.
    """

    def __init__(self, services: Sequence[Service], *, places: int = 4):
        if not services:
            raise ValueError("A site needs a model. Received: none")
        self.services = tuple(services)
        self.names = _different([service.classifier.name for service in services])
        self.places = places
        self.taken = 0
        self._shares = Shares(places // 2)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self.ready: Future[None] = self._pool.submit(self._wait)  # Before any explanation.

    async def explain(self, request: Request, number: int) -> Explanation:
        """What a model's answer for the picture of a request rests on.

        Raises:
            QueueFullError: there is no place for it; what it holds was not read.
            ModelError: the model fails on it.
            Exception: as in `Service.see`.
        """
        service = self.services[number]
        with self._taking():
            seen = await service.see(request, self._shares)
            # Who goes away gives up the place at once; what waits in the pool is small.
            work = asyncio.wrap_future(self._pool.submit(explain, service, seen))
            return await unless_gone(request, _of_a_model(service.classifier.name, work))

    def close(self) -> None:
        """Answers what was accepted, and ends the threads."""
        self._pool.shutdown()
        for service in self.services:
            service.close()

    def _wait(self) -> None:
        for service in self.services:
            service.ready.result()

    @contextlib.contextmanager
    def _taking(self) -> Iterator[None]:
        if self.taken >= self.places:  # In the one thread of the loop.
            raise QueueFullError(f"{self.places} explanations are on their way, as many as may be.")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


async def _of_a_model(name: str, work) -> Explanation:
    try:
        return await work
    except Exception as error:
        raise ModelError(f"{name} failed: {error}") from error


def _different(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number behind one that was there before."""
    return tuple(
        f"{name} ({1 + names[:i].count(name)})" if name in names[:i] else name
        for i, name in enumerate(names)
    )
