"""What push, export and predict write: whole or not there, and the same command again goes through.

Full disks are small file systems in memory, with room again afterwards.
"""

import json
import os
import random
import shutil
import signal
import subprocess

import keras
import pytest
from faults.harness import launch
from faults.program import Fault
from faults.test_disk import AGAIN, GOES_ON, check_no_half_files, mounted

from keras_mixer.export import FORMATS

pytestmark = pytest.mark.faults

NOTHING = "nothing"
SAME = "nothing; the same command goes through"
WRITES = [name for name, row in FORMATS.items() if keras.backend.backend() in row.writers]
HALF = 0.5


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def other(tmp_path_factory, undisturbed):
    """Another run: of a push that is replaced all files but the model are other ones."""
    run = shutil.copytree(undisturbed, tmp_path_factory.mktemp("other") / "run")
    (run / "labels.json").write_text(json.dumps([f"digit {i}" for i in range(10)]))
    config = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(config | {"seed": 7}))
    return run


@pytest.fixture
def pushed(tmp_path, undisturbed):
    """What a push of the run that was left alone is."""
    assert launch("push", undisturbed, tmp_path / "to").code == 0
    found = files(tmp_path / "to")
    shutil.rmtree(tmp_path / "to")
    return found


PUSH = [
    *("open README.md.tmp", "open model.keras.tmp", "rename model.keras.tmp", "remove run.json"),
    *("rename README.md", "rename labels.json", "rename run.json", "rmtree .push"),
]


@pytest.mark.parametrize("kind", ["", " over an earlier one"])
@pytest.mark.parametrize("moment", PUSH)
def test_push_killed(tmp_path, undisturbed, other, pushed, record_fault, moment, kind):
    if not kind and moment == "remove run.json":
        pytest.skip("there is none to be removed")
    record_fault(f"SIGKILL in a push{kind}", SAME)
    to = tmp_path / "to"
    if kind:
        assert launch("push", other, to).code == 0
    before = files(to) if kind else {}
    half = moment == "open model.keras.tmp"  # The second time it is opened it has been written.
    fault = Fault(moment, 2, keep=HALF) if half else Fault(moment)
    assert launch("push", undisturbed, to, faults=[fault]).code == -signal.SIGKILL
    assert "run.json" not in files(to) or files(to) in (before, pushed)
    ended = launch("push", undisturbed, to)
    assert ended.code == 0, ended.err
    assert {path.name for path in to.iterdir()} == {*pushed}
    assert files(to) == pushed


@pytest.mark.parametrize("kind", ["", " over an earlier one"])
def test_push_on_a_full_disk(tmp_path, undisturbed, other, pushed, record_fault, kind):
    disk = tmp_path / "disk"
    whole = sum(map(len, pushed.values())) // 1024
    sizes = [8, 16, whole // 2, whole - 4] if not kind else [whole + 16, 2 * whole - 8]
    record_fault(f"a full disk in a push{kind}", GOES_ON, tried=len(sizes))
    with mounted(disk, "size=64m"):
        for size in sizes:
            to = disk / "to"
            if kind:
                assert launch("push", other, to).code == 0
            before = files(to) if kind else None
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            ended = launch("push", undisturbed, to)
            assert (ended.code, ended.message()[-len(AGAIN) :]) == (1, AGAIN)
            assert (files(to) if to.exists() else None) == before
            if kind:
                check_no_half_files(to)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            assert launch("push", undisturbed, to).code == 0
            assert files(to) == pushed
            shutil.rmtree(to)


def test_push_over_damaged_leftovers(tmp_path, undisturbed, pushed, record_fault):
    """What a kill left of it is not read, only written anew."""
    record_fault("damaged leftovers of a push", SAME, tried=5)
    for seed in range(5):
        to, rng = tmp_path / str(seed) / "to", random.Random(seed)
        (to / ".push").mkdir(parents=True)
        for name in rng.sample(sorted(pushed), 3):
            (to / ".push" / name).write_bytes(rng.randbytes(100))
        for name in rng.sample(sorted({*pushed} - {"run.json"}), 2):
            (to / name).write_bytes(rng.randbytes(100))
        assert launch("push", undisturbed, to).code == 0
        assert files(to) == pushed


def test_read_only(tmp_path, undisturbed, record_fault):
    disk = tmp_path / "disk"
    with mounted(disk, "ro"):
        commands = [("push", undisturbed, disk / "to"), ("push", undisturbed, disk)]
        record_fault("a push to a file system that is read-only", NOTHING, tried=2)
        for name in WRITES:
            record_fault("an export to a file system that is read-only", NOTHING)
            output = disk / f"model{FORMATS[name].suffix}"
            commands += [("export", undisturbed, "--format", name, "--output", output)]
        for command in commands:
            ended = launch(*command)
            assert ended.code == 1
            assert ended.message().startswith("Error: Cannot write "), ended
            assert ended.message().endswith(
                "Read-only file system. Choose another place to write to."
            )


def export_of(run, name, folder):
    output = folder / f"model{FORMATS[name].suffix}"
    return ("export", run, "--format", name, "--output", output, "--limit", "20"), output


@pytest.mark.parametrize("name", WRITES)
def test_export_on_a_full_disk(tmp_path, undisturbed, record_fault, name):
    """At its beginning, its middle and its end; no writer ends the process."""
    record_fault("a full disk in an export", GOES_ON, tried=3)
    command, output = export_of(undisturbed, name, tmp_path / "whole")
    assert launch(*command).code == 0
    whole = sum(f.stat().st_size for f in output.parent.rglob("*") if f.is_file()) // 1024
    disk = tmp_path / "disk"
    with mounted(disk, "size=4k"):
        command, output = export_of(undisturbed, name, disk)
        for size in (4, whole // 2, whole - 3):
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            ended = launch(*command)
            assert ended.code == 1, ended
            assert ended.err.splitlines()[-1].endswith(AGAIN), ended.err
            assert not list(disk.iterdir())
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert launch(*command).code == 0


@pytest.mark.parametrize("name", WRITES)
def test_export_killed(tmp_path, undisturbed, record_fault, name):
    """What has its name is whole; what a kill left is taken away by the same command."""
    command, output = export_of(undisturbed, name, tmp_path / "to")
    written = output.name
    for moment in (f"open {written}.json", f"rename {written}.json", f"rename {written}"):
        record_fault("SIGKILL in an export", SAME)
        assert launch(*command, faults=[Fault(moment)]).code == -signal.SIGKILL
        assert not output.exists()
        leftover = output.with_name(f".{written}.export")
        (leftover / written).unlink() if (leftover / written).is_file() else None
        (leftover / "junk").write_text("damaged")
    assert launch(*command).code == 0
    assert not [one for one in output.parent.iterdir() if one.name.startswith(".")]


@pytest.fixture
def pictures(tmp_path, rng):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(10):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), "uint8")).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predict_killed(tmp_path, undisturbed, pictures, record_fault, kind):
    """At its notes, its rows and its end, again and again; each time further on."""
    command = ("predict", undisturbed, pictures, "--batch-size", "4", "--output")
    assert launch(*command, tmp_path / f"alone.{kind}").code == 0
    output = tmp_path / f"x.{kind}"
    last = "open x.parquet.tmp" if kind == "parquet" else f"rename x.{kind}.partial"
    for fault in (
        Fault(f"rename x.{kind}.about.json.tmp"),
        Fault(f"open x.{kind}.partial", 3),
        Fault(f"open x.{kind}.partial", 4, keep=0.7),
        Fault(f"rename x.{kind}.about.json.tmp"),
        Fault(last),
    ):
        record_fault("SIGKILL in predict --output", SAME)
        assert launch(*command, output, faults=[fault]).code == -signal.SIGKILL, fault
        assert not output.exists()
    assert launch(*command, output).code == 0
    assert output.read_bytes() == (tmp_path / f"alone.{kind}").read_bytes()
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith("x.")}
    assert left == {output.name, f"{output.name}.about.json"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predict_over_damaged_rows(tmp_path, undisturbed, pictures, record_fault, kind):
    """Cut off anywhere it goes on; with a bit flipped it goes on or says what to remove."""
    record_fault(
        "damaged rows of predict --output", "nothing; it goes on, or says what to remove", 10
    )
    command = ("predict", undisturbed, pictures, "--batch-size", "4", "--output")
    assert launch(*command, tmp_path / f"alone.{kind}").code == 0
    output, partial = tmp_path / f"x.{kind}", tmp_path / f"x.{kind}.partial"
    fault = Fault(f"open x.{kind}.partial", 4)
    assert launch(*command, output, faults=[fault]).code == -signal.SIGKILL
    whole, about = partial.read_bytes(), (tmp_path / f"x.{kind}.about.json").read_bytes()
    for seed in range(10):
        rng, content = random.Random(seed), bytearray(whole)
        if seed % 2:
            content = content[: rng.randrange(len(content))]
        else:
            content[rng.randrange(len(content))] ^= 0x80  # No ASCII, so none of the rows.
        partial.write_bytes(content)
        (tmp_path / f"x.{kind}.about.json").write_bytes(about)
        ended = launch(*command, output)
        if ended.code:
            assert (
                "emove it to begin anew" in ended.message() or "remove the file" in ended.message()
            )
            partial.unlink()
            assert launch(*command, output).code == 0
        assert output.read_bytes() == (tmp_path / f"alone.{kind}").read_bytes()
        output.unlink()


@pytest.mark.parametrize("kind", ["missing", "read-only", "full"])
def test_temporary_files(tmp_path, undisturbed, pictures, record_fault, kind):
    """Another folder is taken, or one line names that of TMPDIR; the model is not blamed."""
    commands = [
        ("predict", undisturbed, pictures, "--output", tmp_path / "x.csv"),
        ("push", undisturbed, tmp_path / "pushed"),
        ("evaluate", undisturbed, "--predictions", tmp_path / "x.npz"),
        *(export_of(undisturbed, name, tmp_path / "to")[0] for name in WRITES),
    ]
    disk = tmp_path / "disk"
    with mounted(disk, "ro" if kind == "read-only" else "size=8k"):
        folder = disk / "missing" if kind == "missing" else disk
        for command in commands:
            record_fault(
                f"a folder for temporary files that is {kind}",
                "nothing; one line names it, or another is taken",
            )
            ended = launch(*command, environment={"TMPDIR": os.fspath(folder)})
            if ended.code:
                last = ended.err.splitlines()[-1]
                assert kind == "full", ended.err
                assert all(one in last for one in (str(folder), "No space left", "TMPDIR")), last
                assert "Traceback" not in ended.err
                assert launch(*command).code == 0
            assert not list(disk.iterdir())
