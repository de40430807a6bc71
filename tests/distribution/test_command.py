"""`keras-mixer finetune --distribute`, as it is typed."""

import csv
import json
import subprocess
import sys

import keras
import pytest
from distribution.processes import free_port

BACKEND = keras.backend.backend()
PROGRAM = "import sys, keras_mixer_cli; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"
TRAIN = ("finetune", "digits", "--steps", "6", "--evaluations", "2", "--batch-size", "32")


def start(folder, *arguments):
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(BACKEND == "tensorflow", reason="refused, see below")
def test_two_processes(tmp_path):
    both = ("--distribute", "data", "--processes", 2, "--coordinator", f"127.0.0.1:{free_port()}")
    chief, other = (start(tmp_path / str(i), *TRAIN, *both, "--process", i) for i in range(2))
    for process in (chief, other):
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    assert not list((tmp_path / "1").iterdir())  # The chief alone writes.
    (run,) = (tmp_path / "0" / "runs").iterdir()
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert [row["step"] for row in history] == ["3", "6"]

    # What one process makes of the model that two have trained and judged, on 359 images.
    out, err = (process := start(tmp_path / "alone", "evaluate", run, "--json")).communicate()
    assert process.returncode == 0, err
    alone = json.loads(out)
    assert metrics["test_images"] == 359
    assert alone["top_1"] == metrics["top_1"]
    assert alone["loss"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert float(history[-1]["val_top_1"]) == pytest.approx(alone["top_1"], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--processes", "2"), "go with --distribute"),
        (("--distribute", "data", "--processes", "2"), "Several processes need all of"),
        (("--distribute", "data", "--split", "2"), "goes with the kind model alone"),
    ],
)
def test_usage(tmp_path, options, message):
    process = start(tmp_path / "here", *TRAIN, *options)
    _, err = process.communicate(timeout=400)
    assert process.returncode in (1, 2)
    assert message in err
    assert "Traceback" not in err


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow")
def test_several_processes_on_tensorflow(tmp_path):
    several = ("--processes", "2", "--process", "0", "--coordinator", "127.0.0.1:4000")
    process = start(tmp_path / "here", *TRAIN, "--distribute", "data", *several)
    _, err = process.communicate(timeout=400)
    assert process.returncode == 1
    assert "TensorFlow trains in one process" in err.splitlines()[-1]
