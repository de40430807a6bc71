"""The same images and labels on every backend, bit for bit, and through tf.data."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cross

BATCHES = """
import hashlib, sys
import numpy as np
from keras_mixer import data

loaded = data.load(sys.argv[1])
size, digest = (24, 32), hashlib.sha256()
training = data.TrainingBatches(
    loaded.train, 2, size, 5, steps=9, crop="inception_crop", randaugment=(2, 12.0), mixup=0.4,
    cutmix=1.0, seed=3,
)
evaluation = data.EvaluationBatches(loaded.test, 2, size, 3, crop="resize_crop", weights="imagenet")
for batches in (training, evaluation):
    source = data.to_tf_data(batches) if sys.argv[2] == "tf.data" else batches
    if sys.argv[2] == "tf.data":
        pairs = [(x.numpy(), y.numpy()) for x, y in source]
    else:
        pairs = [batches[i] for i in range(len(batches))]
    for x, y in pairs:
        digest.update(x.tobytes() + y.tobytes())
print(digest.hexdigest(), sum(len(x) for x, _ in pairs))
"""


def test_batches_are_equal_everywhere(image_folder):
    found = {}
    for backend in ("tensorflow", "jax", "torch"):
        for how in ("as they are", "tf.data"):
            result = subprocess.run(
                [sys.executable, "-c", BATCHES, str(image_folder), how],
                env={**os.environ, "KERAS_BACKEND": backend},
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, result.stderr
            found[backend, how] = result.stdout.split()
    assert len({tuple(value) for value in found.values()}) == 1, found
    assert found["jax", "tf.data"][1] == "4"
