"""`keras-mixer benchmark`, in this process."""

import functools
import json
import sys

import click
import keras
import pytest
from PIL import Image

import keras_mixer_cli
from keras_mixer import profiling
from keras_mixer_cli.benchmark import benchmark

pytestmark = pytest.mark.once

FACTORY = """
import keras
def build(input_shape, classes):
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""
QUICK = ("--rounds", "1", "--image-size", "32")


@pytest.fixture
def run_command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    # Small products, for the time of the test.
    quick = functools.partial(profiling.matmul_ceiling, size=64)
    monkeypatch.setattr("keras_mixer.profiling.profiles.matmul_ceiling", quick)
    commands = click.Group(commands={"benchmark": benchmark})
    monkeypatch.setattr(keras_mixer_cli, "commands", commands)

    def run(*arguments):
        code = keras_mixer_cli.main(["benchmark", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_tables_and_files(run_command, tmp_path):
    code, out, err = run_command(
        *("--model", "mixer_ti4", "--batch-sizes", "2", *QUICK, "--output", "out/put")
    )
    assert code == 0, err
    assert "training: batch size 2" in err
    for text in (f"keras {keras.__version__}", "218,408", "0.01 G", "inference", "training"):
        assert text in out
    assert "pre-training runs" not in out
    with Image.open(tmp_path / "out/put/benchmark.png") as picture:
        assert picture.width == 640
    content = json.loads((tmp_path / "out/put/benchmark.json").read_text())
    assert content["settings"] == {
        "batch_sizes": [2],
        "rounds": 1,
        "image_size": [32, 32],
        "optimizer": "adamw",
    }
    assert content["profiles"][0]["training"]["best"]["batch_size"] == 2
    assert content["machine"]["versions"]["keras"] == keras.__version__


def test_json_alone_of_several_models(run_command, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "light.py").write_text(FACTORY)
    code, out, err = run_command(
        *("--model", "mixer_ti4", "--model", "light:build", "--dtype", "both"),
        *("--no-training", "--json", "--batch-sizes", "2,1", *QUICK),
    )
    assert code == 0, err
    content = json.loads(out)
    assert [(row["model"], row["dtype"]) for row in content["profiles"]] == [
        *(("mixer_ti4", "float32"), ("light:build", "float32")),
        *(("mixer_ti4", "bfloat16"), ("light:build", "bfloat16")),
    ]
    assert content["profiles"][0]["training"] is None
    assert content["pretraining"] == []


def test_what_is_made_of_measurements(run_command, monkeypatch):
    """The estimate, and what does not fit, of figures given beforehand."""

    def measured(factories, *, batch_sizes, **_):
        rate = profiling.Point(8, 100.0, 3e11, 2.5, 2**30)
        sweeps = {
            "mixer_b16": profiling.Sweep((rate,)),
            "mixer_h14": profiling.Sweep((), out_of_memory=1),
        }
        return tuple(
            profiling.Profile(name, "float32", 10, 10, 10**9, 1e12, sweeps[name], sweeps[name])
            for name in factories
        )

    monkeypatch.setattr(profiling, "benchmark", measured)
    code, out, _ = run_command("--model", "mixer_b16", "--model", "mixer_h14")
    assert code == 0
    assert "out of memory" in out
    for text in ("30 %", "1,024", "pretrain_imagenet21k_b", "4,200", "486.1", "150"):
        assert text in out
    # Another size than that of the paper's runs.
    assert "pretrain" not in run_command("--model", "mixer_b16", "--image-size", "448")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "mixer_b17"), "Unknown model 'mixer_b17'"),
        (("--model", "mixer_ti4", "--batch-sizes", "1,0"), "It must be a whole number from 1 to"),
        (("--model", "mixer_ti4", "--batch-sizes", "few"), "Received: 'few'"),
        ((), "Missing option '--model'"),
    ],
)
def test_usage(run_command, arguments, message):
    code, _, err = run_command(*arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(("rate", "said"), [(0.9e9, True), (1.8e9, False)])
def test_bfloat16_that_is_no_faster_is_said(run_command, monkeypatch, rate, said):
    """The rates stand for processors that have the instructions, or not."""
    monkeypatch.setattr(
        "keras_mixer.profiling.profiles.matmul_ceiling",
        lambda dtype: rate if dtype == "bfloat16" else 1e9,
    )
    code, out, err = run_command(
        *("--model", "mixer_ti4", "--batch-sizes", "1", *QUICK, "--dtype", "both", "--no-training")
    )
    assert code == 0, err
    assert ("bfloat16: products are hardly faster than in float32" in out) is said
