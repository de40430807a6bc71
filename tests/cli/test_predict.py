"""`keras-mixer predict` on folders, and what a kill or a signal leaves of it."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_mixer import Mixer, runs

PROGRAM = "import sys, keras_mixer_cli; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"


@pytest.fixture
def run(tiny, randomize, tmp_path):
    """The directory of a finished run, of a model that tells red from blue by chance."""
    (tmp_path / "run").mkdir()
    config = {"recipe": {"evaluation_crop": "resize_crop"}}
    model = randomize(Mixer(tiny, weights=None, classes=3))
    runs.directory.finish_run(tmp_path / "run", model, config, ["a", "b", "c"])
    return "run"


@pytest.fixture
def command(run_command, run, image_folder):
    return lambda *arguments: run_command("predict", run, *arguments)


def test_a_folder_in_a_file_and_on_the_screen(command, tmp_path):
    """The same classes and probabilities."""
    (tmp_path / "pictures" / "bad.png").write_bytes(b"")
    (tmp_path / "pictures" / "notes.txt").touch()
    code, out, err = command("pictures", "--output", "p.csv", "--batch-size", "8")
    assert code == 0, err
    assert out == (
        "saved: p.csv, 21 files; 1 of them skipped, see the column error; passed over 1 that are "
        "not pictures by name\n"
    )
    with open("p.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert rows.pop("pictures/bad.png")["error"] == "not a picture of a known format"
    code, out, err = command("pictures")
    assert code == 1
    assert "1 of 21 images cannot be read" in err
    (tmp_path / "pictures" / "bad.png").unlink()
    code, out, err = command("pictures", "--json")
    assert code == 0, err
    shown = {(line := json.loads(text))["image"]: line for text in out.splitlines()}
    assert list(shown) == list(rows)
    for path, line in shown.items():
        (name, probability), *_ = line["probabilities"].items()
        assert rows[path]["class"] == name
        assert float(rows[path]["probability"]) == pytest.approx(probability, abs=1e-6)
    code, out, err = command("pictures/red", "--top", "1")
    assert code == 0, err
    assert sum("pictures/red/" in line for line in out.splitlines()) == 10
    code, out, err = command("pictures", "--output", "p.csv")
    assert (code, "the pictures are other ones now" in err) == (1, True)


def test_going_on_is_said(command, tmp_path):
    for name in ("z1.png", "z2.png"):
        (tmp_path / "pictures" / name).write_bytes(b"")
    options = ("pictures", "--output", "p.jsonl", "--batch-size", "8", "--all-probabilities")
    code, out, err = command(*options, "--max-bad-images", "1")
    assert (code, out) == (1, "")
    (error,) = (line for line in err.splitlines() if line.startswith("Error"))
    assert "last one pictures/z2.png (not a picture of a known format); 1 are allowed" in error
    assert "Raise --max-bad-images" in error
    code, out, err = command(*options)
    assert code == 0, err
    assert "going on after 16 files" in err
    assert out.startswith("saved: p.jsonl, 22 files; 2 of them skipped")
    code, out, err = command(*options)
    assert (code, out[:26]) == (0, "finished before: p.jsonl, ")
    row = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert sum(row[f"p_{name}"] for name in "abc") == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pictures", "--output", "p.txt"], 1, "p.txt must end in .csv, .jsonl, .parquet"),
        (["pictures", "--output", "p.csv", "--json"], 2, "--json and --output exclude each other"),
        (["pictures", "--max-bad-images", "3"], 2, "--max-bad-images go with --output"),
        (["pictures", "--all-probabilities"], 2, "--max-bad-images go with --output"),
        (["empty"], 1, "There are no pictures in empty"),
        (["empty", "--output", "p.csv"], 1, "There are no pictures in empty"),
        (["pipe"], 1, "Cannot read pipe: not a regular file"),
        (["gone"], 2, "'gone' does not exist"),
        (["pictures", "pictures"], 2, "There are more than 20 pictures. Write them to a file"),
        (["pictures", "--output", "x.parquet"], 1, 'pip install "keras-mixer[parquet]"'),
    ],
)
def test_wrong_input_is_one_line(command, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.setattr(sys.modules["keras_mixer_cli.predict"], "AT_ONCE", 20)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "empty").mkdir()
    os.mkfifo("pipe")
    got, out, err = command(*arguments)
    assert message in " ".join(err.split())
    assert got == code
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
    assert "Traceback" not in out + err
    assert sorted(os.listdir()) == ["empty", "pictures", "pipe", "run"]


def start(arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, path, longer_than):
    """Until a file has grown beyond a size."""
    limit = time.monotonic() + 120
    while not os.path.exists(path) or os.path.getsize(path) <= longer_than:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.001)


ARGUMENTS = (*["pictures"] * 6, "--batch-size", "4", "--output")


@pytest.fixture
def whole(command, tmp_path):
    """The file of a command that was left alone, of 120 rows."""
    code, _, err = command(*ARGUMENTS, "whole.csv")
    assert code == 0, err
    return (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("times", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_kills(command, tmp_path, whole, times):
    """Killed by SIGKILL again and again, a command ends in the file of one left alone."""
    partial = tmp_path / "p.csv.partial"
    written = 0
    for i in range(times):
        process = start(["predict", "run", *ARGUMENTS, "p.csv"])
        wait_for(process, partial, written + i * len(whole) // 120)
        process.kill()
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        content = partial.read_bytes()
        assert whole.startswith(content)
        assert written < len(content) < len(whole)
        written = len(content)
    code, _, err = command(*ARGUMENTS, "p.csv")
    assert code == 0, err
    rows = content.count(b"\n") - 1
    assert f"going on after {rows - rows % 4} files" in err
    assert (tmp_path / "p.csv").read_bytes() == whole
    assert not partial.exists()


def test_signals(command, tmp_path, whole):
    """A batch is finished; exit code and line say what was asked for; the next one goes on."""
    partial = tmp_path / "p.csv.partial"

    def send(number, longer_than):
        while not partial.exists() or partial.stat().st_size <= longer_than:
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    written = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        thread = threading.Thread(target=send, args=(number, written + 100))
        thread.start()
        code, out, err = command(*ARGUMENTS, "p.csv")
        thread.join()
        assert (code, out) == (128 + number, "")
        content = partial.read_bytes()
        rows = content.count(b"\n") - 1
        assert whole.startswith(content)
        assert written < len(content) < len(whole)
        assert rows % 4 == 0
        last = f"Interrupted. {rows:,} files are in p.csv.partial; the same command goes on."
        assert err.splitlines()[-1] == last
        written = len(content)
    assert command(*ARGUMENTS, "p.csv")[0] == 0
    assert (tmp_path / "p.csv").read_bytes() == whole
