"""Folders of one's own through the commands: what is said, what is refused, what is evaluated."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_mixer import SPECS, data, runs

pytestmark = pytest.mark.once

SMALL = (
    *("--model", "mixer_ti4", "--weights", "none", "--image-size", "16", "--steps", "2"),
    *("--batch-size", "8", "--warmup-steps", "0"),
)
NAMES = ("1", "2", "10", "20")


@pytest.fixture
def command(run_command, monkeypatch, tiny):
    """The smallest model is smaller yet."""
    monkeypatch.setitem(SPECS, "mixer_ti4", dataclasses.replace(tiny, name="mixer_ti4"))
    return run_command


def fill(root, rng, number=10, names=NAMES):
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(number):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype="uint8")
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def lines(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_what_is_not_used_is_said_by_every_command(command, tmp_path, rng):
    fill(tmp_path / "d", rng)
    (tmp_path / "d" / "1" / "x.heic").touch()
    (tmp_path / "d" / "1" / ".x.png").touch()
    wanted = "not used: 1 files of classes that are no images by name, such as "
    code, out, err = command("finetune", "d", *SMALL, "--output", "run")
    assert code == 0, err
    assert len(lines(out, f"data: {wanted}")) == 1
    assert "data: not used: 1 hidden files or folders" in out.splitlines()
    code, out, err = command("datasets", "check", "d")
    assert code == 1
    assert len(lines(out, f"problem: {wanted}")) == 1
    assert "not used: 1 hidden files or folders" in out.splitlines()
    for arguments in (
        ("evaluate", "run"),
        ("fewshot", "d", "--model", "run", "--shots", "1", "--no-cache"),
        ("export", "run", "--format", "onnx"),
    ):
        code, out, err = command(*arguments)
        assert len(lines(err, f"data: {wanted}")) == 1
    unused = "data: not used: 1 files that are no images by name and 1 hidden files or folders"
    code, out, err = command("predict", "run", "d")
    assert (code, unused in err.splitlines()) == (0, True)
    code, out, err = command("predict", "run", "d", "--output", "p.csv")
    assert "; not used: 1 that are no images by name; not used: 1 hidden files or folders" in out
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "x.heic").touch()
    for more in ((), ("--output", "q.csv")):
        code, out, err = command("predict", "run", "none", *more)
        assert code == 1
        assert "There are no pictures in none. not used: 1 files that are no images by name" in err
    (tmp_path / "d" / "1" / "x.heic").unlink()
    assert command("datasets", "check", "d")[0] == 0  # What is hidden is no problem.


def test_equal_images_are_said_before_a_training(command, tmp_path, rng):
    fill(tmp_path / "d" / "train", rng, 2)
    fill(tmp_path / "d" / "test", rng, 1)
    shutil.copy(tmp_path / "d" / "train" / "1" / "0.png", tmp_path / "d" / "test" / "2" / "x.png")
    code, out, err = command("finetune", "d", *SMALL, "--output", "run")
    assert code == 0, err
    assert len(lines(out, "data: 1 images are trained on and evaluated on, too, such as ")) == 1
    assert len(lines(out, "data: 1 images have another label elsewhere, such as ")) == 1


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        *(
            (("finetune", "d", *SMALL), output)
            for output in ("d/run", "d/1/run", "link/run", "d", "d/../d/x", None)
        ),
        (("pretrain", "d", *SMALL), "d/run"),
        (("compare", "d", "--models", "mixer_ti4"), "d/run"),
        (("compare", "d", "--models", "mixer_ti4"), None),
        (("shuffle-study", "d", "--models", "mixer_ti4"), "d/run"),
        (("datasets", "show", "d"), "d/grid.png"),
        (("datasets", "show", "d"), None),
        (("evaluate", "mixer_ti4", "d", "--weights", "none"), "d/run"),
    ],
)
def test_nothing_is_written_into_the_data(command, tmp_path, rng, monkeypatch, arguments, output):
    fill(tmp_path / "d", rng, 2)
    (tmp_path / "link").symlink_to("d")
    before = sorted(os.walk(tmp_path))
    if output is None:  # The default is below the working directory.
        monkeypatch.chdir(tmp_path / "d")
        arguments = tuple("." if argument == "d" else argument for argument in arguments)
    given = () if output is None else ("--output", output)
    code, _, err = command(*arguments, *given)
    assert code == 2
    (line,) = lines(err, "Error: ")
    assert "is inside of the data folder" in line
    assert "Choose an --output elsewhere" in line
    assert sorted(os.walk(tmp_path)) == before
    (tmp_path / "d.csv").write_text("path,label\n" + "\n".join(f"d/{n}/0.png,{n}" for n in NAMES))
    data.check_outside(tmp_path / "run", str(tmp_path / "d.csv"))  # Its paths are told one by one.
    data.check_outside(tmp_path / "do", str(tmp_path / "d"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    data.check_outside("digits/run", "digits")  # The data set of that name.


def test_a_run_within_the_data_is_no_class(command, tmp_path, rng):
    """As earlier versions may have left it there."""
    fill(tmp_path / "d", rng)
    assert command("finetune", "d", *SMALL, "--output", "run")[0] == 0
    shutil.move(tmp_path / "run", tmp_path / "d" / "run")
    code, out, err = command("finetune", "d", *SMALL, "--output", "other")
    assert code == 0, err
    assert ", 4 classes" in out
    assert lines(out, "data: not used: 1 folders of runs or studies")
    code, out, err = command("evaluate", "d/run", "--json")
    assert code == 0, err
    assert json.loads(out)["images"] == 8


def test_images_that_were_never_trained_on_are_all_evaluated(command, tmp_path, rng):
    fill(tmp_path / "d", rng)
    fill(tmp_path / "new", rng, 3)
    fill(tmp_path / "parts" / "train", rng, 3)
    fill(tmp_path / "parts" / "test", rng, 1)
    rows = [f"new/{name}/{i}.png,{name}" for name in NAMES for i in range(3)]
    (tmp_path / "new.csv").write_text("\n".join(["path,label", *rows]))
    assert command("finetune", "d", *SMALL, "--output", "run")[0] == 0
    (tmp_path / "link").symlink_to("d")
    shutil.copy(tmp_path / "run" / "model.keras", "alone.keras")
    for target, given, images, part in (
        ("run", (), 8, "the fifth of each class that is held out"),
        ("run", ("d",), 8, "the fifth of each class that is held out"),
        ("run", ("link",), 8, "the fifth of each class that is held out"),
        ("run/model.keras", ("d",), 8, "the fifth of each class that is held out"),
        ("run", ("new",), 12, "all of them"),
        ("run", ("new.csv",), 12, "all of them"),
        ("run/model.keras", ("new",), 12, "all of them"),
        ("run", ("parts",), 4, "its test part"),
        ("run", ("parts/test",), 4, "all of them"),
        ("alone.keras", ("new",), 12, "all of them"),
    ):
        code, out, err = command("evaluate", target, *given, "--json")
        assert code == 0, err
        assert json.loads(out)["images"] == images
        assert len(lines(err, f"data: evaluating {images} images: {part}")) == 1
    shutil.copytree(tmp_path / "d", tmp_path / "copy")
    code, out, err = command("evaluate", "run", "copy", "--json")
    assert json.loads(out)["images"] == 40
    assert lines(err, "data: these are as many as run was trained and evaluated on")
    shutil.rmtree(tmp_path / "d")
    code, out, err = command("evaluate", "run", "new", "--json")
    assert json.loads(out)["images"] == 12


def as_earlier(run, folder):
    """Makes a run one of version 0.1, whose classes were sorted as text; nothing else changes."""
    import keras

    old = data.load(folder).in_order(sorted(NAMES))
    config = json.loads((run / "run.json").read_text())
    config["train_fingerprint"] = old.train.fingerprint()
    config["test_fingerprint"] = old.test.fingerprint()
    (run / "run.json").write_text(json.dumps(config))
    if (run / "labels.json").is_file():
        names = json.loads((run / "labels.json").read_text())
        order = [names.index(name) for name in old.label_names]
        model = runs.load_run(run).load_model()
        for variable in model.layers[-1].weights:
            variable.assign(keras.ops.convert_to_numpy(variable)[..., order])
        model.save(run / "model.keras")
        (run / "labels.json").write_text(json.dumps(old.label_names))


def test_runs_of_classes_in_the_order_of_text(command, tmp_path, rng):
    fill(tmp_path / "d", rng)
    fill(tmp_path / "new", rng, 3)
    assert command("finetune", "d", *SMALL, "--output", "run", "--learning-rate", "0.3")[0] == 0
    assert runs.load_run("run").label_names == NAMES
    expected = {
        given: json.loads(command("evaluate", "run", *given, "--json")[1])
        for given in ((), ("d",), ("new",))
    }
    as_earlier(tmp_path / "run", tmp_path / "d")
    assert runs.load_run("run").label_names == ("1", "10", "2", "20")
    for target in ("run", "run/model.keras"):
        for given, wanted in expected.items():
            if not given and target != "run":
                continue
            code, out, err = command("evaluate", target, *given, "--json", "--crop", wanted["crop"])
            assert code == 0, err
            found = json.loads(out)
            assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
            assert found["top_1"] == wanted["top_1"]
            assert found["per_class"] == wanted["per_class"]
    shutil.copy(tmp_path / "run" / "model.keras", "alone.keras")
    code, out, err = command("evaluate", "alone.keras", "new", "--json")
    assert "are taken to be 1, 2, 10, 20, in this order. Earlier versions sorted 10 before 2" in err
    code, out, err = command("export", "run", "--format", "onnx")
    assert "has changed since the run" not in err


def test_a_run_of_that_order_goes_on_in_it(command, tmp_path, rng):
    fill(tmp_path / "d", rng)
    arguments = ("finetune", "d", *SMALL, "--output", "run")
    assert command(*arguments)[0] == 0
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    config["finished"] = False
    for file in (tmp_path / "run").iterdir():
        if file.name != "run.json":
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    (tmp_path / "run" / "run.json").write_text(json.dumps(config))
    as_earlier(tmp_path / "run", tmp_path / "d")
    code, out, err = command(*arguments)
    assert code == 0, err
    assert "run: going on with run" in out
    assert runs.load_run("run").label_names == ("1", "10", "2", "20")
    code, out, err = command("evaluate", "run", "--json")
    assert code == 0, err
    wanted = runs.load_run("run").config["metrics"]["loss"]
    assert json.loads(out)["loss"] == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(wanted)
