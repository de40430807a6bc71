"""A server on loopback for tests, and a client of it."""

import contextlib
import io
import struct
import threading
import time
import zlib

import httpx
import numpy as np
from PIL import Image

import keras_mixer
from keras_mixer import serving

LABELS = ("ant", "bee", "cat", "dog", "eel")


def build():
    """A Mixer with weights of its own, the same ones each time."""
    spec = keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
    built = keras_mixer.Mixer(spec, weights=None, classes=len(LABELS))
    values = np.random.default_rng(1)
    for variable in built.trainable_variables:  # A fresh head of zeros would hide errors.
        variable.assign(values.normal(0, 0.5, variable.shape))
    return built


def encoded(image, **options):
    """An array or an image of PIL as a file, a PNG if nothing else is said."""
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def header(width, height):
    """A PNG of that size that holds nothing else."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


class Client(httpx.Client):
    """Speaks to one server."""

    def classify(self, data, kind="image/png", top=5):
        headers = {"Content-Type": kind}
        return self.post("/v1/classify", params={"top": top}, content=data, headers=headers)

    def figure(self, name):
        """A figure among the metrics; 0 where it is not there yet."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return 0.0

    def until(self, name, value):
        """Waits for a figure."""
        for _ in range(500):
            if self.figure(name) == value:
                return
            time.sleep(0.01)
        raise AssertionError(f"{name} is {self.figure(name)}, not {value}")


@contextlib.contextmanager
def connected(url):
    """A client of a server that is about to open its port."""
    limits = httpx.Limits(max_connections=None)
    with Client(base_url=url, timeout=30, limits=limits, trust_env=False) as client:
        for attempt in range(300):
            try:
                client.get("/health")
                break
            except httpx.ConnectError:
                assert attempt < 299
                time.sleep(0.1)
        yield client


@contextlib.contextmanager
def served(classifier, **options):
    """A server in another thread, and a client of it."""
    service = serving.Service(classifier, **options)
    with running(serving.create_app(service), service.ready) as client:
        yield client


@contextlib.contextmanager
def running(app, ready):
    """An application in another thread, and a client of it."""
    bound = serving.listen(port=0)
    server = serving.Server(app, ready)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        with connected(serving.address(bound)) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
        assert not thread.is_alive()


def probabilities(response):
    """The answer for each picture as probabilities in the order of the classes."""
    assert response.status_code == 200, response.text
    rows = response.json()["predictions"]
    for row in rows:
        assert [LABELS[one["index"]] for one in row] == [one["label"] for one in row]
        values = [one["probability"] for one in row]
        assert values == sorted(values, reverse=True)
    return np.array(
        [[one["probability"] for one in sorted(row, key=lambda r: r["index"])] for row in rows]
    )
