"""`keras-mixer predict` on folders, and what a kill or a signal leaves of it."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

from keras_mixer import Mixer, runs
from keras_mixer_cli import counting

pytestmark = pytest.mark.once


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
        "saved: p.csv, 21 files; 1 of them skipped, see the column error; not used: 1 that are "
        "no images by name\n"
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
        (["pictures", "--all-probabilities"], 2, "--all-probabilities goes with --output"),
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


# The command, which kills itself when it has written so many rows.
KILLED = """
import os, signal, sys
from keras_mixer_cli import counting, main
own = counting.Counting.__call__
def count(self, done, bad):
    own(self, done, bad)
    if done >= int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
counting.Counting.__call__ = count
sys.exit(main(sys.argv[2:]))
"""
ARGUMENTS = (*["pictures"] * 6, "--batch-size", "4", "--output")


@pytest.fixture
def whole(command, tmp_path):
    """The file of a command that was left alone, of 120 rows."""
    code, _, err = command(*ARGUMENTS, "whole.csv")
    assert code == 0, err
    return (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize(
    "rows", [(8, 44), pytest.param((4, 36, 40, 80, 116), marks=pytest.mark.slow)]
)
def test_kills(command, tmp_path, whole, rows):
    """Killed by SIGKILL again and again, a command ends in the file of one left alone.

    What a kill leaves in the middle of a row is in tests/evaluation/test_bulk.py.
    """
    partial = tmp_path / "p.csv.partial"
    for number in rows:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(number), "predict", "run", *ARGUMENTS, "p.csv"],
            capture_output=True,
            timeout=300,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        content = partial.read_bytes()
        assert whole.startswith(content)
        assert content.count(b"\n") - 1 == number
    code, _, err = command(*ARGUMENTS, "p.csv")
    assert code == 0, err
    assert f"going on after {rows[-1]} files" in err
    assert (tmp_path / "p.csv").read_bytes() == whole
    assert not partial.exists()


def test_signals(command, tmp_path, whole, monkeypatch):
    """A batch is finished; exit code and line say what was asked for; the next one goes on."""
    partial = tmp_path / "p.csv.partial"
    own = counting.Counting.__call__
    for number, rows in ((signal.SIGINT, 8), (signal.SIGTERM, 44)):

        def count(self, done, bad, number=number, rows=rows):
            own(self, done, bad)
            if done >= rows:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(counting.Counting, "__call__", count)
        code, out, err = command(*ARGUMENTS, "p.csv")
        assert (code, out) == (128 + number, "")
        content = partial.read_bytes()
        assert whole.startswith(content)
        assert content.count(b"\n") - 1 == rows
        last = f"Interrupted. {rows} files are in p.csv.partial; the same command goes on."
        assert err.splitlines()[-1] == last
    monkeypatch.setattr(counting.Counting, "__call__", own)
    assert command(*ARGUMENTS, "p.csv")[0] == 0
    assert (tmp_path / "p.csv").read_bytes() == whole
