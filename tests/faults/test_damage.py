"""Files of a run that are damaged are noticed, said, and nothing is deleted for it."""

import csv
import json
import random
import shutil

import filelock
import pytest
from faults.harness import assert_equal_runs, train
from faults.program import Fault

from keras_mixer.training.checkpoint import Checkpoints

pytestmark = pytest.mark.faults

BEFORE = "nothing; the checkpoint before it is used, and that is said"


def flip_a_bit(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def newest(run, end):
    """The newest file of the checkpoints, or the one before."""
    return sorted(run.glob(f"checkpoints/*.{end}"))[-1]


@pytest.mark.parametrize("end", ["safetensors", "json"])
@pytest.mark.parametrize(
    ("damage", "name", "times"), [(flip_a_bit, "one bit flipped in", 60), (cut, "cut off:", 20)]
)
def test_every_damage_is_noticed(run, record_fault, end, damage, name, times):
    kind = {"safetensors": "weights", "json": "manifest"}[end]
    record_fault(f"{name} a checkpoint's {kind}", BEFORE, tried=times)
    rng = random.Random(1)
    path = newest(run, end)
    manifest = json.loads(newest(run, "json").read_text())
    whole, configuration = path.read_bytes(), manifest["configuration"]
    for _ in range(times):
        damage(path, rng)
        said = []
        state = Checkpoints(run / "checkpoints", configuration, said.append).load()
        if path.suffix == ".json" and not said:  # The bit was in white space.
            assert json.loads(path.read_text()) == manifest
            assert state.step == manifest["step"]
        else:
            assert said[0].startswith(f"checkpoint: that of step {manifest['step']} is damaged (")
            assert state.step < manifest["step"]
        path.write_bytes(whole)


def test_the_one_before_is_used(run, undisturbed, record_fault):
    record_fault("one bit flipped in a checkpoint's weights", BEFORE)
    damaged = newest(run, "safetensors")
    flip_a_bit(damaged, random.Random(2))
    ended = train(run)
    assert (ended.code, ended.went_on_from() > 0) == (0, True)
    assert f"is damaged ({damaged.name} is not what was written); not used" in ended.out
    assert_equal_runs(run, undisturbed)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_damaged(run, undisturbed, record_fault):
    record_fault("every checkpoint damaged", "the training; nothing is deleted")
    for path in run.glob("checkpoints/*.safetensors"):
        cut(path, random.Random(3))
    before = files(run / "checkpoints")
    ended = train(run)
    assert (ended.code, "can be read. Remove the folder to begin anew" in ended.message()) == (
        *(1, True),
    )
    assert files(run / "checkpoints") == before
    shutil.rmtree(run / "checkpoints")  # The way out that the message names.
    assert train(run).code == 0
    assert_equal_runs(run, undisturbed)


def test_run_json(run, record_fault):
    record_fault("run.json damaged", "the run; nothing is deleted")
    cut(run / "run.json", random.Random(4))
    before = files(run)
    ended = train(run)
    assert ended.code == 1
    assert "run.json is not valid JSON" in ended.message()
    assert ended.message().endswith("Choose another --output, or remove the folder to begin anew.")
    assert files(run) == before


@pytest.mark.parametrize("moment", ["rename run.json.tmp", "open curves.png.tmp"])
def test_history(tmp_path, undisturbed, record_fault, moment):
    record_fault("history.csv damaged", "nothing; it is written again from the checkpoint")
    run = tmp_path / "run"
    train(run, faults=[Fault(moment, 4 if "json" in moment else 1)])
    cut(run / "history.csv", random.Random(5))
    assert train(run).code == 0
    assert_equal_runs(run, undisturbed)
    with open(run / "history.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 8


def test_a_run_in_use(run, record_fault):
    record_fault("another process works on the run", "nothing")
    before = files(run)
    with filelock.FileLock(run / ".lock"):
        ended = train(run)
    assert ended.code == 1
    assert ended.message() == f"Error: Another process works on {run}. Wait, or end it."
    assert files(run) == before
