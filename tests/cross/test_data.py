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


AUGMENTED = """
import sys
import numpy as np
from keras_mixer import data
from keras_mixer.data import gallery

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (40, 32, 32, 3), dtype="uint8")
loaded = data.from_arrays((images, np.arange(40) % 4))
for name in data.AUGMENTATIONS:
    for weights in (None, "imagenet_miil"):
        low = -1 if weights is None else 0
        plain = data.TrainingBatches(
            loaded.train, 4, (32, 32), 8, steps=5, crop="resize", flip=False, weights=weights
        )
        changed = list(data.augmented(plain, name, weights).as_numpy_iterator())
        assert len(changed) == 5
        for i, (x, y) in enumerate(changed):
            assert x.shape == (8, 32, 32, 3) and x.dtype == y.dtype == np.float32
            assert low - 1e-4 <= x.min() and x.max() <= 1 + 1e-4, (name, x.min(), x.max())
            np.testing.assert_allclose(y.sum(1), 1, atol=1e-5)
            assert np.abs(x - plain[i][0]).mean() > 0.005, name
        mixes = any((y.max(1) < 0.999).any() for _, y in changed)
        assert mixes == (name in ("mosaic", "fouriermix")), name
print("ok")
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_augmentations_of_keras_cv_keep_range_and_label_mass(backend):
    result = subprocess.run(
        [sys.executable, "-c", AUGMENTED],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-1] == "ok"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_command_trains_with_keras_cv(backend, image_folder, tmp_path):
    """And draws a picture of it."""
    main = "import keras_mixer_cli, sys; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"
    training = ["--model", "mixer_ti4", "--weights", "none", "--steps", "4", "--batch-size", "8"]
    for arguments in (
        ["finetune", image_folder, *training, "--image-size", "16", "--output", tmp_path / "run"],
        ["datasets", "show", image_folder, "--image-size", "64", "--output", tmp_path / "x.png"],
    ):
        result = subprocess.run(
            [sys.executable, "-c", main, *map(str, arguments), "--augment", "mosaic"],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert len(history) == 5  # A heading and four rounds of one step.
    assert (tmp_path / "x.png").stat().st_size > 10_000
