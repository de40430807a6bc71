"""A run of JAX in formats that other backends write, in a process of their own, and served."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cross

CODE = """
import keras_mixer_cli

arguments = ["--model", "mixer_ti4", "--weights", "none", "--steps", "5", "--batch-size", "4"]
assert keras_mixer_cli.main(["finetune", "digits", *arguments, "--output", "run", "--quiet"]) == 0
for name in ("onnx", "tf_saved_model", "litert", "openvino", "torch"):
    assert keras_mixer_cli.main(["export", "run", "--format", name, "--preprocessing"]) == 0, name

import pathlib
import numpy as np
from keras_mixer import data, serving

pictures = list(data.load("digits").test.pictures[:20])

def probabilities(classifier):
    ranked = classifier.classify(pictures, top=10)
    rows = [sorted(row, key=lambda one: one.label) for row in ranked]
    return np.array([[one.probability for one in row] for row in rows])

expected = probabilities(serving.Classifier.of_run("run"))
for about in sorted(pathlib.Path("run").glob("model.*.json")):
    its = probabilities(serving.ExportedClassifier(about.with_suffix("")))
    print("served", about.name, abs(its - expected).max())
"""


def test_a_run_of_jax(tmp_path):
    env = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "150"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split() for line in done.stdout.splitlines()]
    told = [line for line in done.stderr.splitlines() if "in another process" in line]
    assert len(told) == 5
    for name, writer in (
        ("onnx", "tensorflow"),
        ("tf_saved_model", "tensorflow"),
        ("litert", "tensorflow"),
        ("openvino", "tensorflow"),
        ("torch", "torch"),
    ):
        (row,) = [row for row in rows if row[:2] == [name, "none"]]
        assert row[6:8] == ["100.00", "%"]
        assert row[8:10] == row[10:12]
        assert f"is loaded and written under {writer}, in another process" in done.stderr
    served = [line.split() for line in done.stdout.splitlines() if line.startswith("served ")]
    assert len(served) == 5
    for _, name, difference in served:
        assert float(difference) < 1e-5, name
