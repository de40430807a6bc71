"""Runs that are killed at random moments end in the weights of a run that was left alone."""

import random
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_mixer import runs

COMMAND = (
    *("finetune", "digits", "--steps", "48", "--batch-size", "32", "--evaluations", "12"),
    *("--accumulation", "2", "--dropout", "0.1", "--stochastic-depth", "0.1", "--mixup", "0.2"),
    *("--ema", "0.9", "--keep-best", "--early-stopping", "11", "--json-lines"),
)
PROGRAM = "import sys, keras_mixer_cli; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"


def start(output):
    arguments = [sys.executable, "-c", PROGRAM, *COMMAND, "--output", str(output)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_until(process, *events):
    """Reads what a run prints until it has said each of these in turn."""
    waiting, lines = list(events), []
    for line in process.stdout:
        lines.append(line)
        if waiting and waiting[0] in line:
            waiting.pop(0)
        if not waiting:
            break
    return "".join(lines)


FIRST_STEP, ROUND = '"training: the first step', '"event": "round"'


def ended(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def assert_equal_runs(one, other):
    one, other = runs.load_run(one), runs.load_run(other)
    for own, its in zip(one.load_model().weights, other.load_model().weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(own), keras.ops.convert_to_numpy(its), err_msg=own.path
        )
    history = [(run.path / "history.csv").read_text() for run in (one, other)]
    assert history[0] == history[1]
    for name in ("top_1", "loss"):
        assert one.config["metrics"][name] == other.config["metrics"][name]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same run, left alone; two calls would be equal, which test_fit shows."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    ended(start(output))
    return output


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kill(tmp_path, undisturbed, times):
    rng = random.Random(0)
    output = tmp_path / "run"
    kills, went_on_from = 0, []
    while not (output / "model.keras").exists():
        process = start(output)
        # Somewhere in one of the next rounds, or in the judging after it, or at the very end.
        printed = read_until(process, FIRST_STEP, *[ROUND] * rng.randrange(2))
        went_on_from += re.findall(r"run: (\d+) of 48 steps are done", printed)
        if kills < times:
            time.sleep(rng.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        else:
            ended(process)
    assert kills == times
    assert len(set(went_on_from)) >= times // 3
    assert_equal_runs(output, undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal(tmp_path, undisturbed, number, code):
    output = tmp_path / "run"
    process = start(output)
    read_until(process, FIRST_STEP)
    process.send_signal(number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert "Saved at step" in err.splitlines()[-1]
    assert "Traceback" not in err
    step = int(err.split("Saved at step ")[1].split(";")[0])
    assert step > 0
    assert f"{step} of 48 steps are done" in ended(start(output))
    assert_equal_runs(output, undisturbed)
