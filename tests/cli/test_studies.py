"""fewshot, vtab, transfer, compare and shuffle-study as commands, in this process."""

import json

import click
import click.testing
import keras
import pytest

import keras_mixer
from keras_mixer import runs
from keras_mixer_cli.options import Several, Values

pytestmark = pytest.mark.once

FEW = ("--steps", "2", "--batch-size", "4", "--evaluations", "1", "--warmup-steps", "0")


@click.command(cls=Several)
@click.argument("data")
@click.option("--shots", type=Values(click.INT), default="7")
@click.option("--seed", type=click.INT)
def several(data, shots, seed):
    click.echo(json.dumps([data, shots, seed]))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("d", ["d", [7], None]),
        ("d --shots 1 5 10 --seed 3", ["d", [1, 5, 10], 3]),
        ("d --shots 1,5,10", ["d", [1, 5, 10], None]),
        ("--shots 1 5 --seed 3 d", ["d", [1, 5], 3]),
        ("d --shots=1,5 --seed 2", ["d", [1, 5], 2]),
    ],
)
def test_options_of_several_values(arguments, expected):
    result = click.testing.CliRunner().invoke(several, arguments.split())
    assert json.loads(result.output) == expected


def test_options_of_several_values_are_checked():
    runner = click.testing.CliRunner()
    assert "'x' is not a valid integer" in runner.invoke(several, ["d", "--shots", "1", "x"]).output
    assert "requires an argument" in runner.invoke(several, ["d", "--shots"]).output
    assert "requires an arg" in runner.invoke(several, ["d", "--shots", "--seed", "2"]).output
    assert "5 is given twice" in runner.invoke(several, ["d", "--shots", "5", "5"]).output


def test_fewshot(run_command, image_folder, tmp_path):
    model = keras_mixer.Mixer(keras_mixer.SPECS["mixer_ti4"], weights=None, classes=2, seed=0)
    model.save(tmp_path / "model.keras")
    command = ("fewshot", image_folder, "--model", tmp_path / "model.keras", "--crop", "resize")
    code, out, err = run_command(*command, "--shots", 1, 5, "--seeds", 2, "--json")
    assert code == 0, err
    result = json.loads(out)["shots"]
    assert list(result) == ["1", "5"]
    assert len(result["5"]["top_1"]) == 2
    assert result["5"]["mean"] == 1.0  # Red and blue.
    code, out, err = run_command(*command, "--shots", "5", "--no-cache", "--seeds", 1)
    assert code == 0, err
    assert "64 features, 4 test images" in " ".join(out.split())
    assert "100.00 %" in out
    code, _, err = run_command(*command)
    assert code == 1
    assert "8 training images and 25 shots are asked for. Ask for at most 8" in err


@pytest.fixture
def two_folders(image_folder, tmp_path, monkeypatch):
    """VTAB of two folders."""
    other = tmp_path / "others"
    other.symlink_to(image_folder)
    groups = {"natural": (str(image_folder),), "structured": (str(other),)}
    monkeypatch.setitem(runs.SUITES, "vtab", runs.Suite("vtab", "two folders", groups, 1))
    return [str(image_folder), str(other)]


def test_vtab(run_command, two_folders):
    command = ("vtab", "--model", "mixer_ti4", "--weights", "none", "--no-sweep", *FEW)
    code, out, err = run_command(*command, "--output", "suite")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert ["mean", "of", "1", "natural"] in [line[:4] for line in lines]
    assert ["mean", "of", "2", "overall"] in [line[:4] for line in lines]
    code, out, err = run_command(*command, "--json", "--tasks", "others")
    assert code == 0, err
    result = json.loads(out)
    assert [task["skipped"] for task in result["tasks"]] == ["not asked for", None]
    assert result["means"]["overall"]["mean"] == result["tasks"][1]["top_1"][0]
    assert result["means"]["overall"]["partial"] is True
    assert result["means"]["natural"]["mean"] is None
    code, _, err = run_command(*command, "--tasks", "others", "more")
    assert code == 2
    assert "more: not among pictures, others" in err


def test_compare(run_command, image_folder, tmp_path):
    pytest.importorskip("keras_hub")
    code, out, err = run_command(
        *("compare", image_folder, "--models", "vit_ti4", *FEW, "--batch-sizes", 2, "--rounds", 1),
        *("--seeds", 2),
    )
    assert code == 0, err
    assert "vit_ti4" in out
    config = json.loads((tmp_path / "runs/compare-small_plain-1/study.json").read_text())
    own = json.loads((tmp_path / "runs/compare-small_plain-1/vit_ti4/run.json").read_text())
    assert config["compared"][0]["top_1"] == own["seeds"]["mean"]
    assert config["compared"][0]["deviation"] == own["seeds"]["deviation"]
    assert "0.16 M" in out
    assert "compare-small_plain-1, with accuracy_cost.png" in out
    assert keras.backend.backend() in err


def test_shuffle_study(run_command, image_folder):
    code, out, err = run_command(
        *("shuffle-study", image_folder, "--models", "mixer_ti4", *FEW),
        "--json",
    )
    assert code == 0, err
    curves = json.loads(out)["curves"]
    assert [curve["arm"] for curve in curves] == list(runs.shuffle.ARMS)
    assert curves[0]["curve"] == curves[1]["curve"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["compare", "digits", "--models", "vit"], 2, "Unknown model 'vit'. Choose one of: mixer_"),
        (["compare", "petz"], 2, "'petz' is neither a data set"),
        (["compare", "digits", "--resume", "--new"], 2, "--resume and --new exclude each other"),
        (["compare", "digits", "--resume"], 1, "There is no unfinished run of this command"),
        (["compare", "digits", "--models", "x:y"], 1, "No module named 'x'"),
        (["shuffle-study", "digits", "--models", "vit_ti4"], 1, "The first model must be a Mixer"),
        (["fewshot", "digits"], 2, "Missing option '--model'"),
        (["fewshot", "digits", "--model", "nothing"], 2, "'nothing' does not exist. It takes"),
        (
            ["fewshot", "digits", "--model", "mixer_ti4", "--shots", "0"],
            2,
            "It must be a whole number from 1",
        ),
        (["fewshot", "digits", "--model", "mixer_ti4"], 2, "mixer_ti4 needs --weights: published"),
        (
            ["fewshot", "digits", "--model", "mixer_ti4", "--weights", "none", "--shots", "900"],
            1,
            "900 shots are asked",
        ),
        (
            ["fewshot", "digits", "--model", "x.keras", "--weights", "none"],
            2,
            "has its own weights",
        ),
        (
            ["fewshot", "digits", "--model", "vit_ti4", "--l2", "0"],
            2,
            "It must be above 0 and",
        ),
        (["compare", "digits", "--models", "--steps", "2"], 2, "Option '--models' requires an"),
        (["compare", "digits", "--models", "vit_ti4", "vit_ti4"], 2, "vit_ti4 is given twice"),
        (["compare", "digits", "--models", "json:loads"], 1, "'json:loads' is no function of"),
        (["compare", "digits", "--models", ":x"], 1, "':x' is not package.module:function"),
        (
            ["compare", "digits", "--models", "mixer_ti4", "resnet_ti4", "--ema", "0.9"],
            1,
            "resnet_ti4 has batch normalisation, whose statistics would not be",
        ),
        (
            ["compare", "digits", "--models", "keras.applications:MobileNetV2@imagenet"],
            1,
            "may take other pixels than [-1, 1]",
        ),
        (
            ["shuffle-study", "digits", "--layer-decay", "0.5"],
            1,
            "has layer_decay=0.5, which a model behind a disorder of pixels cannot follow",
        ),
        (["compare", "digits", "--set", "weights=x"], 2, "Give --models NAME@WEIGHTS."),
        (["shuffle-study", "digits", "--set", "model=x"], 2, "Give --models."),
        (["vtab", "--set", "weights=none"], 2, "--set weights=... is not for this command."),
        (["vtab", "--tasks", "mnist"], 2, "mnist: not among caltech101, cifar100"),
        (["transfer", "--model", "mixer_x"], 2, "Unknown model 'mixer_x'"),
        (["finetune", "digits", "--model", "vit_ti4"], 1, "asks for stochastic_depth=0.1 and vit"),
    ],
)
def test_wrong_input_is_one_line(run_command, arguments, code, message):
    got, out, err = run_command(*arguments)
    assert got == code
    assert message in " ".join(err.split())
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
    assert "Traceback" not in out + err
