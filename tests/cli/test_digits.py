"""The main job, as the README leads to it: digits, from nothing to a file for others."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_mixer import data, export


def test_a_newcomer_s_path(run_command, tmp_path):
    """Fine-tune, evaluate, predict, hand on, export."""
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
