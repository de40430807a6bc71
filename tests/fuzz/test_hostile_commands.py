"""Every command that takes a model, on one that came from anywhere; and what never leaves."""

import json
import shutil
import sys

import keras
import pytest
from fuzz import hostile
from hub import Commit
from runs.pushable import pushable

from keras_mixer import Mixer
from keras_mixer.runs import push

# Of huggingface_hub 2.4.0, where it uploads without Xet.
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]
CANARY = "hf_canaryTokenThatMustNeverShow"


@pytest.fixture
def bad(tmp_path, tiny):
    """A Mixer with a true Lambda, which would make the folder `marker`, at its head."""
    marker = tmp_path / "marker"
    model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)
    model.save(tmp_path / "good.keras")

    def change(config):
        payload = hostile.payloads(marker)["bare lambda"]
        config["config"]["layers"][-1]["config"]["activation"] = payload

    yield hostile.with_config(tmp_path / "good.keras", tmp_path / "bad.keras", change)
    assert not marker.exists()


def check_refused(result, path):
    code, out, err = result
    assert (code, out) == (1, ""), err
    *_, line = err.splitlines()
    assert line.startswith(f"Error: {path} is refused: it has __lambda__")
    assert "Traceback" not in err


def test_a_keras_file(run_command, bad, image_folder, tmp_path):
    for arguments in (
        ("evaluate", bad, image_folder),
        ("export", bad, "--format", "onnx"),
        ("serve", bad, "--port", 0),
        ("visualize", bad),
        ("fewshot", image_folder, "--model", bad),
    ):
        check_refused(run_command(*arguments), bad)
    assert {path.name for path in tmp_path.iterdir()} <= {
        *("good.keras", "bad.keras", "pictures", "visualize")
    }


def test_the_directory_of_a_run_and_one_of_the_hub(
    run_command, bad, image_folder, tmp_path, hub, monkeypatch
):
    """A directory may have been downloaded, so it is not trusted more than the hub."""
    run = pushable(tmp_path / "run", keras.saving.load_model(tmp_path / "good.keras"))
    push(run, "hf://user/bad")
    shutil.copy(bad, run / "model.keras")
    repository = hub.repositories["user/bad"]
    files = repository.at("main").files | {"model.keras": bad.read_bytes()}
    repository.add("main", Commit(files, repository.branches["main"]))
    picture = next(image_folder.rglob("*.png"))
    for target in (run, "hf://user/bad"):
        for arguments in (
            ("predict", target, picture),
            ("predict", target, image_folder, "--output", tmp_path / "out.csv"),
            ("serve", target, "--port", 0),
            ("export", target, "--format", "onnx"),
            ("visualize", target),
        ):
            code, out, err = run_command(*arguments)
            assert (code, out) == (1, "")
            assert "model.keras is refused: it has __lambda__" in err.splitlines()[-1]
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("config", [b"[]", b"{}", b'{"finished": true}', b"[" * 100_000, b"\xff"])
def test_a_run_of_other_contents(run_command, tmp_path, tiny, config):
    run = pushable(tmp_path / "run", Mixer(tiny, weights=None, classes=2))
    (run / "run.json").write_bytes(config)
    for arguments in (("predict", run, run), ("evaluate", run), ("push", run, tmp_path / "out")):
        code, _, err = run_command(*arguments)
        assert code == 1
        assert "run" in err.splitlines()[-1]
        assert "Traceback" not in err


def test_weights_from_a_file(run_command, bad, tmp_path, image_folder):
    """Arrays alone are read of it, whatever else it holds."""
    npz = hostile.npz_with_pickle(tmp_path / "bad.npz", tmp_path / "marker")
    code, out, err = run_command("serve", "mixer_ti4", "--weights", npz, "--port", 0)
    assert (code, out) == (1, "")
    assert f"{npz} is not a readable .npz file: stem/kernel.npy holds pickled" in err
    code, out, err = run_command("serve", "mixer_ti4", "--weights", bad, "--port", 0)
    assert (code, out) == (1, "")
    assert f"Error: {bad} was trained on 2x3 tokens" in err


def test_modules_of_the_working_directory_are_not_imported(run_command, tmp_path, monkeypatch):
    """It may be a folder of downloads; only `package.module:factory` is looked for there."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "onlyhere.py").write_text("import os; os.mkdir('marker')")
    run_command("evaluate", "mixer_ti4", tmp_path, "--weights", "none")
    run_command("benchmark", "nothing")
    assert str(tmp_path) not in sys.path
    assert not (tmp_path / "marker").exists()


def test_a_token_shows_nowhere(hub, run_command, tmp_path, tiny, monkeypatch, caplog):
    """Not even where the server says it in each of its answers."""
    run = pushable(tmp_path / "run", Mixer(tiny, weights=None, classes=2))
    said = []

    def command(*arguments):
        code, out, err = run_command(*arguments)
        said.append(out + err)
        return code

    assert command("push", run, "hf://user/name") == 0
    assert command("push", run, tmp_path / "local") == 0
    assert command("predict", "hf://user/name", tmp_path / "local") != 0
    monkeypatch.setenv("HF_TOKEN", CANARY)
    (tmp_path / "token").write_text(CANARY)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    for status in (None, 400, 401, 403, 404, 418, 429):
        hub.answer = status
        assert command("push", run, "hf://user/name") == 1
        assert command("predict", "hf://user/other", tmp_path / "local") == 1
        weights = ("weights", "download", "timm/mixer_b16_224.goog_in21k", "--model", "mixer_b16")
        assert command(*weights) == 1
    text = "".join(said) + caplog.text
    assert CANARY not in text
    hub.answer = None
    pushed = b"".join(hub.files("user/name").values())
    written = b"".join(
        path.read_bytes()
        for folder in ("run", "local")
        for path in (tmp_path / folder).rglob("*")
        if path.is_file()
    )
    assert CANARY.encode() not in pushed + written
    assert "HF_TOKEN" not in json.dumps(json.loads((run / "run.json").read_text()))
