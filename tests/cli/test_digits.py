"""The main job: real handwritten digits, from the command to the accuracy."""

import json

import keras_mixer_cli


def test_finetune_digits(tmp_path, capsys):
    run = tmp_path / "run"
    code = keras_mixer_cli.main(["finetune", "digits", "--output", str(run)])
    out = capsys.readouterr().out
    assert code == 0
    assert "1,438 images to train on, 359 held out, 10 classes" in out
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    assert metrics["test_images"] == 359
    assert metrics["top_1"] >= 0.975
