"""The commands that read folders, on one with every hostile picture in it."""

import csv
import dataclasses
import json
import os
import re

import hostile
import pytest

from keras_mixer import SPECS, data
from keras_mixer.data import unescaped

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:Corrupt EXIF data")]
TRAINING = (
    *("--model", "mixer_ti4", "--weights", "none", "--image-size", "16", "--steps", "1"),
    *("--batch-size", "64", "--output", "run"),
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder of two classes, one of them hostile, and its cases."""
    root = tmp_path_factory.mktemp("mixed")
    cases = hostile.make(root / "pictures" / "hostile")
    (root / "pictures" / "plain").mkdir()
    for i in range(10):
        (root / "pictures" / "plain" / f"{i}.png").write_bytes(hostile.encoded(hostile.PIXELS))
    return root / "pictures", cases


@pytest.fixture
def command(run_command, monkeypatch, tiny):
    """Called with arguments; an error is one line, and nothing is a traceback.

    The smallest model is smaller yet.
    """
    monkeypatch.setitem(SPECS, "mixer_ti4", dataclasses.replace(tiny, name="mixer_ti4"))

    def run(*arguments):
        code, out, err = run_command(*arguments)
        assert "Traceback" not in out + err
        errors = [line for line in err.splitlines() if line.startswith("Error: ")]
        assert len(errors) == (code != 0 and arguments[0] != "datasets"), err
        return code, out, err

    return run


def refuses(result, number, total, root):
    code, _, err = result
    assert code == 1
    wanted = f"Error: {number} of {total} images cannot be read. Mend or remove them, or leave them"
    assert wanted in err
    assert f"--max-bad-images {number}" in err
    assert f"Cannot read {root}/hostile/" in err
    assert f"; and {number - 5} more" in err


def test_every_command_that_reads_a_folder(command, mixed, tmp_path):
    root, cases = mixed
    bad = {case.path: case.reason for case in cases if case.reason is not None}
    number, total = len(bad), len(cases) + 10
    allowed = ("--max-bad-images", number)

    refuses(command("finetune", root, *TRAINING), number, total, root)
    assert not (tmp_path / "run").exists()
    code, out, err = command("finetune", root, *TRAINING, *allowed)
    assert code == 0, err
    assert f"data: {number} images cannot be read and are left out, listed in skipped.csv" in out
    assert re.search(rf"left out +│? *{number} unreadable", out)
    with open(tmp_path / "run" / "skipped.csv", newline="", encoding="utf-8") as file:
        listed = {unescaped(row["path"]): row["reason"] for row in csv.DictReader(file)}
    assert listed.keys() == bad.keys()
    assert [path for path, reason in bad.items() if not re.search(reason, listed[path])] == []
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    assert config["skipped_images"] == number
    loaded = data.load(root, max_bad_images=number)
    assert config["test_fingerprint"] == loaded.test.fingerprint()
    assert config["metrics"]["test_images"] == len(loaded.test)

    short = ("--image-size", "16", "--steps", "1", "--warmup-steps", "0", "--batch-size", "64")
    compare = ("compare", root, "--models", "mixer_ti4", "--batch-sizes", "1", "--rounds", "1")
    for others in (("pretrain", root, "--model", "mixer_ti4"), compare):
        refuses(command(*others, *short, "--output", others[0]), number, total, root)
        assert not (tmp_path / others[0]).exists()
        code, _, err = command(*others, *short, "--output", others[0], *allowed)
        assert code == 0, err
        (own,) = (tmp_path / others[0]).rglob("skipped.csv")  # A comparison's is in its one run.
        assert own.read_text() == (tmp_path / "run" / "skipped.csv").read_text()

    refuses(command("evaluate", "run"), number, total, root)
    code, out, err = command("evaluate", "run", *allowed)
    assert code == 0, err
    assert f"{number:,} images cannot be read and are left out" in err
    assert all(f"  {data.shown(path)}: " in err for path in bad)

    for path in bad:
        code, _, err = command("predict", "run", path)
        if os.path.exists(path):
            assert code == 1
            assert "1 of 1 images cannot be read. Mend or remove them" in err
            assert f"Cannot read {path}: {listed[path]}" in err
        else:  # To the command line it is no argument.
            assert (code, "does not exist" in err) == (2, True)
    total += 1  # Below the folder is also what a link leads to.
    refuses(command("predict", "run", root), number, total, root)
    code, out, err = command("predict", "run", root, *allowed, "--json")
    assert code == 0, err
    assert len(out.splitlines()) == total - number
    code, out, err = command("predict", "run", root, "--output", "p.csv")
    assert code == 0, err
    assert f"{total} files; {number} of them skipped" in out
    with open("p.csv", newline="", encoding="utf-8") as file:
        rows = {unescaped(row["path"]): row["error"] for row in csv.DictReader(file)}
    assert {path: reason for path, reason in rows.items() if reason} == listed

    refuses(command("fewshot", root, "--model", "run"), number, total - 1, root)
    refuses(command("shuffle-study", root, "--models", "mixer_ti4"), number, total - 1, root)
    for data_of in ((), ("--images", root)):
        result = command("export", "run", "--format", "onnx", *data_of)
        refuses(result, number, total if data_of else total - 1, root)

    code, out, err = command("datasets", "check", root)
    assert code == 1
    assert f"problem: {number} cannot be read: Cannot read {root}/hostile/" in out

    # A run that goes on leaves out the same ones; mended, they would change what it learns.
    config["finished"] = False
    (tmp_path / "run" / "run.json").write_text(json.dumps(config))
    (root / "hostile" / "zero.png").write_bytes(hostile.encoded(hostile.PIXELS))
    code, out, err = command("finetune", root, *TRAINING, *allowed)
    assert code == 1
    assert f"1 can be read now, such as {root}/hostile/zero.png. Put the files back" in err
    (root / "hostile" / "zero.png").write_bytes(b"")


def test_without_pictures_that_can_be_read(command, mixed, tmp_path):
    code, _, err = command("finetune", "digits", *TRAINING, "--max-bad-images", "1")
    assert code == 1
    assert "is for pictures of your own, and digits is a data set by name" in err
    (tmp_path / "empty").mkdir()
    for label in "ab":
        (tmp_path / "empty" / label).mkdir()
        os.mkfifo(tmp_path / "empty" / label / "pipe.png")
    code, _, err = command("finetune", "empty", *TRAINING, "--max-bad-images", "2")
    assert code == 1
    assert "Of the class a, the class b no image can be read" in err
    assert not (tmp_path / "run").exists()
