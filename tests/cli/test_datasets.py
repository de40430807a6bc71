import numpy as np
import pytest
from PIL import Image

import keras_mixer_cli
from keras_mixer import data

pytestmark = pytest.mark.once


def run(*arguments):
    return keras_mixer_cli.main(["datasets", *map(str, arguments)])


def test_list_names_every_data_set(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert run() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    first = [line[0] for line in lines if line]
    assert set(data.DATASETS) <= set(first)
    pets = next(line for line in lines if line[:1] == ["pets"])
    assert pets == ["pets", "37", "3,680", "/", "3,669", "500", "oxford_iiit_pet"]


def test_check_of_a_sound_folder(image_folder, capsys):
    assert run("check", image_folder) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "16 images to train on, 4 to judge on" in out
    assert "height: 20 to 29 pixels, median 24" in out
    assert "no problems found" in out


def test_check_fails_on_a_bad_picture_and_names_it(image_folder, capsys):
    (image_folder / "red" / "bad.jpg").write_bytes(b"")
    assert run("check", image_folder) == 1
    assert "problem: 1 cannot be read: Cannot read" in capsys.readouterr().out


def test_show_draws_what_a_training_gets(image_folder, tmp_path, capsys):
    page = tmp_path / "page.png"
    options = ["--images", 6, "--columns", 3, "--image-size", 100, "--recipe", "pets"]
    assert run("show", image_folder, "--output", page, *options, "--mixup", 0.5) == 0
    with Image.open(page) as image:
        assert image.size == (3 * 108 + 8, 2 * (100 + 28 + 8) + 8)
        assert np.asarray(image).std() > 10
    assert "6 images" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["check", "petz"], ["show", "petz"]])
def test_an_unknown_data_set_is_a_usage_error(command, capsys):
    assert run(*command) == 2
    assert "'petz' is neither a data set (digits, imagenet" in capsys.readouterr().err


def test_finetune_with_mixtures_and_cache(image_folder, tmp_path, capsys):
    code = keras_mixer_cli.main(
        [
            *("finetune", str(image_folder), "--output", str(tmp_path / "run"), "--cache"),
            *("--model", "mixer_ti4", "--weights", "none", "--image-size", "16"),
            *("--steps", "2", "--batch-size", "4", "--mixup", "0.2", "--cutmix", "1"),
            *("--randaugment-magnitude", "9"),
        ]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "cache: 16 images, 0.0 MiB in memory" in captured.out
