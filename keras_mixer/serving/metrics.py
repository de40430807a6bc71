"""What a server counts, in the text format of Prometheus."""

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
GONE = 499  # What nginx logs for a client that went away; nobody receives it.


class Metrics:
    """Requests by status, how long they took, the sizes of the batches and the queue.

    Args:
        sizes: of the batches, the upper ends of their histogram.
    """

    def __init__(self, sizes: Sequence[int]):
        self.registry = own = CollectorRegistry()
        self.requests = Counter(
            "keras_mixer_requests",
            "Requests to classify, by status.",
            ["status"],
            registry=own,
        )
        self.seconds = Histogram(
            "keras_mixer_request_seconds",
            "From the headers of a request to the last byte of its answer.",
            buckets=SECONDS,
            registry=own,
        )
        self.batches = Histogram(
            "keras_mixer_batch_images",
            "Images of a batch, without what fills it up.",
            buckets=sizes,
            registry=own,
        )
        self.queue = Gauge(
            "keras_mixer_queue_images",
            "Images accepted and not answered yet.",
            registry=own,
        )

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts and times the requests to one path.

    Args:
        app: what it stands around.
        metrics: what counts.
        path: such as `/v1/classify`.
    """

    def __init__(self, app, metrics: Metrics, path: str):
        self.app = app
        self.metrics = metrics
        self.path = path

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != self.path:
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500  # What an exception that nobody handled becomes, further out.

        async def note(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            self.metrics.requests.labels(str(status)).inc()
            self.metrics.seconds.observe(time.perf_counter() - begun)
