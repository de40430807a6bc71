"""Requests a second of a server, how long they take, and whether every answer is right.

    KERAS_BACKEND=jax python apps/benchmarks/serving.py RUN --clients 1 8 64

Starts `keras-mixer serve RUN` in a process of its own on loopback. Each client is a thread here
with a connection of its own, which sends the next picture (the held-out digits, one PNG each) when
the answer has come. Each answer is compared with what the model says of that picture alone. Server
and clients share the machine's cores.
"""

import argparse
import http.client
import itertools
import json
import os
import threading
import time

import keras
import numpy as np
from digits_server import held_out_as_png, served

import keras_mixer


def pictures_and_truth(path: str) -> tuple[list[bytes], np.ndarray]:
    """The held-out digits as PNG files, and what the model says of each of them alone."""
    run = keras_mixer.runs.load_run(path)
    held_out = keras_mixer.data.load("digits").test
    files = held_out_as_png()
    split = keras_mixer.data.Split(files, held_out.labels, held_out.names)
    truth = keras_mixer.evaluation.predict(
        run.load_model(), split, crop=run.crop, batch_size=1, verbose=0
    )
    return files, truth


class Load:
    """Clients that ask as fast as they get answers, for some seconds."""

    def __init__(self, host: str, files: list[bytes], truth: np.ndarray):
        self.host = host
        self.files = files
        self.truth = truth

    def run(self, clients: int, seconds: float) -> tuple[np.ndarray, int, int, float]:
        """Seconds of each request, how many were lost and wrong, and the time of all."""
        taken: list[float] = []
        lost, wrong = [], []
        numbers = itertools.count()
        begun = time.perf_counter()

        def ask() -> None:
            connection = http.client.HTTPConnection(self.host, timeout=60)
            while time.perf_counter() - begun < seconds:
                index = next(numbers) % len(self.files)
                sent = time.perf_counter()
                try:
                    headers = {"Content-Type": "image/png"}
                    connection.request("POST", "/v1/classify?top=10", self.files[index], headers)
                    answer = connection.getresponse()
                    body = answer.read()
                except OSError:
                    connection.close()
                    lost.append(index)
                    continue
                taken.append(time.perf_counter() - sent)
                if answer.status != 200:
                    lost.append(index)
                elif not self._right(index, json.loads(body)):
                    wrong.append(index)
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return np.array(taken), len(lost), len(wrong), time.perf_counter() - begun

    def _right(self, index: int, answer: dict) -> bool:
        (row,) = answer["predictions"]
        given = np.full(self.truth.shape[1], np.nan)
        given[[one["index"] for one in row]] = [one["probability"] for one in row]
        return bool(np.allclose(given, self.truth[index], rtol=0, atol=1e-6))


def images_and_batches(host: str) -> tuple[float, float]:
    """How many images the server has computed, in how many batches."""
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    connection.close()
    return tuple(float(figures[f"keras_mixer_batch_images_{part}"]) for part in ("sum", "count"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="directory of a run on the digits")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    files, truth = pictures_and_truth(options.run)
    with served(options.run) as (host, _):
        load = Load(host, files, truth)
        load.run(1, 0.5)  # Waits for the warm-up.
        print(f"{options.run} on {keras.backend.backend()}, {os.cpu_count()} cores")
        print("clients  requests/s  p50 (ms)  p99 (ms)  images a batch  requests  lost  wrong")
        for clients in options.clients:
            before = images_and_batches(host)
            taken, lost, wrong, seconds = load.run(clients, options.seconds)
            images, batches = np.subtract(images_and_batches(host), before)
            p50, p99 = np.percentile(taken, [50, 99]) * 1000
            print(
                f"{clients:7} {len(taken) / seconds:11.0f} {p50:9.1f} {p99:9.1f} "
                f"{images / batches:15.1f} {len(taken):9} {lost:5} {wrong:6}",
                flush=True,
            )
    print("exit code of the server after SIGTERM: 0")


if __name__ == "__main__":
    main()
