"""Whether memory grows with time: training, serving, models built and dropped, predictions.

    KERAS_BACKEND=jax python apps/benchmarks/soak.py

Each of the four runs in one process of its own, on the digits: 2,000 steps of `finetune`, 5,000
pictures to a real `keras-mixer serve` on loopback (of the run RUN, or of a small one that is
trained first), 200 models that are built, used once and dropped, 500 calls of
`evaluation.predict` for four pictures. The resident memory is sampled as
it goes. The first fifth is warm-up. Of the rest are printed the slope, by least squares, and what
it makes of the last half. That is `flat` below 2 % of the resident memory or below 10 MiB. The exit
code is 1 where one is not. Linux only.
"""

import argparse
import gc
import http.client
import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
from digits_server import held_out_as_png, served

import keras_mixer

MIB = 2**20
SHARE, LITTLE = 0.02, 10.0  # Growth that counts as none: of the resident memory, in MiB.
WARM_UP = 0.2
SAMPLES = 200


def resident(process="self") -> float:
    """MiB of memory that a process holds."""
    pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def judge(samples: np.ndarray) -> tuple[float, float, bool]:
    """Slope in MiB for each count, growth in the last half in MiB, and whether it is flat.

    Args:
        samples: rows of (count, MiB).
    """
    warm = samples[samples[:, 0] > WARM_UP * samples[-1, 0]]
    slope, _ = np.polyfit(*warm.T, 1)
    half = samples[samples[:, 0] > 0.5 * samples[-1, 0]]
    growth = np.polyfit(*half.T, 1)[0] * (half[-1, 0] - half[0, 0])
    return slope, growth, bool(growth < max(SHARE * half[:, 1].mean(), LITTLE))


class Sampler:
    """Samples of the resident memory, about `SAMPLES` of them."""

    def __init__(self, total: int, process="self"):
        self.every = max(1, total // SAMPLES)
        self.process = process
        self.rows: list[tuple[int, float]] = []

    def __call__(self, count: int) -> None:
        if count % self.every == 0:
            self.rows.append((count, resident(self.process)))


def train(steps: int) -> Sampler:
    """Steps of `finetune` with everything on, judged and saved ten times."""
    sample = Sampler(steps)

    class Sample(keras.callbacks.Callback):
        done = 0

        def on_train_batch_begin(self, batch, logs=None):
            self.done += 1
            sample(self.done)

    recipe = keras_mixer.training.RECIPES["digits"].replace(steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        keras_mixer.finetune(
            small(),
            keras_mixer.data.load("digits"),
            recipe,
            checkpoints=folder,
            callbacks=[Sample()],
            verbose=0,
        )
    return sample


def small():
    """An architecture whose steps are short: memory is grown by their number, not by their size."""
    return keras_mixer.MixerSpec("tiny", 8, 2, 32, 16, 64, 32)


def build(models: int) -> Sampler:
    """Models that are built, used and dropped."""
    sample = Sampler(models)
    x = np.zeros((1, 32, 32, 3), "float32")
    for count in range(1, models + 1):
        keras_mixer.Mixer(small(), weights=None, classes=10).predict(x, verbose=0)
        if options.clear:
            keras.utils.clear_session(free_memory=False)
        gc.collect()  # Models hold themselves in circles.
        sample(count)
    return sample


def predict(calls: int) -> Sampler:
    """Predictions of four pictures at a time, with one model."""
    sample = Sampler(calls)
    model = keras_mixer.Mixer(small(), weights=None, classes=10)
    split = keras_mixer.data.load("digits").test.subset(range(4))
    for count in range(1, calls + 1):
        keras_mixer.evaluation.predict(model, split, verbose=0)
        sample(count)
    return sample


def serve(pictures: int) -> Sampler:
    """Pictures, one a request, to a server of its own process; that one is sampled."""
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or short_run(pathlib.Path(folder) / "run")
        with served(run) as (host, process):
            sample = Sampler(pictures, process)
            ask(host, pictures, sample)
    return sample


def short_run(path: pathlib.Path) -> str:
    recipe = keras_mixer.training.RECIPES["digits"].replace(
        steps=20, warmup_steps=5, stochastic_depth=0.0
    )
    request = keras_mixer.runs.Request("digits", small(), recipe)
    keras_mixer.runs.run(request, keras_mixer.runs.Place(output=path), say=lambda _: None)
    return str(path)


def ask(host: str, pictures: int, sample: Sampler) -> None:
    files = held_out_as_png()
    connection = http.client.HTTPConnection(host, timeout=120)
    for count in range(1, pictures + 1):
        headers = {"Content-Type": "image/png"}
        connection.request("POST", "/v1/classify", files[count % len(files)], headers)
        answer = connection.getresponse()
        if answer.read() and answer.status != 200:
            raise SystemExit(f"The server answered {answer.status} to picture {count}.")
        sample(count)
    connection.close()


# What is done, how often, and the count that the slope is of.
PARTS = {"train": (train, "steps", 1000), "serve": (serve, "requests", 1000)}
PARTS |= {"build": (build, "models", 100), "predict": (predict, "calls", 100)}


def report(part: str, total: int) -> bool:
    """Does one part, prints its line, and says whether it is flat."""
    work, what, unit = PARTS[part]
    samples = np.array(work(total).rows)
    slope, growth, flat = judge(samples)
    held = samples[-1, 1]
    print(
        f"{keras.backend.backend():10}  {total:5,} {what:8}  {held:7.1f} MiB at the end  "
        f"{slope * unit:+7.2f} MiB / {unit:5,} {what:8}  "
        f"{growth:+7.2f} MiB in the last half  {'flat' if flat else 'GROWS'}",
        flush=True,
    )
    return flat


def main() -> int:
    codes = [
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", part]).returncode
        for part in options.parts
    ]
    return max(codes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--run", help="directory of a run on the digits to serve")
    parser.add_argument("--clear", action="store_true", help="clear Keras' state after each model")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = {"train": options.steps, "serve": options.requests}
    counts |= {"build": options.models, "predict": options.calls}
    sys.exit(not report(options.part, counts[options.part]) if options.part else main())
