"""`keras-mixer push`, and the commands that take what it has pushed."""

import pytest
from hub import TOKEN
from huggingface_hub import constants
from runs.pushable import pushable

from keras_mixer import Mixer

# Of huggingface_hub 2.4.0, where it uploads without Xet.
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


@pytest.fixture
def run(tmp_path, tiny, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    return pushable(tmp_path / "run", model)


def test_pushed_and_used(hub, run, run_command, image_folder, tmp_path):
    """Every command gives the same for the name on the hub as for the directory."""
    name = "hf://user/name"
    code, out, err = run_command("push", run, name, "--private", "--license", "mit")
    assert code == 0, err
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *("README.md", "labels.json", "run.json", "model.keras", "pushed"),
    ]
    commit = hub.repositories["user/name"].branches["main"]
    assert lines[-1] == f"pushed: {hub.url}/user/name, commit {commit[:8]}"
    code, out, err = run_command("push", run, name, "--message", "Without licence")
    assert "replaced: README.md; hf://user/name's history keeps what they were" in out
    assert hub.repositories["user/name"].at("main").message == "Without licence"
    picture = image_folder / "red" / "0.png"
    picture = picture if picture.exists() else picture.with_suffix(".jpg")
    for command in (
        ("predict", "RUN", picture, "--json"),
        ("evaluate", "RUN", image_folder, "--json"),
        ("fewshot", image_folder, "--model", "RUN", "--shots", "5", "--json"),
    ):
        results = []
        for target in (run, name):
            arguments = [target if word == "RUN" else word for word in command]
            code, out, err = run_command(*arguments)
            assert code == 0, err
            results.append(out.replace(str(target), ""))
        assert results[0] == results[1]
    for command in (("weights", "convert", name, "x.npz"), ("visualize", name, "--blocks", "0")):
        code, out, err = run_command(*command)
        assert code == 0, err
    assert (tmp_path / "x.npz").is_file()
    assert (tmp_path / "visualize" / "stem.png").is_file()
    snapshots = tmp_path / "cache" / "models--user--name" / "snapshots"
    kept = {file.name for folder in snapshots.iterdir() for file in folder.iterdir()}
    assert kept == {"model.keras", "labels.json", "run.json"}  # Nothing was written in the cache.
    code, out, err = run_command("evaluate", name, "--weights", "none")
    assert (code, "leave out --weights" in err) == (2, True)


@pytest.mark.parametrize("data", ["tfds:mnist", "/etc", "pictures"])
def test_who_pushed_a_run_does_not_choose_what_is_loaded(
    data, hub, tmp_path, tiny, run_command, image_folder
):
    run = pushable(tmp_path / "run", Mixer(tiny, weights=None, classes=2), data)
    assert run_command("push", run, "hf://user/name")[0] == 0
    for command in (("evaluate", "hf://user/name"), ("export", "hf://user/name", "--format=onnx")):
        code, out, err = run_command(*command)
        assert (code, out) == (2, "")
        assert "`keras-mixer datasets` does not list: give" in " ".join(err.split())


def test_into_a_directory(run, run_command, tmp_path):
    code, out, err = run_command("push", run, "out")
    assert code == 0, err
    assert out.splitlines()[-1] == "pushed: out"
    code, out, err = run_command("push", run, "out", "--license", "mit")
    assert "replaced: README.md\n" in out
    (tmp_path / "out" / "x").touch()
    code, out, err = run_command("push", run, "out")
    assert code == 1
    assert err.splitlines()[-1].startswith("Error: out holds something else than an earlier push")


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_errors_are_one_line_without_the_token(hub, run, run_command, debug, monkeypatch):
    """--debug shows tracebacks, through `main` or from Python."""
    for status in (401, 403, 500):
        hub.answer = status
        for command in (("push", run, "hf://user/name"), ("predict", "hf://user/name", run / "x")):
            if command[0] == "predict":
                (run / "x").touch()
            try:
                code, out, err = run_command(*command, *debug)
            except OSError as error:
                code, out, err = 1, "", f"\n{error}"
            assert code == 1
            assert str(status) in err.splitlines()[-1]
            assert len(err.splitlines()) == 2
            assert TOKEN not in out + err


def test_usage(run, run_command, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    code, _, err = run_command("predict", "hf://name", run / "run.json")
    assert code == 1
    assert "'hf://name' is not hf://user/name or hf://user/name@revision" in err
    code, _, err = run_command("predict", "hf://user/name", run / "run.json")
    assert code == 1
    assert "not in the cache, and KERAS_MIXER_OFFLINE forbids the network" in err
    code, _, err = run_command("push", run, "out", "--private")
    assert "are for hf://user/name" in err
    code, _, err = run_command("push", "nowhere", "out")
    assert (code, "does not exist" in err) == (2, True)
