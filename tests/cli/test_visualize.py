"""`keras-mixer visualize`, in this process."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import keras_mixer
import keras_mixer_cli
from keras_mixer import visualize as library
from keras_mixer.runs.directory import finish_run, write_config
from keras_mixer.weights import find
from keras_mixer_cli.visualize import visualize

pytestmark = pytest.mark.once


@pytest.fixture
def run_command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(keras_mixer_cli.commands.commands, "visualize", visualize)

    def run(*arguments):
        code = keras_mixer_cli.main(["visualize", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def small(tiny, monkeypatch):
    """An architecture that `--model` knows."""
    spec = dataclasses.replace(tiny, name="small", num_layers=4)
    monkeypatch.setitem(keras_mixer.SPECS, "small", spec)
    return spec


@pytest.fixture
def model(small, randomize):
    return randomize(keras_mixer.Mixer(small, weights=None, classes=2, classifier_activation=None))


@pytest.fixture
def trained(model, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    config = {"recipe": {"evaluation_crop": "resize"}}
    write_config(run, config)
    finish_run(run, model, config, ("cat $x$", "日本語"))
    return run


@pytest.fixture
def picture(tmp_path, rng):
    path = tmp_path / "a $cat$ 日.png"
    Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype="uint8")).save(path)
    return path


@pytest.fixture
def shown(monkeypatch):
    """The figures that the command makes, with their arguments."""
    made = []

    def watched(draw):
        def make(*arguments):
            made.append((draw(*arguments), arguments))
            return made[-1][0]

        return make

    for name in ("units_figure", "stem_figure", "occlusion_figure"):
        monkeypatch.setattr(library, name, watched(getattr(library, name)))
    return made


def test_a_run_is_drawn_into_its_directory(run_command, trained, model, picture, shown):
    code, out, err = run_command(trained, "--image", picture, "--units", "4")
    assert code == 0, err
    names = [f"token_mixing_block_{i}" for i in range(3)] + ["stem", f"occlusion_{picture.stem}"]
    files = [trained / "visualize" / f"{name}.png" for name in names]
    assert out.splitlines() == [f"saved: {file}" for file in files]
    assert sorted((trained / "visualize").iterdir()) == sorted(files)
    for file in files:
        with Image.open(file) as image:
            image.load()
    for block, (figure, (units, *_)) in enumerate(shown[:3]):
        np.testing.assert_array_equal(units, library.token_mixing_units(model, block))
        title = figure.axes[0].get_title()
        assert title.startswith(f"small, block {block}: incoming weights")
        assert title.endswith("the first 4 of 6 units")
    np.testing.assert_array_equal(shown[3][1][0], library.stem_units(model))
    expected = library.occlusion(model, str(picture), crop="resize")
    np.testing.assert_allclose(shown[4][1][0].drops, expected.drops, atol=1e-5)
    name = ('"cat $x$"', '"#1 ')[expected.label]
    assert f"probability of {name}" in shown[4][0].get_suptitle()


def test_a_model_in_a_file_is_drawn_here(run_command, model, tmp_path):
    model.save("w.keras")
    code, out, err = run_command("w.keras", "--blocks", "0")
    assert code == 0, err
    assert out.splitlines()[-1] == "saved: visualize/stem.png"
    assert (tmp_path / "visualize" / "stem.png").is_file()


def test_weights_with_their_architecture(run_command, model, tmp_path, picture, shown):
    model.save("w.keras")
    keras_mixer.weights.convert(tmp_path / "w.keras", tmp_path / "w.safetensors")
    arguments = ("w.safetensors", "--model", "small", "--gelu", "tanh", "--blocks", "3,1")
    code, out, err = run_command(*arguments, "--image", picture)
    assert code == 0, err
    names = ["token_mixing_block_3", "token_mixing_block_1", "stem", f"occlusion_{picture.stem}"]
    assert out.splitlines() == [f"saved: visualize/{name}.png" for name in names]
    np.testing.assert_array_equal(shown[0][1][0], library.token_mixing_units(model, 3))
    assert "probability of class " in shown[-1][0].get_suptitle()
    code, out, err = run_command(*arguments, "--output", "pictures/of_weights")
    assert code == 0, err
    assert out.splitlines()[-1] == "saved: pictures/of_weights/stem.png"


def test_classes_of_published_weights_have_names(run_command, monkeypatch, small, picture, shown):
    """On a small model in the place of the published one."""

    def mixer(spec, include_top, weights, gelu_approximate):
        assert (spec.name, include_top, weights) == ("mixer_b16", True, "imagenet")
        net = keras_mixer.models.Mixer(small, weights=None, classes=1000)
        net.mixer_weights = find("imagenet", "mixer_b16")
        return net

    monkeypatch.setattr(keras_mixer, "Mixer", mixer)
    names = tuple((f"n{i}", f"kind {i}") for i in range(1000))
    monkeypatch.setattr(keras_mixer.weights, "class_names", {1000: names}.get)
    code, _, err = run_command("imagenet", "--model", "mixer_b16", "--image", picture)
    assert code == 0, err
    assert 'probability of "kind 0" (0.1%)' in shown[-1][0].get_suptitle()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Missing argument 'TARGET'"),
        (("run", "--blocks", "1,x"), 2, "Received: 'x'"),
        (("run", "--blocks", "0,4"), 1, "one of the 4 of small, 0 to 3. Received: 4"),
        (("run", "--units", "0"), 2, "It must be a whole number from 1"),
        (("run", "--model", "small"), 2, "a run knows its own"),
        (("run", "--image", "bad.png"), 1, "Cannot read bad.png: not a picture of a known format"),
        (("run", "--image", "none.png"), 2, "'none.png' does not exist"),
        (("run", "--image", "bad.png", "--image", "bad.png"), 2, "Two files are called 'bad'"),
        ((".",), 1, "not the directory of a run: it has no run.json"),
        (("w.npz",), 2, "With weights its architecture must be named"),
        (("w.keras", "--model", "b16"), 2, "one of: mixer_s32, .* Received: b16"),
        (("w.keras", "--model", "mixer_b16"), 1, "names a file that does not exist: w.keras"),
        (("petz", "--model", "mixer_b16"), 1, "petz"),
    ],
)
def test_wrong_input_is_one_line(run_command, trained, arguments, code, message, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    got, out, err = run_command(*arguments)
    assert got == code, err
    text = " ".join(err.split())
    assert all(part in text for part in message.split(".*"))
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
    assert "saved" not in out
    assert not (trained / "visualize").exists()
