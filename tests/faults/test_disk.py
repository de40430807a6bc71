"""A disk that is full, closed or in use is said in one line, and costs nothing that was there."""

import contextlib
import os
import subprocess

import keras
import pytest
from faults.harness import assert_equal_runs, check_files, launch, train
from faults.program import Fault
from PIL import Image

pytestmark = pytest.mark.faults

GOES_ON = "nothing; the same command goes on when there is room"
AGAIN = "Make room, and give the same command again; what was written before is whole."


def check_cannot_write(ended, name):
    assert ended.code == 1, ended
    message = ended.message()
    assert message.startswith("Error: Cannot write "), message
    assert name in message.split(": ")[1]
    assert message.endswith(AGAIN)


def check_no_half_files(folder):
    assert not list(folder.rglob("*tmp*"))


def test_full_while_training(tmp_path, undisturbed, record_fault):
    """Each launch comes a little further; no file can be written from some moment on."""
    run = tmp_path / "run"
    for name, moment, nth, more in (
        ("run.json", "open run.json.tmp", 1, ()),
        (".safetensors", "rename run.json.tmp", 2, ()),
        (".json", "rename step-*.safetensors.tmp", 2, ()),
        ("history.csv", "rename step-*.json.tmp", 2, ()),
        ("run.json", "rename history.csv.tmp", 2, ()),
        ("tensorboard", "rename run.json.tmp", 3, ("--tensorboard",)),
        ("last.keras", "open last.tmp.keras", 1, ()),
        ("confusion.png", "open confusion.png.tmp", 1, ()),
        ("report.html", "open report.html.tmp", 1, ()),
        ("model.keras", "open model.tmp.keras", 1, ()),
        ("labels.json", "open labels.json.tmp", 1, ()),
    ):
        kind = {".safetensors": "a checkpoint's weights", ".json": "a checkpoint's manifest"}
        record_fault(f"a full disk at {kind.get(name, name)}", GOES_ON)
        ended = train(run, *more, faults=[Fault(moment, nth, "full")])
        check_cannot_write(ended, name)
        if run.exists():
            check_files(run)
            check_no_half_files(run)
    assert train(run).code == 0
    assert_equal_runs(run, undisturbed)


@pytest.fixture
def pictures(tmp_path, rng):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(10):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), "uint8")).save(folder / f"{i}.png")
    return folder


def test_full_while_predicting(tmp_path, undisturbed, pictures, record_fault):
    output = tmp_path / "predictions.csv"
    command = ("predict", undisturbed, pictures, "--batch-size", "4", "--output")
    for name, moment, nth in (
        ("predictions.csv", "open predictions.csv.about.json.tmp", 1),
        ("predictions.csv.partial", "open predictions.csv.partial", 3),
    ):
        record_fault(f"a full disk at {name.replace('.partial', '')} of predict", GOES_ON)
        check_cannot_write(launch(*command, output, faults=[Fault(moment, nth, "full")]), name)
        assert not output.exists()
    assert launch(*command, output).code == 0
    again = tmp_path / "again.csv"
    assert launch(*command, again).code == 0
    assert output.read_text() == again.read_text()


def test_full_while_exporting(tmp_path, undisturbed, record_fault):
    formats = {
        "tensorflow": ("tf_saved_model", "model.saved_model"),
        "torch": ("torch", "model.pt2"),
    }
    if keras.backend.backend() not in formats:
        pytest.skip("writes no format itself")
    format, name = formats[keras.backend.backend()]
    record_fault("a full disk at the description of an export", GOES_ON)
    command = ("export", undisturbed, "--format", format, "--output", tmp_path / "to" / name)
    ended = launch(*command, faults=[Fault(f"open {name}.json", 1, "full")])
    check_cannot_write(ended, name)
    assert not list((tmp_path / "to").iterdir())
    assert launch(*command).code == 0


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system in memory; the test is skipped where none may be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_small_file_system(tmp_path, undisturbed, record_fault):
    record_fault("a file system that is full", GOES_ON)
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        check_cannot_write(train(disk / "run"), "run/")
        check_files(disk / "run")
        check_no_half_files(disk / "run")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert train(disk / "run").code == 0
        assert_equal_runs(disk / "run", undisturbed)


def test_a_file_system_that_is_read_only(tmp_path, undisturbed, pictures, record_fault):
    record_fault("an output on a file system that is read-only", "nothing", tried=2)
    disk = tmp_path / "disk"
    with mounted(disk, "ro"):
        for command in (
            train(disk / "run"),
            launch("predict", undisturbed, pictures, "--output", disk / "to" / "x.csv"),
        ):
            assert command.code == 1
            assert "Read-only file system. Choose another place" in command.message()
