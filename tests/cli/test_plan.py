"""`keras-mixer plan`, in this process."""

import json
import pathlib

import pytest

from keras_mixer import profiling

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
HUGE = ("plan", "--model", "mixer_h14", "--data", "jft300m", "--devices", "256", "--device-type")


def test_the_readme_has_the_plan(run_command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for device, code in (("h200", 0), ("tpu-v3", 1)):
        got, out, err = run_command(*HUGE, device)
        assert got == code
        lines = (out if code == 0 else err).strip().splitlines()
        printed = "\n".join(line.rstrip() for line in lines if not line.startswith("backend: "))
        assert printed in (ROOT / "README.md").read_text()


def test_json_is_what_the_library_says(run_command):
    code, out, err = run_command(*HUGE, "h200", "--json", "--remat", "--network", "25")
    assert code == 0, err
    content = json.loads(out)
    assert content["recipe"]["name"] == "pretrain_jft300m_h"
    assert content["recipe"]["remat"] is True
    assert content["device"]["network"] == 25e9
    recipe = profiling.plan(
        "mixer_h14",
        "pretrain_jft300m_h",
        images=300_000_000,
        classes=18_000,
        devices=256,
        device="h200",
    )
    assert content["memory"]["total"] == recipe.memory_otherwise.total
    assert content["step"]["gradients"] > recipe.step.gradients


def test_everything_at_once(run_command):
    code, out, err = run_command(
        *("plan", "--model", "mixer_b16", "--images", "50000", "--classes", "100"),
        *("--devices", "8", "--device-type", "h100", "--model-parallel", "2", "--steps", "3000"),
        *("--batch-size", "512", "--accumulation", "4", "--ema", "0.99", "--throughput", "1000"),
        *("--precision", "mixed_bfloat16", "--recipe", "pretrain_imagenet_b"),
        *("--set", "warmup_steps=100", "--image-size", "448"),
    )
    assert code == 0, err
    for text in (
        *("4 copies of the model on 2 each", "3,000 steps of 512 images, in 4 parts"),
        *("moving averages", "gradients of parts", "kernels in bfloat16", "images  "),
        *("sums within a copy", "32 images at once"),
    ):
        assert text in out


def test_l32_has_a_recipe_of_its_own(run_command):
    code, out, _ = run_command(*HUGE, "h200", "--json", "--model", "mixer_l32")
    assert code == 0
    assert json.loads(out)["recipe"]["name"] == "pretrain_jft300m_l32"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((*HUGE, "h300"), 2, "'h300' is not one of a100, h100, h200, tpu-v3"),
        ((*HUGE, "h200", "--model", "vit_b16"), 2, "'vit_b16' is not one of mixer_s32"),
        (
            (*HUGE, "h200", "--data", "petz"),
            2,
            "give --images and --classes. Received: --data petz",
        ),
        ((*HUGE, "h200", "--set", "model=mixer_l16"), 2, "Give --model."),
        ((*HUGE, "h200", "--utilisation", "2"), 2, "It must be above 0 and at most 1. Received"),
        ((*HUGE, "h200", "--devices", "250"), 1, "cannot be shared evenly by 250 copies"),
        ((*HUGE, "tpu-v4", "--devices", "8192", "--batch-size", "8192"), 1, "(--network, in GB/s)"),
        ((*HUGE, "h200", "--image-size", "225"), 1, "not a whole number of 14x14 patches"),
    ],
)
def test_wrong_input_is_one_line(run_command, arguments, code, message):
    got, out, err = run_command(*arguments)
    assert got == code
    assert message in " ".join(err.split())
    assert out == ""
    assert sum(line.startswith("Error: ") for line in err.splitlines()) == 1
