"""Pushing into a directory; test_hub.py pushes to a hub."""

import json

import huggingface_hub
import keras
import numpy as np
import pytest
from runs.judged import HOSTILE
from runs.pushable import HOME, pushable

from keras_mixer import Mixer
from keras_mixer.runs import load_run, push
from keras_mixer.runs.directory import finish_run

pytestmark = pytest.mark.once

FILES = {"README.md", "labels.json", "run.json", "model.keras"}


@pytest.fixture
def run(tmp_path, tiny, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    return pushable(tmp_path / "run", model, data=f"{HOME}/cats")


def test_a_directory_is_a_run_that_explains_itself(run, tmp_path, rng):
    done = push(run, tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert {path.name for path in out.iterdir()} == FILES  # No history, nothing temporary.
    assert done.sizes == {path.name: path.stat().st_size for path in out.iterdir()}
    assert huggingface_hub.ModelCard.load(out / "README.md").data.pipeline_tag
    found = load_run(out)
    assert found.label_names == ("blue", "red")
    assert found.config["data"] == "cats"
    assert "alice" not in (out / "run.json").read_text() + (out / "README.md").read_text()
    x = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    expected = load_run(run).load_model().predict(x, verbose=0)
    np.testing.assert_array_equal(found.load_model().predict(x, verbose=0), expected)


def test_an_earlier_push_is_replaced_and_nothing_else(run, tmp_path):
    push(run, tmp_path / "out")
    assert push(run, tmp_path / "out").change.replaced == ()
    assert push(run, tmp_path / "out", license="mit").change.replaced == ("README.md",)
    assert push(tmp_path / "out", tmp_path / "out").change.replaced == ("README.md",)
    (tmp_path / "out" / "model.keras.tmp").touch()  # Left by one that was killed.
    assert push(run, tmp_path / "out", license="mit").change.replaced == ("README.md",)
    (tmp_path / "out" / "mine.txt").touch()
    card = tmp_path / "card"
    card.mkdir()
    (card / "README.md").write_text("mine")
    (tmp_path / "file").touch()
    bare = tmp_path / "bare"  # A run that was never pushed.
    bare.mkdir()
    finish_run(bare, load_run(run).load_model(), load_run(run).config, ("a", "b"))
    for target in (tmp_path / "out", tmp_path / "file", run, bare, card):
        with pytest.raises(FileExistsError, match="something else than an earlier push, and"):
            push(run, target)
    assert (card / "README.md").read_text() == "mine"


def test_arguments(run, tmp_path):
    for options in ({"private": True}, {"revision": "main"}, {"message": "x"}):
        with pytest.raises(ValueError, match="are for hf://user/name"):
            push(run, tmp_path / "out", **options)
    for license in ("Apache 2.0", "", "MIT\nx: y"):
        with pytest.raises(ValueError, match="is no short name of the hub, such as apache"):
            push(run, tmp_path / "out", license=license)
    with pytest.raises(ValueError, match="must say something"):
        push(run, "hf://user/name", message=" ")
    with pytest.raises(ValueError, match="is no name of a branch"):
        push(run, "hf://user/name", revision="../x")
    (run / "run.json").write_text(json.dumps({"finished": False}))
    with pytest.raises(FileNotFoundError, match="has not finished"):
        push(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_with_code_in_it_is_not_pushed(run, tmp_path):
    layers = [keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(2)]).save(run / "model.keras")
    with pytest.raises(ValueError, match="is refused: it has __lambda__"):
        push(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_any_names(run, tmp_path, tiny):
    names = HOSTILE[:-1]  # Without the empty one.
    Mixer(tiny, weights=None, classes=len(names)).save(run / "model.keras")
    (run / "labels.json").write_text(json.dumps(names))
    config = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(config | {"data": HOSTILE[-2]}))
    push(run, tmp_path / "out")
    assert load_run(tmp_path / "out").label_names == names
