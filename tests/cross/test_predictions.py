"""Predictions that one backend wrote are scored the same on the others, to the last bit."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cross
BACKENDS = ("tensorflow", "jax", "torch")

WRITE = """
import sys, keras, numpy as np, keras_mixer
from keras_mixer import data, evaluation
folder = sys.argv[1]
spec = keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
model = keras_mixer.Mixer(spec, weights=None, classes=7)
rng = np.random.default_rng(0)
for v in model.trainable_variables:
    v.assign(v + rng.normal(0, 0.3, v.shape).astype("float32"))
images = rng.integers(0, 256, (50, 8, 12, 3), dtype="uint8")
split = data.from_arrays((images, np.arange(50) % 7)).train
found = evaluation.Predictions.of(model, split, crop="resize", verbose=0)
found.save(f"{folder}/{keras.backend.backend()}.npz")
"""
READ = """
import sys
from keras_mixer import evaluation
for path in sys.argv[1:]:
    found = evaluation.Predictions.load(path)
    result = found.score()
    print(found.backend, repr(result.top_1), repr(result.top_5), repr(result.loss),
          repr(result.calibration.error), result.confusion.tolist())
"""


def python(code, backend, *arguments):
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_same_scores(tmp_path):
    for backend in BACKENDS:
        python(WRITE, backend, tmp_path)
    files = [tmp_path / f"{backend}.npz" for backend in BACKENDS]
    scores = [python(READ, backend, *files) for backend in BACKENDS]
    assert len(set(scores)) == 1
    assert [line.split()[0] for line in scores[0].splitlines()] == list(BACKENDS)
