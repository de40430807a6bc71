"""What is no model, or one whose names are not its own, is refused by every command in one line."""

import json

import pytest
from runs.pushable import pushable

from keras_mixer import Mixer, runs, serving

pytestmark = pytest.mark.once

BAD = {
    "one too many": (["first", "blue", "red"], r"has 3 names and the model has 2 classes"),
    "one too few": (["blue"], r"has 1 names and the model has 2 classes"),
    "none": ([], r"has 0 names and the model has 2 classes"),
    "two alike": (["blue", "blue"], r"gives the classes 0 and 1 the same name, 'blue'"),
    "an empty one": (["blue", " "], r"a text that is not empty. Received for class 1: ' '"),
    "a number": ([0, 1], r"a text that is not empty. Received for class 0: 0"),
    "one text": ("ab", r"must be a list of names of classes. Received: 'ab'"),
    "by number": ({"0": "blue", "1": "red"}, r"must be a list of names of classes"),
}


@pytest.fixture
def run(tmp_path, tiny, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    return pushable(tmp_path / "run", model)


@pytest.mark.parametrize("bad", BAD)
def test_a_run_does_not_load(run, bad):
    names, message = BAD[bad]
    (run / "labels.json").write_text(json.dumps(names))
    with pytest.raises(ValueError, match=rf"^{run}/labels\.json .*{message}"):
        runs.load_run(run).load_model()


@pytest.mark.parametrize("bad", BAD)
def test_names_by_hand_are_held_to_the_same(run, bad):
    names, message = BAD[bad]
    with pytest.raises(ValueError, match=message):
        serving.Classifier(runs.load_known_model(run / "model.keras"), names)


COMMANDS = {
    "predict": ("predict", "RUN", "pictures"),
    "predict to a file": ("predict", "RUN", "pictures", "--output", "p.csv"),
    "evaluate": ("evaluate", "RUN", "pictures"),
    "fewshot": ("fewshot", "pictures", "--model", "RUN", "--shots", "1"),
    "export": ("export", "RUN", "--format", "onnx", "--images", "pictures"),
    "serve": ("serve", "RUN", "--port", "0"),
    "web": ("web", "RUN", "--port", "0"),
    "visualize": ("visualize", "RUN"),
    "push": ("push", "RUN", "out"),
}


@pytest.mark.parametrize("bad", ["one too many", "two alike"])
def test_every_command_refuses(run_command, run, image_folder, tmp_path, bad):
    (run / "labels.json").write_text(json.dumps(BAD[bad][0]))
    before = sorted(tmp_path.rglob("*"))
    for command, arguments in COMMANDS.items():
        code, out, err = run_command(*(run if a == "RUN" else a for a in arguments))
        assert code == 1, (command, out, err)
        last = err.splitlines()[-1]
        if not (command == "evaluate" and "pictures has the classes" in last):
            assert last.startswith(f"Error: {run}/labels.json "), (command, err)
        assert "blue" not in out, command
        assert sorted(tmp_path.rglob("*")) == before, command


FILE, FOLDER, GONE = "notes.txt", "empty", "gone"
SAID = {
    FILE: "'notes.txt' is a file of another kind. It takes the directory of a run",
    FOLDER: "empty is not the directory of a run: it has no run.json.",
    GONE: "'gone' does not exist. It takes the directory of a run",
}


@pytest.mark.parametrize("target", SAID)
def test_what_is_no_run_is_told_what_is_taken(run_command, image_folder, tmp_path, target):
    (tmp_path / FILE).write_text("x")
    (tmp_path / FOLDER).mkdir()
    for command, arguments in COMMANDS.items():
        code, _, err = run_command(*(target if a == "RUN" else a for a in arguments))
        assert code == (1 if target == FOLDER else 2), (command, err)
        last = err.splitlines()[-1]
        if command == "visualize" and target != FOLDER:
            assert f"{target} is no run directory and no .keras file" in last
        else:
            assert SAID[target] in last, (command, err)


def test_the_model_of_a_run_by_its_file(run_command, run, image_folder):
    """`predict` takes it, with numbers for the names; `push` names the directory."""
    rows = {}
    for target in (run, run / "model.keras"):
        code, out, err = run_command("predict", target, "pictures", "--json", "--top", "2")
        assert code == 0, err
        rows[target] = [json.loads(line)["probabilities"] for line in out.splitlines()]
    named, numbered = rows.values()
    assert len(named) == 20
    numbers = {"blue": "0", "red": "1"}
    assert set(numbered[0]) == {"0", "1"}
    for one, other in zip(named, numbered, strict=True):  # Of a run another crop is taken.
        assert {numbers[name] for name in one} == set(other)
    code, _, err = run_command("predict", run / "model.keras", "pictures", "--output", "p.csv")
    assert code == 0, err
    code, _, err = run_command("push", run / "model.keras", "out")
    assert code == 2
    assert f"hf://user/name[@revision]. The run is {run}." in err.splitlines()[-1]
