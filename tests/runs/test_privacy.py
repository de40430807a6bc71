import copy
import getpass
import json
import pathlib
import socket

import pytest
from runs.pushable import HOME, pushable

from keras_mixer import Mixer
from keras_mixer.runs.directory import read_config
from keras_mixer.runs.privacy import last_part, without_private

pytestmark = pytest.mark.once


@pytest.fixture
def someone(monkeypatch):
    """This computer is called otter.example.org and its user alice."""
    monkeypatch.setattr(socket, "gethostname", lambda: "otter.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(pathlib.Path, "home", lambda: pathlib.Path("/home/alice"))


def test_nothing_of_this_computer_is_left(tiny, tmp_path, someone):
    path = pushable(
        tmp_path / "run",
        Mixer(tiny, weights=None, classes=2),
        data=f"{HOME}/cats of alice",
        note="alice@otter.example.org saw C:\\Users\\alice\\x.png and file:///srv/otter/y in ~/z",
        runs=[{"where": "/mnt/alice"}, 3, None],
    )
    config = read_config(path)
    before = copy.deepcopy(config)
    clean = without_private(config)
    assert config == before
    text = json.dumps(clean)
    for secret in ("alice", "otter", "example", "/home", "my pictures", "Users", "/mnt", "/srv"):
        assert secret not in text, secret
    assert clean["data"] == clean["request"]["data"] == "cats of user"
    assert clean["command"] == "keras-mixer finetune cats --output=run --data-dir tfds"
    assert clean["weights"] == "loaded 54 arrays from model.keras; new, at zero: head/kernel"
    assert clean["recipe"]["weights"] == "model.keras"
    assert clean["note"] == "user@host saw x.png and y in z"
    assert clean["runs"] == [{"where": "user"}, 3, None]


def test_everything_else_stays(tiny, tmp_path, someone, monkeypatch):
    path = pushable(tmp_path / "run", Mixer(tiny, weights=None, classes=2))
    config = read_config(path)
    clean = without_private(config)
    changed = {key for key in config if clean[key] != config[key]}
    assert changed == {"command", "recipe", "request", "weights"}
    assert {k for k in config["recipe"] if clean["recipe"][k] != config["recipe"][k]} == {"weights"}
    # Who is called like a choice of the recipe or a data set changes none of them.
    for name in ("sgd", "digits", "cosine"):
        monkeypatch.setattr(getpass, "getuser", lambda name=name: name)
        again = without_private(config)
        assert again["recipe"] == clean["recipe"]
        assert again["data"] == "digits"


def test_paths_with_spaces_in_brackets(someone):
    for place in (
        "/mnt/Acme Merger/Jane Doe/keras/Mixer-B_16.npz",
        "C:\\Users\\Jane Doe\\Mixer-B_16.npz",
        "~/Jane Doe/Mixer-B_16.npz",
        "/mnt/Jane Doe (Acme)/keras (1)/Mixer-B_16.npz",
        "../Jane Doe/Mixer-B_16.npz",
    ):
        config = without_private({"weights": f"weights='imagenet21k' ({place}): 4 loaded (two)"})
        assert config["weights"] == "weights='imagenet21k' (Mixer-B_16.npz): 4 loaded (two)"


def test_last_part():
    for place, part in {
        "/a/b c/d.csv": "d.csv",
        "a/b/": "b",
        "C:\\a\\b": "b",
        "/": "folder",
        "pets": "pets",
        "vtab/dtd": "vtab/dtd",
        "tfds:x/y:1.*.*": "tfds:x/y:1.*.*",
        "timm/mixer_b16_224.goog_in21k": "timm/mixer_b16_224.goog_in21k",
    }.items():
        assert last_part(place) == part
