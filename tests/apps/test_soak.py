"""Memory that grows is found, and ours does not grow: a short version of the soak."""

import os
import pathlib
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest

SOAK = pathlib.Path(__file__).parents[2] / "apps" / "benchmarks" / "soak.py"


@pytest.mark.parametrize(
    ("growth", "flat"),
    [(0.0, True), (0.019, True), (0.1, False), (-0.5, True)],  # MiB a step, of 1,000 of them.
)
def test_what_grows_is_found(growth, flat, rng, monkeypatch):
    """Beside a warm-up that grows much, with noise; worked by hand: 495 steps of the last half."""
    monkeypatch.syspath_prepend(SOAK.parent)  # As `python soak.py` has it.
    steps = np.arange(5, 1005, 5)
    held = 400 + growth * steps - 100 * np.exp(-steps / 40) + rng.normal(0, 0.5, len(steps))
    slope, grown, found = runpy.run_path(str(SOAK))["judge"](np.stack([steps, held], axis=1))
    assert slope == pytest.approx(growth, abs=5e-3)
    assert grown == pytest.approx(495 * growth, abs=2)
    assert found is flat


@pytest.mark.slow  # Five processes that import a backend.
def test_a_short_soak():
    counts = ("--steps", "200", "--requests", "300", "--models", "20")
    env = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, str(SOAK), *counts], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count(" flat\n") == 3
