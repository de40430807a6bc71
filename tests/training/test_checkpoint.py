"""Checkpoints are whole or do not count, and belong to one configuration."""

import json

import numpy as np
import pytest

from keras_mixer.training.checkpoint import Checkpoints, State

pytestmark = pytest.mark.once

CONFIGURATION = {"recipe": {"steps": 9, "ema": None}, "classes": ["a", "b"]}


def state(step, ended=False):
    arrays = {
        "model/00000": np.arange(6, dtype="float32").reshape(2, 3).T * step,  # Not contiguous.
        "optimizer/00000": np.array(step, "int32"),
        "seed": np.array([1, 2**32 - 1], "uint32"),
    }
    return State(step, [{"step": step, "loss": 0.1}], arrays, ended)


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    return Checkpoints(tmp_path / "checkpoints", CONFIGURATION, said.append)


def test_what_is_saved_comes_back(store):
    assert store.load() is None
    for step in (3, 5, 8):
        store.save(state(step, ended=step == 8))
    loaded = store.load()
    assert (loaded.step, loaded.ended, loaded.history) == (8, True, [{"step": 8, "loss": 0.1}])
    expected = state(8).arrays
    assert loaded.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
    names = sorted(path.name for path in store.folder.iterdir())
    assert names == [f"step-00000000{n}.{end}" for n in (5, 8) for end in ("json", "safetensors")]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("end", ["json", "safetensors"])
@pytest.mark.parametrize(
    "damage", [cut, flip_a_bit, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]
)
def test_of_a_damaged_one_the_one_before_is_used(store, said, end, damage):
    for step in (5, 8):
        store.save(state(step))
    damage(store.folder / f"step-000000008.{end}")
    assert store.load().step == 5
    if not (end == "json" and not (store.folder / "step-000000008.json").exists()):
        assert said[0].startswith("checkpoint: that of step 8 is damaged (")
    damage(store.folder / f"step-000000005.{end}")
    if (store.folder / "step-000000005.json").exists():
        with pytest.raises(ValueError, match=r"No checkpoint in .* can be read"):
            store.load()


def test_what_a_cut_short_save_left_is_removed(store):
    store.folder.mkdir()
    leftovers = [store.folder / f"step-000000007.safetensors{end}" for end in ("", ".tmp")]
    for path in leftovers:
        path.write_bytes(b"half")
    assert store.load() is None
    store.save(state(8))
    assert not any(path.exists() for path in leftovers)
    assert store.load().step == 8


def test_another_configuration(store, said):
    store.save(state(5))
    other = {"recipe": {"steps": 9, "ema": 0.9}, "classes": ["a", "c"], "new": 1}
    with pytest.raises(ValueError, match="another configuration") as error:
        Checkpoints(store.folder, other, said.append).load()
    for text in (
        "classes was ['a', 'b'] and is now ['a', 'c']",
        "new was None and is now 1",
        "recipe.ema was None and is now 0.9",
    ):
        assert text in str(error.value)
    # Tuples and lists are the same in JSON.
    same = {**CONFIGURATION, "classes": ("a", "b")}
    assert Checkpoints(store.folder, same).load().step == 5


def test_a_manifest_can_be_read(store):
    store.save(state(5))
    manifest = json.loads((store.folder / "step-000000005.json").read_text())
    assert manifest["configuration"] == CONFIGURATION
    assert manifest["history"] == [{"step": 5, "loss": 0.1}]


def test_two_good_ones_are_kept_after_a_damaged_one(store):
    for step in (5, 8):
        store.save(state(step))
    cut(store.folder / "step-000000008.safetensors")
    assert store.load().step == 5
    for step in (6, 7):
        store.save(state(step))
    assert sorted(path.stem for path in store.folder.glob("*.json")) == [
        *("step-000000006", "step-000000007"),
    ]
    flip_a_bit(store.folder / "step-000000007.safetensors")
    assert store.load().step == 6


def test_a_changed_number_in_a_manifest_is_noticed(store, said):
    for step in (5, 8):
        store.save(state(step))
    path = store.folder / "step-000000008.json"
    path.write_text(path.read_text().replace('"loss": 0.1', '"loss": 0.2'))
    assert store.load().step == 5
    assert "its manifest is not what was written" in said[0]
