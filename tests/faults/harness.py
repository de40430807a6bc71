"""Launches of the command in processes of their own, and what is compared afterwards."""

import functools
import hashlib
import json
import multiprocessing.forkserver
import os
import pathlib
import re
import sys
from typing import NamedTuple

import keras
import numpy as np
import pytest
from faults import program

from keras_mixer import MixerSpec, runs

# An architecture that is built and compiled in little time.
TINY = MixerSpec("tiny", 4, 2, 8, 6, 16, (16, 16))
STEPS = 24
# With all that has a state: random numbers in layers and in batches, averages, the best weights.
TRAINING = (
    *("finetune", "digits", "--model", "tiny", "--image-size", "16", "--json-lines"),
    *("--steps", str(STEPS), "--batch-size", "32", "--evaluations", "8", "--accumulation", "2"),
    *("--dropout", "0.1", "--stochastic-depth", "0.1", "--mixup", "0.2", "--ema", "0.9"),
    *("--keep-best", "--early-stopping", "7"),
)


class Ended(NamedTuple):
    """How a launch ended: its exit code, negative for a signal, and what it printed."""

    code: int
    out: str
    err: str

    def message(self) -> str:
        """The one line that it ended with; fails where there is more or a traceback."""
        # Click ends the line that ^C stands in.
        told = filter(None, self.err.splitlines())
        # `E0000 ...` is TensorFlow's own, of a machine that has no GPU.
        others = re.compile(r"backend: |[IWE]\d{4} |WARNING: All log")
        lines = [line for line in told if not others.match(line)]
        assert len(lines) == 1, self.err
        return lines[0]

    def went_on_from(self) -> int:
        """The step that it went on from; 0 where it did not come to that."""
        told = [json.loads(line) for line in self.out.splitlines()]
        return next((one["step"] for one in told if one["event"] == "begin"), 0)


def launch(*arguments, faults=(), environment=None) -> Ended:
    """Runs `keras-mixer` with these arguments, faults and variables of the environment."""
    forks = _forks()
    (out, out_end), (err, err_end) = forks.Pipe(False), forks.Pipe(False)
    typed = tuple(os.fspath(argument) for argument in arguments)
    given = (typed, tuple(faults), out_end, err_end, environment or {})
    process = forks.Process(target=program.launch, args=given)
    process.start()
    texts = []
    for end in (out_end, err_end):
        end.close()
    for own in (out, err):
        with os.fdopen(os.dup(own.fileno()), encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
        own.close()
    process.join()
    code = process.exitcode
    process.close()
    return Ended(code, *texts)


@functools.cache
def _forks():
    """Starts the process that launches are forked from."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["faults.ready"])
    with pytest.MonkeyPatch.context() as patch:  # It does not take over this process' `sys.path`.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        multiprocessing.forkserver.ensure_running()
    return forks


def train(output, *more, faults=()) -> Ended:
    """Trains what all tests here do."""
    return launch(*TRAINING, *more, "--output", output, faults=faults)


def check_files(run: pathlib.Path) -> None:
    """Every file that has its final name is whole; half ones have names of their own."""
    for path in [*run.glob("*.json"), *run.glob("checkpoints/*.json")]:
        content = json.loads(path.read_text())
        if "sha256" in content:
            arrays = path.with_suffix(".safetensors").read_bytes()
            assert hashlib.sha256(arrays).hexdigest() == content["sha256"], path
    if (run / "history.csv").exists():
        header, *rows = (run / "history.csv").read_text().splitlines()
        assert all(row.count(",") == header.count(",") for row in rows)
    for name in ("model.keras", "last.keras"):
        if (run / name).exists():
            keras.saving.load_model(run / name, compile=False)
    if (run / "report.html").exists():
        assert (run / "report.html").read_text().endswith("</html>\n")


def assert_equal_runs(one, other) -> None:
    """Both have the same weights, bit for bit, the same history and the same metrics."""
    one, other = runs.load_run(one), runs.load_run(other)
    for name in ("model.keras", "last.keras"):
        models = [keras.saving.load_model(run.path / name, compile=False) for run in (one, other)]
        for own, its in zip(*(model.weights for model in models), strict=True):
            own_array, its_array = map(keras.ops.convert_to_numpy, (own, its))
            np.testing.assert_array_equal(own_array, its_array, err_msg=own.path)
    history = [(run.path / "history.csv").read_text() for run in (one, other)]
    assert history[0] == history[1]
    for name in ("top_1", "top_5", "loss"):
        assert one.config["metrics"][name] == other.config["metrics"][name]
