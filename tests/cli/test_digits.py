"""The main job, as the README leads to it: digits, from nothing to a file for others."""

import json
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from served import connected

from keras_mixer import data, export

CODE = "import sys, keras_mixer_cli as c; sys.exit(c.main(sys.argv[1:]))"


def shown_by_web(run, picture):
    """What the web page of a run says is on a picture; SIGTERM then ends it with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "web", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.endswith("shows digits-mixer_ti4-1\n")
        with connected(line.split()[0]) as client:
            assert "What the model sees" in client.get("/").text
            asked = {"content": picture.read_bytes(), "headers": {"Content-Type": "image/png"}}
            best = client.post("/models/0/classify", **asked).json()["predictions"][0][0]
            assert client.post("/models/0/explain", **asked).json()["label"] == best["label"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        return best["label"]
    finally:
        process.kill()
        process.communicate()


def test_a_newcomer_s_path(run_command, tmp_path):
    """Fine-tune, evaluate, predict, look at it on the web page, hand on, export."""
    code, out, err = run_command("finetune", "digits")
    assert code == 0, err
    assert "1,438 images to train on, 359 held out, 10 classes" in out
    run = tmp_path / "runs" / "digits-mixer_ti4-1"
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    assert metrics["test_images"] == 359
    assert metrics["top_1"] >= 0.975

    code, out, err = run_command("evaluate", run, "--json")
    assert code == 0, err
    assert json.loads(out)["top_1"] == pytest.approx(metrics["top_1"], abs=1 / 359)

    test = data.load("digits").test
    (tmp_path / "pictures").mkdir()
    for i in range(50):
        Image.fromarray(test.image(i)).save(tmp_path / "pictures" / f"{i:02}-{test.labels[i]}.png")
    code, out, err = run_command("predict", run, "pictures", "--output", "predictions.csv")
    assert code == 0, err
    rows = [line.split(",") for line in (tmp_path / "predictions.csv").read_text().splitlines()]
    right = [row[0][-5] == row[1] for row in rows[1:]]
    assert len(right) == 50
    assert np.mean(right) >= 0.9

    picture = tmp_path / "pictures" / f"00-{test.labels[0]}.png"
    assert shown_by_web(run, picture) == rows[1][1]  # Right or wrong, as `predict` says.

    code, out, err = run_command("push", run, "shared")
    assert code == 0, err
    code, out, err = run_command("predict", "shared", "pictures", "--output", "again.csv")
    assert code == 0, err
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "predictions.csv").read_bytes()

    if keras.backend.backend() in export.FORMATS["onnx"].writers:
        command = ("export", run, "--format", "onnx", "--preprocessing")
        code, out, err = run_command(*command)
        assert code == 0, err
        assert "100.00 %" in out
        assert (run / "model.onnx").is_file()
