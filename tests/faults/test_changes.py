"""A run does not go on as another one: what has changed is named, or said where it is harmless."""

import json

import pytest
from faults.harness import TINY, TRAINING, launch, train
from faults.program import Fault
from PIL import Image

import keras_mixer_cli
from keras_mixer import specs

pytestmark = pytest.mark.faults

REFUSED = "nothing; the difference is named"


OPTIONS = {
    "recipe.steps": ("--steps", "25"),
    "recipe.batch_size": ("--batch-size", "16"),
    "recipe.accumulation": ("--accumulation", "1"),
    "recipe.evaluations": ("--evaluations", "4"),
    "recipe.learning_rate": ("--learning-rate", "0.5"),
    "recipe.weight_decay": ("--weight-decay", "0.5"),
    "recipe.warmup_steps": ("--warmup-steps", "3"),
    "recipe.clip_norm": ("--clip-norm", "0.5"),
    "recipe.dropout": ("--dropout", "0.2"),
    "recipe.stochastic_depth": ("--stochastic-depth", "0.2"),
    "recipe.mixup": ("--mixup", "0.3"),
    "recipe.ema": ("--ema", "0.8"),
    "recipe.early_stopping": ("--early-stopping", "6"),
    "recipe.keep_best": ("--no-keep-best",),
    "recipe.flip": ("--flip",),
    "seed": ("--seed", "1"),
    "image_size": ("--image-size", "32"),
    "options": ("--gelu", "exact"),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_another_option(run, monkeypatch, capsys, record_fault, what):
    record_fault("going on with another option", REFUSED)
    monkeypatch.setitem(specs.SPECS, TINY.name, TINY)
    before = (run / "run.json").read_bytes()
    assert keras_mixer_cli.main([*TRAINING, *OPTIONS[what], "--output", str(run)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"holds a run of another request: {what}" in error
    assert " was " in error
    assert " is now " in error
    assert "Give the same options to go on, or choose another --output." in error
    assert (run / "run.json").read_bytes() == before


def change(run, **changes):
    config = json.loads((run / "run.json").read_text())
    for name, value in changes.items():
        config["request" if name == "backend" else "versions"][name] = value
    (run / "run.json").write_text(json.dumps(config))


def test_another_backend(run, record_fault):
    record_fault("going on on another backend", REFUSED)
    change(run, backend="another")
    ended = train(run)
    assert (ended.code, "backend was 'another' and is now" in ended.message()) == (1, True)


def test_another_version(run, record_fault):
    record_fault("going on with another version of a package", "nothing; it is said")
    change(run, keras="2.0")
    ended = train(run)
    assert ended.code == 0
    assert "versions.keras was '2.0' and is now '3." in ended.out


def test_other_pictures(tmp_path, image_folder, record_fault):
    command = (
        *("finetune", image_folder, "--model", "tiny", "--image-size", "16", "--recipe", "small"),
        *("--steps", "8", "--warmup-steps", "1", "--batch-size", "4", "--evaluations", "4"),
        "--json-lines",
        *("--output", tmp_path / "run"),
    )
    killed = launch(*command, faults=[Fault("rename run.json.tmp", 2)])
    assert killed.code < 0, killed.err
    record_fault("going on with more pictures", REFUSED)
    Image.new("RGB", (20, 20)).save(image_folder / "red" / "new.png")
    ended = launch(*command)
    assert (ended.code, "belongs to a run of another configuration: t" in ended.message()) == (
        *(1, True),
    )
    (image_folder / "red" / "new.png").unlink()
    record_fault("going on with another list of classes", REFUSED)
    (image_folder / "red").rename(image_folder / "scarlet")
    ended = launch(*command)
    assert (ended.code, "classes was ['blue', 'red'] and is now" in ended.message()) == (1, True)
    (image_folder / "scarlet").rename(image_folder / "red")
    assert launch(*command).code == 0
