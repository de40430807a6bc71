"""Training on several devices and in several processes, beside the same on one device alone.

Thirty steps of the digits by the recipe `digits`: AdamW with weight decay, clipping and moving
averages, crops of random size; judged after each step on 37 images, which no number of devices
divides.
"""

import json
import pathlib
import re
import shutil

import keras
import pytest
from distribution.processes import assert_same, ended, free_port, result, start, start_several

BACKEND = keras.backend.backend()
# On TensorFlow and PyTorch the masks of stochastic depth differ from those of one device.
RECIPE = {} if BACKEND == "jax" else {"stochastic_depth": 0.0}
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="of JAX")
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow")
several_processes = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="refused on TensorFlow, which another test shows"
)
LONG = {"recipe": {**RECIPE, "steps": 200, "evaluations": 2}}


@pytest.fixture(scope="module")
def alone():
    """The history of one device."""
    history = result(start({"recipe": RECIPE}))
    assert history["loss"][-1] < 0.95 * history["loss"][0], "nothing is learned"
    return history


@on_jax
@pytest.mark.parametrize(
    "call", [{"kind": "data"}, {"kind": "model"}, {"kind": "model", "split": 2}]
)
def test_four_devices_on_jax(alone, call):
    assert_same(result(start({"call": call}, devices=4)), alone)


@on_tensorflow
def test_two_devices_on_tensorflow(alone):
    asked = {"call": {"kind": "data"}, "devices": 2, "recipe": RECIPE}
    assert_same(result(start(asked)), alone)


@several_processes
def test_two_processes(alone):
    for history in map(result, start_several({"recipe": RECIPE})):
        assert_same(history, alone)


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_torchrun(alone):
    before = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port")
    asked = {"recipe": RECIPE, "call": {}}
    out, _ = ended(start(asked, before=(*before, str(free_port()))))
    told = [line for line in out.splitlines() if line.startswith('{"shard"')]
    assert len(told) == 2
    for line in told:
        assert_same(json.loads(line)["history"], alone)


def test_numbers_that_break_name_the_same_step():
    """A rate far too high, on one device and on two: the norm is of the gradient of the batch."""
    change = {"learning_rate": 1e30, "clip_norm": None, "steps": 6, "evaluations": 1}
    asked = {"recipe": {**RECIPE, **change}}
    there = {**asked, "call": {"kind": "data"}, "devices": 2}
    if BACKEND == "torch":
        several = start_several(asked)
    else:
        several = [
            start({k: v for k, v in there.items() if BACKEND != "jax" or k != "devices"}, devices=2)
        ]
    found = []
    for process in [start(asked), *several]:
        _, err = ended(process, code=1)
        line = re.search(r"in step (\d+): learning rate (\S+), .* (\S+) in the step before", err)
        assert line, err
        found.append([float(number) for number in line.groups()])
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-3)


@several_processes
def test_a_killed_process_ends_the_others_and_the_run_goes_on(alone, tmp_path):
    folder = tmp_path / "checkpoints"
    asked = {"recipe": RECIPE, "checkpoints": str(folder), "who": 1, "kill_at": 10}
    chief, killed = start_several(asked)
    killed.communicate(timeout=600)
    _, err = chief.communicate(timeout=300)
    assert killed.returncode == -9
    assert chief.returncode == 1
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "process 1" in lines[0]
    assert "is gone" in lines[0]
    assert "Traceback" not in err
    assert pathlib.Path(folder).exists()
    for history in map(result, start_several({"recipe": RECIPE, "checkpoints": str(folder)})):
        assert_same(history, alone)


@several_processes
def test_a_killed_chief_ends_the_others(tmp_path):
    chief, other = start_several({**LONG, "who": 0, "kill_at": 3})
    chief.communicate(timeout=600)
    _, err = other.communicate(timeout=300)
    assert other.returncode == 1
    assert "process 0" in err
    assert "is gone" in err


@several_processes
@pytest.mark.parametrize("who", [0, 1])
def test_a_signal_to_any_process_saves_the_run(tmp_path, who):
    asked = {**LONG, "checkpoints": str(tmp_path), "who": who, "end_at": 20}
    chief, other = start_several(asked)
    _, err = chief.communicate(timeout=600)
    assert "Interrupted: SIGTERM: saved at step" in err
    _, err = other.communicate(timeout=300)
    assert other.returncode == 143
    assert "SIGTERM: saved at step" in err
    assert list(tmp_path.glob("step-*.safetensors"))


@on_jax
def test_a_checkpoint_of_four_devices_goes_on_with_one_and_with_two(alone, tmp_path):
    """The first run ends in the middle of the second of two rounds, whose metrics it keeps."""
    recipe = {"evaluations": 2}
    folder = tmp_path / "four"
    asked = {"call": {"kind": "data"}, "recipe": recipe, "checkpoints": str(folder), "end_at": 20}
    start(asked, devices=4).communicate(timeout=600)
    whole = result(start({"recipe": recipe}))
    for devices in (1, 2):
        copy = shutil.copytree(folder, tmp_path / str(devices))
        asked = {"call": {}, "recipe": recipe, "checkpoints": str(copy)}
        assert_same(result(start(asked, devices=devices)), whole)


@on_jax
def test_a_head_from_linear_regression_on_four_devices():
    """Of 1,438 images in batches of 16, so that the last one has to be filled up."""
    asked = {"recipe": {"linear_probe": True, "steps": 1, "warmup_steps": 0, "evaluations": 1}}
    assert_same(result(start({**asked, "call": {"kind": "data"}}, devices=4)), result(start(asked)))
