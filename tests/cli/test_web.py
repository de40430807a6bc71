"""`keras-mixer web`: its models by name, its errors. tests/browser has it as a process."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from served import build

pytestmark = pytest.mark.once


def test_errors_are_one_line(run_command, tmp_path):
    target = tmp_path / "m.keras"
    build().save(target)
    (tmp_path / "m.onnx").write_bytes(b"")
    for arguments, code, line in (
        ((), 2, "Missing argument 'TARGET...'"),
        ((target, tmp_path / "nothing"), 2, "does not exist. It takes the directory of a run"),
        ((target, "mixer_ti4"), 2, "mixer_ti4 needs --weights"),
        ((tmp_path / "none.onnx",), 1, "There is no "),
        ((tmp_path / "m.onnx",), 1, "m.onnx has no m.onnx.json beside it, which tells"),
        ((target, "--host", "no.such.host.invalid"), 1, "Cannot listen on port 0 of no.such."),
        ((target, "--rate", "0"), 2, "Invalid value for '--rate'"),
    ):
        found, out, err = run_command("web", *arguments, "--port", 0)
        assert (found, out) == (code, ""), err
        assert line in err.splitlines()[-1], err
        assert "Traceback" not in err


def test_a_wrong_target_ends_it_while_another_one_would_warm_up(tmp_path):
    code = "import sys, keras_mixer_cli; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "web", "mixer_ti4@none", "nothing", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: Invalid value for TARGET: 'nothing' d")


def test_a_target_is_called_without_where_it_lies(tmp_path):
    classifier = importlib.import_module("keras_mixer_cli.web")._classifier
    build().save(tmp_path / "m.keras")
    one = classifier(str(tmp_path / "m.keras"))
    assert (one.name, len(one.label_names), one.crop) == ("m.keras", 5, "resmall_crop")

    named = classifier("mixer_ti4@none")
    assert (named.name, len(named.label_names)) == ("mixer_ti4 (none)", 1000)
    named.model.save_weights(tmp_path / "w.weights.h5")
    again = classifier(f"mixer_ti4@{tmp_path}/w.weights.h5")
    assert again.name == "mixer_ti4 (w.weights.h5)"
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype="uint8")
    assert again.classify([pixels]) == named.classify([pixels])
