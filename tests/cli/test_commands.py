"""The commands on real pictures, in this process."""

import csv
import dataclasses
import io
import json
import pathlib
import re
import shutil

import click
import keras
import numpy as np
import pytest
import rich.console

import keras_mixer
import keras_mixer_cli
from keras_mixer.training import RECIPES, Recipe
from keras_mixer.training.recipe import CHOICES
from keras_mixer_cli import progress
from keras_mixer_cli.recipe_options import FIELDS

BACKEND = keras.backend.backend()


SMALL = ("--model", "mixer_ti4", "--weights", "none", "--steps", "20", "--batch-size", "8")


@pytest.fixture
def trained(run_command, image_folder, tmp_path):
    code, out, err = run_command("finetune", image_folder, *SMALL, "--output", tmp_path / "run")
    assert code == 0, err
    assert f"backend: {BACKEND} (KERAS_BACKEND)" in err
    assert "weights: none (random initial weights)" in out
    assert "parameters, 153,538 of them trained" in out
    assert "16 images to train on, 4 held out, 2 classes" in out
    return tmp_path / "run"


def test_finetune_a_folder_then_evaluate_and_predict(trained, run_command, image_folder):
    assert sorted(p.name for p in trained.iterdir() if p.name != ".lock") == [
        *("confusion.png", "curves.png", "history.csv", "labels.json", "model.keras"),
        *("report.html", "run.json", "samples.png"),
    ]
    config = json.loads((trained / "run.json").read_text())
    assert config["metrics"]["top_1"] == 1.0
    assert config["versions"]["keras"] == keras.__version__
    assert BACKEND in config["versions"]
    assert (config["seed"], config["recipe"]["steps"], config["recipe"]["batch_size"]) == (0, 20, 8)
    assert json.loads((trained / "labels.json").read_text()) == ["blue", "red"]
    rows = list(csv.DictReader((trained / "history.csv").read_text().splitlines()))
    assert len(rows) == 10
    assert {"step", "learning_rate", "loss", "top_1", "val_loss", "val_top_1"} <= set(rows[0])

    code, out, _ = run_command("evaluate", trained, "--json")
    assert code == 0
    result = json.loads(out)
    assert result["top_1"] == config["metrics"]["top_1"]
    assert result["loss"] == pytest.approx(config["metrics"]["loss"])
    assert result["per_class"] == {"blue": 1.0, "red": 1.0}
    code, out, _ = run_command("evaluate", trained, image_folder)
    assert code == 0
    assert "100.00 %" in out

    red, blue = image_folder / "red" / "1.png", image_folder / "blue" / "2.jpg"
    code, out, _ = run_command("predict", trained, red, blue, "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["image"] for line in lines] == [str(red), str(blue)]
    for line, label in zip(lines, ("red", "blue"), strict=True):
        assert next(iter(line["probabilities"])) == label
        assert sum(line["probabilities"].values()) == pytest.approx(1.0)
    code, out, _ = run_command("predict", trained, red)
    assert code == 0
    assert "red " in out


def test_a_run_finds_its_folder_again_from_anywhere(
    run_command, image_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(image_folder.parent)
    code, _, err = run_command("finetune", f"./{image_folder.name}/", *SMALL)
    assert code == 0, err
    monkeypatch.chdir("/")
    code, _, err = run_command("evaluate", image_folder.parent / "runs" / "folder-mixer_ti4-1")
    assert code == 0, err


def test_weights_of_one_run_start_another(trained, run_command, image_folder, tmp_path):
    code, out, err = run_command(
        *("finetune", image_folder, "--model", "mixer_ti4", "--steps", "2", "--batch-size", "4"),
        *("--weights", trained / "model.keras", "--output", tmp_path / "next"),
    )
    assert code == 0, err
    assert f"weights: loaded 54 arrays from {trained / 'model.keras'}" in out


def test_weights_of_timm_at_another_size(trained, run_command, image_folder, tmp_path):
    keras_mixer.weights.convert(trained / "model.keras", tmp_path / "w.safetensors")
    few = ("--model", "mixer_ti4", "--steps", "2", "--batch-size", "4", "--image-size", "40")
    few += ("--weights", tmp_path / "w.safetensors", "--gelu", "exact")
    code, _, err = run_command("finetune", image_folder, *few)
    assert code == 1
    assert "8x8 tokens and this image has 10x10" in err
    code, _, err = run_command("finetune", image_folder, *few, "--resolution", "interpolate")
    assert code == 0, err
    model = keras.saving.load_model(tmp_path / "runs" / "folder-mixer_ti4-1" / "model.keras")
    assert model.input_shape == (None, 40, 40, 3)
    assert model.get_layer("mixer_block_0").gelu_approximate is False


def test_the_saved_model_loads_with_keras_alone(trained):
    model = keras.saving.load_model(trained / "model.keras")
    logits = model.predict(np.zeros((1, 32, 32, 3), "float32"), verbose=0)
    assert logits.shape == (1, 2)


def test_models_lists_every_spec(run_command):
    code, out, _ = run_command("models")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert set(keras_mixer.SPECS) <= set(rows)
    assert "59.11 M" in rows["mixer_b16"]
    assert "imagenet21k_miil" in out
    assert rows["mixer_h14"].split()[-1] == "none"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["finetune", "petz"], 2, "'petz' is neither a data set (digits, imagenet, cifar10"),
        (
            ["finetune", "digits", "--model", "mixer_x"],
            2,
            "Unknown model 'mixer_x'. Choose one of: mixer_s32",
        ),
        (["finetune", "digits", "--recipe", "x"], 2, "'x' is not one of imagenet, pets"),
        (["finetune", "digits", "--image-size", "30"], 2, "30x30 pixels is not a whole number of"),
        (
            ["finetune", "digits", "--image-size", "big"],
            2,
            "a whole number from 1 to 65,536",
        ),
        (["finetune", "digits", "--steps", "0"], 2, "'--steps': It must be a whole number from 1"),
        *(
            (
                ["finetune", "digits", "--learning-rate", rate],
                2,
                "It must be above 0 and at most 1e+38",
            )
            for rate in ("0", "-0.1", "inf", "nan")
        ),
        (
            ["finetune", "digits", "--learning-rates", "0.1,inf"],
            2,
            "'--learning-rates': It must be above 0",
        ),
        (["finetune", "digits", "--steps", "many"], 2, "Received: 'many'"),
        (["finetune", "digits", "--precision", "bfloat16"], 2, "'bfloat16' is not one of"),
        (["finetune", "digits", "--set", "stepps=3"], 2, "'stepps=3' is not FIELD=VALUE, with"),
        (["finetune", "digits", "--set", "ema=much"], 2, "ema: It must be above 0 and below 1"),
        (["finetune", "digits", "--remat", "--dropout", "0.1"], 2, "`remat` and `dropout` exclude"),
        (["finetune", "digits", "--resume", "--new"], 2, "--resume and --new exclude each other"),
        (["finetune", "digits", "--resume"], 1, "There is no unfinished run of this command"),
        (["finetune", "digits", "--quiet", "--json-lines"], 2, "exclude each other"),
        (["recipes", "show", "petz"], 2, "'petz' is not one of imagenet, pets"),
        (["runs", "."], 2, ". holds no runs"),
        (["finetune", "digits", "--backend", "theano"], 2, "'theano' is not one of"),
        (["finetune"], 2, "Missing argument 'DATA'"),
        (["evaluate", "nowhere"], 2, "'nowhere' does not exist. It takes the directory of a run"),
        (["predict", "."], 2, "Missing argument 'IMAGES...'"),
        (["evaluate", "."], 1, "not the directory of a run: it has no run.json"),
        (["finetune", "digits", "--weights", "imagenet"], 1, "were never published for mixer_ti4"),
        (["finetune", "digits", "--weights", "x.keras"], 1, "names a file that does not exist"),
    ],
)
def test_wrong_input_is_one_line(run_command, arguments, code, message):
    got, out, err = run_command(*arguments)
    assert got == code
    assert message in " ".join(err.split())
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in out + err


def test_a_run_that_diverges(run_command, image_folder, tmp_path):
    rate = ("--learning-rate", "1e36", "--warmup-steps", "0", "--label-smoothing", "0.1")
    code, out, err = run_command("finetune", image_folder, *SMALL, *rate, "--output", "run")
    assert code == 1
    (line,) = (line for line in err.splitlines() if line.startswith("Error: "))
    assert re.match(
        r"Error: The (loss is (nan|inf)|gradient is not finite) in step \d: learning rate "
        r"\d.*e\+3\d, gradient norm (nan|inf).*\. Lower --learning-rate, clip harder",
        line,
    )
    assert "Traceback" not in out + err
    assert not list((tmp_path / "run").glob("**/*.keras"))


def test_published_weights_without_a_network(run_command, image_folder):
    code, out, err = run_command("finetune", image_folder)
    assert code == 1
    assert "weights: " not in out
    assert "place the file at " in err
    assert "imagenet21k-Mixer-B_16.npz" in err


def test_bad_pictures(trained, run_command, image_folder, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff")
    code, _, err = run_command("predict", trained, image_folder / "red" / "1.png", bad)
    assert code == 1
    assert f"Cannot read {bad}" in err
    shutil.copy(bad, image_folder / "red" / "bad.jpg")
    code, _, err = run_command("finetune", image_folder, *SMALL)
    assert code == 1
    assert "1 of 21 images cannot be read" in err
    (image_folder / "red" / "bad.jpg").unlink()

    shutil.rmtree(image_folder / "red")
    code, _, err = run_command("finetune", image_folder, *SMALL)
    assert code == 1
    assert "holds one class, 'blue'" in err
    shutil.rmtree(image_folder / "blue")
    code, _, err = run_command("finetune", image_folder, *SMALL)
    assert code == 1
    assert "holds no class folders" in err


def test_runs_are_not_mixed_up(trained, run_command, image_folder, tmp_path):
    code, _, err = run_command("finetune", image_folder, *SMALL, "--output", trained)
    assert code == 1
    assert "holds a finished run, and nothing is overwritten" in err
    code, _, err = run_command("evaluate", trained, "digits")
    assert code == 1
    assert "digits has the classes 0, 1, 2, 3, 4 and 5 more" in err
    (image_folder / "red" / "1.png").unlink()
    code, _, err = run_command("evaluate", trained)
    assert code == 1
    assert "has changed since the run" in err


@pytest.mark.parametrize(
    "content", ["{}", '{"recipe": 3}', '{"metrics": [], "finished": true}', "[]", "{"]
)
def test_a_damaged_run_is_named(run_command, tmp_path, content):
    (tmp_path / "some" / "run").mkdir(parents=True)
    (tmp_path / "some" / "run" / "run.json").write_text(content)
    code, out, err = run_command("runs", "some")
    assert code == 1
    (line,) = (line for line in err.splitlines() if line.startswith("skipped: "))
    assert "some/run/run.json" in line
    assert err.splitlines()[-1] == "Error: No run in some can be read."
    assert "Traceback" not in out + err
    for name, top_1 in (("a", 0.25), ("z", 0.75)):  # Before it and behind it.
        (tmp_path / "some" / name).mkdir()
        metrics = {"top_1": top_1, "training_seconds": 3.0}
        recipe = {"steps": 20, "learning_rate": 0.1}
        config = {"finished": True, "seed": 0, "recipe": recipe, "metrics": metrics}
        (tmp_path / "some" / name / "run.json").write_text(json.dumps(config))
    code, out, err = run_command("runs", "some", "--json")
    assert code == 0
    assert [json.loads(row)["path"] for row in out.splitlines()] == ["some/z", "some/a"]
    assert line in err.splitlines()
    code, out, err = run_command("runs", "some")
    assert code == 0
    assert "some: 2 runs" in out
    assert line in err.splitlines()


def test_debug_shows_the_traceback(run_command):
    with pytest.raises(FileNotFoundError):
        run_command("evaluate", ".", "--debug")


def test_a_run_as_json_lines(run_command, image_folder):
    code, out, err = run_command("finetune", image_folder, *SMALL, "--json-lines", "--seeds", "2")
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("round") == 20  # Ten for each seed.
    assert kinds.count("begin") == 2
    assert kinds[-1] == "result"
    assert {"step", "loss", "val_top_1", "images_a_second"} <= set(events[kinds.index("round")])
    assert events[-1]["top_1"] == events[-1]["seeds"]["top_1"]["0"]
    code, out, err = run_command("runs")
    assert code == 0
    assert "folder-mixer_ti4-1" in out
    assert "±" in out
    code, out, _ = run_command("runs", "runs", "--json")
    assert json.loads(out)["seed"] == 0


def test_quiet(run_command, image_folder):
    code, out, err = run_command(
        *("finetune", image_folder, *SMALL, "--quiet", "--steps", "2", "--set", "clip_norm=none"),
        *("--set", "learning_rates=0.1,0.2", "--no-flip", "--ema", "none"),
    )
    assert code == 0, err
    assert out == ""
    config = json.loads(pathlib.Path("runs/folder-mixer_ti4-1/run.json").read_text())
    assert config["recipe"]["clip_norm"] is None
    assert config["recipe"]["learning_rates"] == [0.1, 0.2]
    assert config["recipe"]["flip"] is False


def test_pretrain(run_command, image_folder):
    few = ("--model", "mixer_ti4", "--epochs", "2", "--batch-size", "8", "--warmup-steps", "0.1")
    code, out, err = run_command("pretrain", image_folder, *few)
    assert code == 0, err
    assert "recipe: small, 4 steps of 8 images" in out
    assert "weights: none (random initial weights)" in out


def test_recipes(run_command):
    code, out, _ = run_command("recipes")
    assert code == 0
    assert all(name in out for name in RECIPES)
    code, out, _ = run_command("recipes", "show", "pretrain_imagenet_b")
    assert code == 0
    for text in ("keras-mixer pretrain imagenet", "Table 4", "76.44 %", "10 core-days", "0.1"):
        assert text in out
    code, out, _ = run_command("recipes", "show", "cifar10", "--json")
    assert json.loads(out)["steps"] == 10_000


def test_every_field_of_a_recipe_is_an_option():
    told = {"name", "source", "result", "cost", "data"}
    assert list(FIELDS) == [f.name for f in dataclasses.fields(Recipe) if f.name not in told]
    choices = {name: kind for name, (kind, _) in FIELDS.items() if isinstance(kind, click.Choice)}
    for name, kind in choices.items():
        allowed = {
            "crop": keras_mixer.data.TRAINING_CROPS,
            "evaluation_crop": keras_mixer.data.EVALUATION_CROPS,
        }.get(name) or CHOICES[name]
        assert set(kind.choices) == set(allowed), name
    assert set(FIELDS["augment"][0].kind.choices) == set(keras_mixer.data.AUGMENTATIONS)


def test_a_bar_on_a_terminal(image_folder, monkeypatch, tmp_path):
    """What a terminal is shown, with the last state of the bar."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress.Bar, "REFRESH", 0)
    screen = io.StringIO()
    console = rich.console.Console(file=screen, force_terminal=True, width=160, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    assert keras_mixer_cli.main(["finetune", str(image_folder), *SMALL, "--quiet"]) == 0
    assert screen.getvalue() == ""
    assert keras_mixer_cli.main(["finetune", str(image_folder), *SMALL]) == 0
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", screen.getvalue())  # Without colours.
    assert re.search(r"compiling .* 0/20", shown)
    numbers = r"20/20 [\d,]+ images/s  loss \d\.\d{4}  top-1 [\d.]+ %  rate \d\.\d\de-0\d"
    assert re.search(rf"(training|judging) .* {numbers}  0:00:00 left", shown)
    assert "step 20 of 20: loss" in shown
