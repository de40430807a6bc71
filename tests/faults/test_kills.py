"""Runs that are killed again and again end in the weights of a run that was left alone."""

import random
import re
import signal

import pytest
from faults.harness import STEPS, assert_equal_runs, check_files, train
from faults.program import Fault

pytestmark = pytest.mark.faults

AGAIN = "nothing; the steps since the last checkpoint are computed again"
NOTHING = "nothing"
HALF = 0.5


def moments(rng):
    """Five kills for each of six runs, in the order in which they can come; `(where, fault)`."""
    step, test = "SIGKILL in a step", "SIGKILL in an evaluation"
    arrays, manifest = "SIGKILL at a checkpoint's weights", "SIGKILL at a checkpoint's manifest"
    history, config = "SIGKILL at history.csv", "SIGKILL at run.json"
    model, report = "SIGKILL at model.keras or last.keras", "SIGKILL at the report"
    end = "SIGKILL at the last files"

    def anywhere(at):
        return Fault(at, rng.randrange(1, 12), after=rng.uniform(0, 0.02))

    return zip(
        # In the first rounds.
        (
            (step, anywhere("train")),
            (test, anywhere("test")),
            (config, Fault("rename run.json.tmp")),
            (arrays, Fault("open step-*.safetensors.tmp", keep=HALF)),
            (manifest, Fault("rename step-*.json.tmp")),
            (history, Fault("rename history.csv.tmp")),
        ),
        (
            (arrays, Fault("rename step-*.safetensors.tmp", 2)),
            (step, anywhere("train")),
            (history, Fault("open history.csv.tmp", 2, keep=HALF)),
            (config, Fault("open run.json.tmp", 4, keep=HALF)),
            (test, anywhere("test")),
            (manifest, Fault("open step-*.json.tmp", 2, keep=HALF)),
        ),
        # In the later ones.
        (
            (manifest, Fault("remove step-*.json")),
            (arrays, Fault("remove step-*.safetensors")),
            (step, anywhere("train")),
            (manifest, Fault("open checkpoints", 3)),
            (arrays, Fault("open checkpoints", 2)),
            (test, anywhere("test")),
        ),
        # When it has been trained.
        (
            (model, Fault("rename last.tmp.keras")),
            (model, Fault("open last.keras.tmp", keep=HALF)),
            (arrays, Fault(f"open step-{STEPS:09d}.safetensors.tmp", keep=HALF)),
            (manifest, Fault(f"rename step-{STEPS:09d}.json.tmp")),
            (report, Fault("open curves.png.tmp", 2, keep=HALF)),
            (report, Fault("open samples.png.tmp", 2, keep=HALF)),
        ),
        (
            (report, Fault("rename report.html.tmp")),
            (report, Fault("open report.html.tmp", 2, keep=HALF)),
            (model, Fault("rename model.keras.tmp")),
            (end, Fault("rename labels.json.tmp")),
            (end, Fault("rename run.json.tmp", 2)),
            (model, Fault("open model.keras.tmp", keep=HALF)),
        ),
        strict=True,
    )


def kill_and_go_on(output, kills, record_fault):
    went_on_from = []
    for where, fault in kills:
        record_fault(where, NOTHING if "last files" in where else AGAIN)
        ended = train(output, faults=[fault])
        assert ended.code == -signal.SIGKILL, (fault, ended)
        check_files(output)
        went_on_from.append(ended.went_on_from())
    ended = train(output)
    assert ended.code == 0, ended.err
    return [*went_on_from, ended.went_on_from()]


@pytest.mark.parametrize("chain", range(6))
def test_kills(tmp_path, undisturbed, record_fault, chain):
    kills = list(moments(random.Random(0)))[chain]
    went_on_from = kill_and_go_on(tmp_path / "run", kills, record_fault)
    assert went_on_from == sorted(went_on_from)
    assert went_on_from[-1] == STEPS
    assert_equal_runs(tmp_path / "run", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_more_kills(tmp_path, undisturbed, record_fault, seed):
    rng = random.Random(seed)
    kills = [
        (f"SIGKILL in {where}", Fault(at, rng.randrange(1, 30), after=rng.uniform(0, 0.1)))
        for at, where in rng.choices([("train", "a step"), ("test", "an evaluation")], k=5)
    ]
    kill_and_go_on(tmp_path / "run", kills, record_fault)
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_a_finished_run_whose_cleaning_up_was_killed(tmp_path, undisturbed, record_fault):
    record_fault("SIGKILL at the last files", NOTHING)
    assert train(tmp_path / "run", faults=[Fault("rmtree checkpoints")]).code == -signal.SIGKILL
    assert_equal_runs(tmp_path / "run", undisturbed)
    ended = train(tmp_path / "run")
    assert (ended.code, "holds a finished run" in ended.message()) == (1, True)


SAVED = "nothing; the step is ended and saved"


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals(tmp_path, undisturbed, record_fault, name, code):
    run = tmp_path / "run"
    step = 0
    for where, fault, lost in (
        ("in a step", Fault("train", 5, name), SAVED),
        ("in an evaluation", Fault("test", 12, name), AGAIN),
        ("while a checkpoint is written", Fault("rename step-*.tmp", 2, name), SAVED),
    ):
        record_fault(f"{name} {where}", lost)
        ended = train(run, faults=[fault])
        assert (ended.code, ended.went_on_from()) == (code, step)
        found = re.fullmatch(
            r"Interrupted\. Saved at step (\d+); the same command goes on\.", ended.message()
        )
        assert found, ended.err
        step = int(found[1])
        check_files(run)
    record_fault(f"a second {name} while a checkpoint is written", AGAIN)
    ended = train(run, faults=[Fault("train", 3, name), Fault("rename step-*.json.tmp", 1, name)])
    assert (ended.code, ended.message()) == (code, "Interrupted.")
    check_files(run)
    record_fault(f"{name} while the report is drawn", "nothing; it is drawn again")
    ended = train(run, faults=[Fault("open curves.png.tmp", 1, name)])
    assert (ended.code, ended.message()) == (code, "Interrupted.")
    check_files(run)
    ended = train(run)
    assert (ended.code, ended.went_on_from()) == (0, STEPS)
    assert_equal_runs(run, undisturbed)
