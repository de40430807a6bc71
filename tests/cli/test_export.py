"""`keras-mixer export`, in this process."""

import json

import keras
import pytest

import keras_mixer
from keras_mixer import export

BACKEND = keras.backend.backend()
on_a_writer = pytest.mark.skipif(
    not any(BACKEND in row.writers for row in export.FORMATS.values()),
    reason="writes nothing itself",
)


@pytest.fixture
def saved(tiny, randomize, tmp_path):
    """A model in a file."""
    model = keras_mixer.Mixer(tiny, weights=None, classes=10, classifier_activation=None)
    path = tmp_path / "mine.keras"
    randomize(model).save(path)
    return path


@on_a_writer
def test_a_run(run_command, image_folder, tmp_path):
    """Compared on its held-out images, as its recipe brings them to size; beside its model."""
    small = ("--model", "mixer_ti4", "--weights", "none", "--steps", "5", "--batch-size", "4")
    run = tmp_path / "run"
    code, _, err = run_command("finetune", image_folder, *small, "--quiet", "--output", run)
    assert code == 0, err
    code, out, err = run_command("export", run, "--format", "onnx", "--preprocessing")
    assert code == 0, err
    assert "ONNX, compared on 4 images" in out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("  onnx")]
    assert row[:2] == ["onnx", "none"]
    assert row[6:8] == ["100.00", "%"]
    assert row[8:10] == row[10:12]
    about = json.loads((run / "model.onnx.json").read_text())
    assert about["labels"] == ["blue", "red"]
    crop = json.loads((run / "run.json").read_text())["recipe"]["evaluation_crop"]
    assert about["input"]["crop"] == crop
    code, _, err = run_command("export", run, "--format", "onnx")
    assert (code, err.count("\n")) == (1, 2)
    assert "model.onnx exists already" in err


@on_a_writer
def test_a_mismatch_fails_and_keeps_the_file(run_command, saved, image_folder, tmp_path):
    """No two programs agree to the last bit."""
    (image_folder / "._hidden.png").write_text("not a picture, and not looked at")
    pictures = ("--images", image_folder, "--limit", "5")
    arguments = ("export", saved, "--format", "onnx", *pictures, "--tolerance", "0")
    code, out, err = run_command(*arguments)
    assert code == 1
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith(
        f"Error: {tmp_path}/mine.onnx is not what the Keras model is: it differs"
    )
    assert last.endswith("on 5 images; 0 is allowed. It is kept.")
    assert (tmp_path / "mine.onnx").is_file()
    assert (tmp_path / "mine.onnx.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("mixer_b16", "--format", "onnx"),
            2,
            "'mixer_b16' does not exist. It takes the direct",
        ),
        (("FILE", "--format", "onnx"), 2, "is no run, which would have pictures of its own: give"),
        (("FILE", "--format", "onnx", "--images", "empty"), 2, "empty holds no images"),
        (("FILE", "--format", "torch", "--quantize", "int8"), 1, "is not written in int8"),
    ],
)
def test_refused(arguments, code, message, run_command, saved, tmp_path):
    (tmp_path / "empty").mkdir()
    arguments = [str(saved) if one == "FILE" else one for one in arguments]
    got, out, err = run_command("export", *arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.skipif(BACKEND != "jax", reason="others write some formats themselves")
def test_jax_without_what_writes(run_command, saved, image_folder):
    """One line that says what to install, where it is not there."""
    from keras_mixer.export.another_backend import check_installed

    try:
        check_installed(export.FORMATS["tf_saved_model"])
    except ModuleNotFoundError:
        pass
    else:
        pytest.skip("TensorFlow is installed")
    code, _, err = run_command(
        "export", saved, "--format", "tf_saved_model", "--images", image_folder
    )
    assert code == 1
    assert err.splitlines()[1:] == [
        "Error: SavedModel needs tensorflow, not installed here. "
        'Run: pip install "keras-mixer[tensorflow]"'
    ]
