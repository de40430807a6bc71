"""`keras-mixer evaluate` on runs, models and predictions, in this process."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import keras_mixer_cli
from keras_mixer.evaluation import Predictions, real

pytestmark = pytest.mark.once

BACKEND = keras.backend.backend()
CROPS = ("--crop", "resize_crop", "--crop", "resmall_crop")
IDS = ("n01440764", "n01443537")
SMALL = ("--model", "mixer_ti4", "--weights", "none", "--steps", "20", "--batch-size", "8")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A folder of pictures named like ImageNet's validation images, and a run on it."""
    folder = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(0)
    for name, channel in zip(IDS, (0, 2), strict=True):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 60, (32, 40, 3), dtype="uint8")
            pixels[..., channel] += 180
            file = f"ILSVRC2012_val_{5 * channel + i + 1:08}.JPEG"
            Image.fromarray(pixels).save(folder / "pictures" / name / file)
    arguments = ("finetune", folder / "pictures", *SMALL, "--quiet", "--output", folder / "run")
    assert keras_mixer_cli.main([str(argument) for argument in arguments]) == 0
    return folder


@pytest.fixture
def command(run_command):
    return lambda *arguments: run_command("evaluate", *arguments)


def test_another_folder_of_that_name_overwrites_nothing(judged, command, tmp_path):
    run = shutil.copytree(judged / "run", tmp_path / "run")
    shutil.copytree(judged / "pictures", tmp_path / "other" / "pictures")
    folders = [judged / "pictures", tmp_path / "other" / "pictures"]
    for folder in [*folders, *folders]:
        code, _, err = command(run, folder)
        assert code == 0, err
    written = (run / "evaluation").glob("*/evaluation.json")
    assert sorted(json.loads(file.read_text())["data"] for file in written) == sorted(
        map(str, folders)
    )


def test_a_run_and_its_predictions(judged, command, tmp_path):
    """Both crops side by side; the files that are written hold the same, without the model."""
    run = judged / "run"
    code, out, err = command(run, *CROPS, "--predictions", "new/p.npz")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines()]
    for row in (
        ["all", "resize_crop", "resmall_crop"],
        [IDS[0], *["100.00", "%"] * 2],
        ["top-1", *["100.00", "%"] * 2],
        ["images", "4", "4"],
    ):
        assert row in rows
    assert {"loss", "ECE"} < {row[0] for row in rows if row}
    assert "ReaL" not in out
    config = json.loads((run / "run.json").read_text())
    for crop in CROPS[1::2]:
        folder = run / "evaluation" / f"pictures-{crop}"
        assert f"saved: {folder}" in err
        assert sorted(file.name for file in folder.iterdir()) == [
            *("confusion.png", "evaluation.json", "reliability.png"),
        ]
        for name in ("confusion.png", "reliability.png"):
            with Image.open(folder / name) as picture:
                assert min(picture.size) > 640
        written = json.loads((folder / "evaluation.json").read_text())
        assert (written["images"], written["top_1"], written["top_5"]) == (4, 1.0, None)
        assert written["per_class"] == {IDS[0]: 1.0, IDS[1]: 1.0}
        assert (written["backend"], written["crop"]) == (BACKEND, crop)
        assert sum(written["calibration"]["images"]) == 4
        code, out, said = command(f"new/p-{crop}.npz", "--json")
        assert code == 0, said
        assert json.loads(out) == written
        assert "saved" not in said
    assert written["loss"] == pytest.approx(config["metrics"]["loss"])
    code, out, err = command("new/p-resize_crop.npz", "--output", "out")
    assert code == 0, err
    assert (tmp_path / "out" / "pictures-resize_crop" / "confusion.png").is_file()


def test_json_has_a_line_for_each_crop(judged, command):
    code, out, err = command(judged / "run", judged / "pictures", *CROPS, "--json")
    assert code == 0, err
    assert [json.loads(line)["crop"] for line in out.splitlines()] == list(CROPS[1::2])


def test_other_models(judged, command, tmp_path):
    """A file of Keras, a name with a file of weights, a factory; no pictures unless asked for."""
    model = judged / "run" / "model.keras"
    expected = json.loads(command(judged / "run", "--crop", "resize", "--json")[1])
    for target in ((model,), ("mixer_ti4", "--weights", model)):
        code, out, err = command(*target, judged / "pictures", "--crop", "resize", "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["model"].startswith(str(target[0]))
        assert found["loss"] == pytest.approx(expected["loss"])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "factories_of_a_test.py").write_text(
        "import keras\n"
        "def make(input_shape, classes):\n"
        "    x = keras.Input(input_shape)\n"
        "    y = keras.layers.GlobalAveragePooling2D()(x)\n"
        "    return keras.Model(x, keras.layers.Dense(classes)(y))\n"
    )
    code, out, err = command("factories_of_a_test:make", judged / "pictures", "--json")
    assert code == 0, err
    assert (json.loads(out)["crop"], json.loads(out)["images"]) == ("resmall_crop", 20)


def test_real(judged, command, monkeypatch, tmp_path):
    """As if ImageNet had two classes and twenty validation images."""
    monkeypatch.setattr(real, "CLASSES", 2)
    monkeypatch.setattr(real, "IMAGES", 20)
    labels = [[0, 1]] * 10 + [[0]] * 10
    (tmp_path / "real.json").write_text(json.dumps(labels))
    options = ("--real-labels", "real.json", "--predictions", "p.npz")
    code, out, err = command(judged / "run", *options, "--json")
    assert code == 0, err
    assert json.loads(out)["real"] == {"images": 4, "top_1": 0.5}
    labels[10:] = [[]] * 10
    (tmp_path / "real.json").write_text(json.dumps(labels))
    code, out, err = command("p.npz", "--real", "--real-labels", "real.json")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines()]
    assert ["ReaL", "top-1", "100.00", "%"] in rows
    assert ["ReaL", "images", "2"] in rows


def test_of_many_classes_the_worst_are_shown(command, rng):
    probabilities = np.full((120, 60), 0.01)
    labels = np.arange(120) % 60
    probabilities[np.arange(120), np.where(labels == 37, 1, labels)] = 0.4
    names = [f"class {i}" for i in range(60)]
    Predictions(probabilities, labels, [str(i) for i in range(120)], names).save("p.npz")
    code, out, err = command("p.npz")
    assert code == 0, err
    assert "The 20 of 60 classes with the lowest top-1" in out
    shown = [line.split()[1] for line in out.splitlines() if line.endswith("%  ")][:20]
    assert (len(shown), shown[:2]) == (20, ["37", "0"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "digits"], 2, "'nowhere' does not exist. It takes the directory of a run"),
        (["vit_b16", "digits"], 2, "or a Mixer by name with --weights"),
        (["mixer_ti4", "digits"], 2, "mixer_ti4 needs --weights"),
        (["mixer_ti4", "--weights", "none"], 2, "what to judge mixer_ti4 on"),
        (["model.keras"], 2, "Missing argument 'DATA'"),
        (["mixer_ti4", "digits", "--weights", "none"], 1, "has 1000 classes and digits has 10"),
        (["mixer_b16", "petz", "--weights", "none"], 2, "'petz' is neither a data set"),
        (["run", "--weights", "imagenet"], 2, "run has its own weights: leave out --weights"),
        (["run", "digits"], 1, "digits has the classes 0, 1, 2, 3, 4 and 5 more and the run"),
        (["nowhere.npz"], 1, "No such file or directory: 'nowhere.npz'"),
        (["weights.npz"], 1, "weights.npz is not a file of predictions, or is damaged"),
        (["p.npz", "digits", "--crop", "resize"], 2, "leave out DATA, --crop"),
        (["run", "--predictions", "p.txt"], 2, "'p.txt' must end in .npz"),
        (["run", "--real"], 1, "KERAS_MIXER_OFFLINE is set"),
        (["run", "--real-labels", "run/run.json"], 1, "run/run.json holds no ReaL labels"),
        (["run", "--real-labels", "real.json"], 1, "ReaL takes ImageNet's 1000 classes"),
        (["run", "--crop", "middle"], 2, "'middle' is not one of"),
    ],
)
def test_wrong_input_is_one_line(judged, command, tmp_path, arguments, code, message):
    (tmp_path / "run").symlink_to(judged / "run")
    np.savez(tmp_path / "weights.npz", kernel=np.zeros(3))
    if "real.json" in arguments:
        (tmp_path / "real.json").write_text(json.dumps([[0]] * 50_000))
    got, out, err = command(*arguments)
    assert message in " ".join(err.split())
    assert got == code
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
    assert "Traceback" not in out + err


def test_other_pictures_than_those_of_the_run(judged, command, tmp_path):
    """Said for the data of the run; named, they are judged as they are."""
    shutil.copytree(judged, tmp_path / "copy")
    (tmp_path / "copy" / "pictures").rename(tmp_path / "pictures")
    config = json.loads((tmp_path / "copy" / "run" / "run.json").read_text())
    config["data"] = str(tmp_path / "pictures")
    (tmp_path / "copy" / "run" / "run.json").write_text(json.dumps(config))
    code, _, err = command(tmp_path / "copy" / "run")
    assert code == 1
    assert "has changed since the run" in err
    code, _, err = command(tmp_path / "copy" / "run", tmp_path / "pictures")
    assert code == 0, err
