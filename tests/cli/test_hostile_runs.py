"""Directories of runs that somebody else wrote: what their files hold is shown, never obeyed."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hostile_names import HOSTILE, is_safe
from PIL import Image

import keras_mixer
from keras_mixer.data import csv_text, unescaped
from keras_mixer.runs import push
from keras_mixer.runs.directory import save_model

pytestmark = pytest.mark.once

FORMULAS = ("=HYPERLINK(1)", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "'quoted", "\t=1", "-1")
NAMES = (*HOSTILE.values(), *FORMULAS, "$x^2$ and \\frac{", "n" * 100_000)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run whose every text is hostile."""
    path = tmp_path_factory.mktemp("runs") / "run"
    path.mkdir()
    model = keras_mixer.Mixer(
        keras_mixer.MixerSpec("tiny", 4, 1, 4, 4, 8, (8, 8)),
        weights=None,
        classes=len(NAMES),
        classifier_activation=None,
    )
    save_model(path / "model.keras", model)
    (path / "labels.json").write_text(json.dumps(NAMES))
    text = " ".join(HOSTILE.values())
    recipe = {"evaluation_crop": "resize", "learning_rate": 0.1, "steps": 3, "name": text}
    config = {
        "finished": True,
        "model": text,
        "data": text,
        "seed": text,
        "device": text,
        "started": text,
        "train_images": 3,
        "metrics": {"top_1": 0.5, "top_5": 1.0, "loss": 1.0, "test_images": 4, "other": 1e999}
        | {"training_seconds": float("nan")},
        "recipe": {**recipe, text: text},
        "request": {"model": {"name": text}, "backend": text, text: text},
        "versions": {text: text},
        "weights": text,
        text: text,
    }
    (path / "run.json").write_text(json.dumps(config))
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "=1+1 \x1b[31m.png"
    Image.fromarray(np.zeros((8, 8, 3), "uint8")).save(path)
    return path.name


def test_runs(run_command, run):
    code, out, err = run_command("runs", run.parent)
    assert code == 0, err
    assert is_safe(out + err)
    code, out, err = run_command("runs", run.parent, "--json")
    (line,) = out.splitlines()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    read = json.loads(line, parse_constant=refuse)
    assert read["model"] == " ".join(HOSTILE.values())
    assert read["metrics"]["other"] is None


def test_predict(run_command, run, picture):
    code, out, err = run_command("predict", run, picture, "--top", len(NAMES))
    assert code == 0, err
    assert is_safe(out + err)
    code, out, err = run_command("predict", run, picture, "--top", len(NAMES), "--json")
    assert code == 0, err
    assert is_safe(out + err)
    assert set(json.loads(out)["probabilities"]) == set(NAMES)


def test_predictions_in_files(run_command, run, picture):
    """A CSV file has no formula and every name; JSON has the names as they are."""
    options = ("--top", len(NAMES), "--all-probabilities")
    for output in ("p.csv", "p.jsonl"):
        code, out, err = run_command("predict", run, picture, "--output", output, *options)
        assert code == 0, err
        assert is_safe(out + err)
    text = pathlib.Path("p.csv").read_text(encoding="utf-8")
    csv.field_size_limit(200_000)
    header, cells = csv.reader(text.splitlines())
    named = dict(zip(header, cells, strict=True))
    for name, cell in named.items():
        if name.startswith(("probability", "p_")):
            float(cell)
        else:
            assert cell[:1] not in ("=", "+", "@", "\t", "\r")
            assert not cell.startswith("-") or cell == "-1"
    assert unescaped(csv_text(named["path"])) == picture
    classes = {csv_text(cell) for name, cell in named.items() if name.startswith("class")}
    as_json = json.loads(pathlib.Path("p.jsonl").read_text(encoding="utf-8"))
    assert classes == {cell for name, cell in as_json.items() if name.startswith("class")}
    assert {"=HYPERLINK(1)", "'quoted", "-1"} <= classes
    assert as_json["path"] == csv_text(named["path"])
    assert "\n" not in text.removesuffix("\n").replace("\n", "", 1)


def test_visualize(run_command, run, picture):
    code, out, err = run_command("visualize", run, "--image", picture, "--output", "drawn")
    assert code == 0, err
    assert is_safe(out + err)


def test_push(run, tmp_path):
    push(run, tmp_path / "pushed")
    card = (tmp_path / "pushed" / "README.md").read_text(encoding="utf-8")
    assert is_safe(card)
    assert len(card) < 50_000
    assert json.loads((tmp_path / "pushed" / "labels.json").read_text()) == list(NAMES)


@pytest.mark.parametrize(
    "surroundings",
    [
        {"COLUMNS": "abc", "LINES": "-1"},
        {"COLUMNS": "0"},
        {"COLUMNS": "1", "NO_COLOR": "1", "TERM": "dumb"},
        {"FORCE_COLOR": "1", "TERM": "xterm-256color"},
    ],
    ids=str,
)
def test_on_any_terminal(run_command, run, picture, surroundings, monkeypatch):
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    for command in (("runs", run.parent), ("predict", run, picture)):
        code, out, err = run_command(*command)
        assert code == 0, err
        for style in ("\x1b[1m", "\x1b[0m"):  # Headings may be bold.
            out = out.replace(style, "")
        assert is_safe(out + err)


PROGRAM = """
import sys, keras_mixer_cli as command
for line in {commands!r}:
    if command.main(line):
        sys.exit(line)
"""


@pytest.mark.parametrize("closed", [None, "stdout", "stderr"])
def test_in_plain_ascii_and_with_a_closed_stream(run, picture, tmp_path, closed):
    commands = [["runs", str(run.parent)], ["predict", str(run), picture, "--json"]]
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    shell = {None: "", "stdout": ">&-", "stderr": "2>&-"}[closed]
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {shell}', sys.executable, "-c", PROGRAM.format(**locals())],
        cwd=tmp_path,
        env={**os.environ, **plain},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert (done.stdout + done.stderr).isascii()
    assert is_safe((done.stdout + done.stderr).decode())
    assert bool(done.stdout) == (closed != "stdout")
