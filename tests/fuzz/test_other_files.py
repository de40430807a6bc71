"""Files beside the weights, whatever has happened to them: read, or one documented error."""

import contextlib
import csv
import hashlib
import json

import numpy as np
import pytest
from fuzz.damage import JSON, changed, damaged
from hypothesis import given
from hypothesis import strategies as st
from runs.pushable import pushable

from keras_mixer import Mixer, MixerSpec, runs
from keras_mixer.data import Found
from keras_mixer.data.table import load_csv
from keras_mixer.evaluation import Predictions, load_real_labels
from keras_mixer.evaluation.fewshot import _kept
from keras_mixer.evaluation.journal import Journal
from keras_mixer.evaluation.rows import Columns, CsvLines, JsonLines
from keras_mixer.runs.directory import read_history, write_history
from keras_mixer.training.checkpoint import Checkpoints, State, _sha256_of
from keras_mixer.weights import classes as class_lists

pytestmark = pytest.mark.once

TINY = MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))


@contextlib.contextmanager
def documented(path, *kinds):
    """Only these errors, in a line that names the file or its folder."""
    try:
        yield
    except (*kinds, ValueError, OSError) as error:
        line = str(error)
        if str(path) not in line:
            raise AssertionError(f"{line!r} does not name {path}") from error


def texts(value):
    """A JSON value as a file: its own text, or that text damaged."""
    text = json.dumps(value).encode()
    return st.just(text) | damaged(text)


@pytest.fixture(scope="module")
def run(folder):
    return pushable(folder / "run", Mixer(TINY, weights=None, classes=2))


@given(data=st.data())
def test_run_json(run, data):
    good = getattr(test_run_json, "good", None) or (run / "run.json").read_bytes()
    test_run_json.good = good
    value = data.draw(changed(json.loads(good)))
    (run / "run.json").write_bytes(data.draw(texts(value)))
    with documented(run):
        found = runs.load_run(run)
        assert isinstance(found.crop, str)
        assert isinstance(found.told("data"), str)
    (run / "run.json").write_bytes(json.dumps(value).encode())
    with documented(run):
        runs.push(run, run.with_name("pushed") / "x")
    (run / "run.json").write_bytes(good)


@given(data=st.data())
def test_labels_json(run, data):
    (run / "labels.json").write_bytes(data.draw(texts(data.draw(JSON))))
    with documented(run):
        assert all(isinstance(name, str) for name in runs.load_run(run).label_names)
    (run / "labels.json").write_text('["blue", "red"]')


@given(data=st.data())
def test_history_csv(folder, data):
    history = [{"round": 1, "step": 5, "loss": 0.5}, {"round": 2, "step": 10, "loss": 0.25}]
    write_history(folder, history)
    assert read_history(folder) == history
    path = folder / "history.csv"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    with documented(path):
        assert all(isinstance(row, dict) for row in read_history(folder))


@given(data=st.data(), signed=st.booleans())
def test_manifests_of_checkpoints(folder, data, signed):
    """A manifest that agrees with itself may be of anybody."""
    said = []
    checkpoints = Checkpoints(folder / "checkpoints", {"recipe": "a"}, said.append)
    checkpoints.save(State(3, [{"loss": 0.5}], {"x": np.arange(3.0)}, False))
    path = folder / "checkpoints" / "step-000000003.json"
    manifest = data.draw(changed(json.loads(path.read_text())))
    if signed and isinstance(manifest, dict):
        manifest.pop("manifest_sha256", None)
        manifest["manifest_sha256"] = _sha256_of(manifest)
    path.write_bytes(data.draw(texts(manifest)))
    with documented(folder):
        state = checkpoints.load()
        np.testing.assert_array_equal(state.arrays["x"], np.arange(3.0))


@given(data=st.data())
def test_arrays_of_checkpoints(folder, data):
    checkpoints = Checkpoints(folder / "arrays", {}, lambda line: None)
    checkpoints.save(State(3, [], {"x": np.arange(3.0)}, False))
    path = folder / "arrays" / "step-000000003.safetensors"
    content = data.draw(damaged(path.read_bytes()))
    path.write_bytes(content)
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(content).hexdigest()
    manifest.pop("manifest_sha256")
    manifest["manifest_sha256"] = _sha256_of(manifest)
    path.with_suffix(".json").write_text(json.dumps(manifest))
    with documented(folder):
        assert checkpoints.load() is not None


@given(data=st.data())
def test_features_that_were_kept(folder, data):
    path = folder / "features.npy"
    array = np.arange(12, dtype="float32").reshape(3, 4)
    np.save(path, array)
    np.testing.assert_array_equal(_kept(path, (3, 4)), array)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    with documented(path):
        assert _kept(path, (3, 4)).shape == (3, 4)


def test_pickled_features(folder):
    np.save(folder / "pickled.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"pickled\.npy, which keeps features, is damaged.*Remove"):
        _kept(folder / "pickled.npy", (1, 1))


@given(data=st.data())
def test_predictions_npz(folder, data):
    path = folder / "predictions.npz"
    p = np.full((2, 2), 0.5)
    Predictions(p, np.array([0, 1]), ("a", "b"), ("x", "y"), "d", "resize", "m", "jax").save(path)
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    else:
        with np.load(path) as file:
            arrays = dict(file)
        about = data.draw(changed(json.loads(arrays["about"].tobytes())))
        arrays["about"] = np.frombuffer(data.draw(texts(about)), "uint8")
        np.savez(path, **arrays)
    with documented(path):
        found = Predictions.load(path)
        assert all(isinstance(name, str) for name in (*found.names, *found.label_names))
        assert 0 <= found.score().top_1 <= 1


@pytest.mark.parametrize("lines", [CsvLines, JsonLines])
@given(data=st.data())
def test_journals_of_predictions(folder, lines, data):
    columns = Columns(["cat", "dog"])
    journal = Journal(folder / "x.partial", lines(columns))
    journal.path.unlink(missing_ok=True)
    files = [Found(f"{i}.png") for i in range(4)]
    journal.go_on(iter(()), 2)
    rows = [[f"{i}.png", "cat", 0.75, "dog", 0.25, None] for i in range(4)]
    journal.add(rows)
    journal.path.write_bytes(data.draw(damaged(journal.path.read_bytes())))
    with documented(journal.path):
        standing = journal.go_on(iter(files), 2)
        assert standing.rows % 2 == 0
        assert all(len(row) == len(columns.names) for row in journal.read())


@given(data=st.data())
def test_lists_of_classes(folder, data):
    index = {str(i): [f"n{i:08}", f"name {i}"] for i in range(1000)}
    few = {key: index[key] for key in ("0", "1")}
    path = folder / "keras" / "models" / "keras_mixer" / "imagenet_class_index.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    value = data.draw(changed(few))
    path.write_bytes(json.dumps({**index, **value} if isinstance(value, dict) else value).encode())
    with pytest.MonkeyPatch.context() as patch, documented(path):
        patch.setenv("KERAS_HOME", str(folder / "keras"))
        assert len(class_lists._imagenet.__wrapped__()) == 1000


@given(data=st.data())
def test_real_labels(folder, data):
    path = folder / "real.json"
    path.write_bytes(data.draw(texts(data.draw(JSON))))
    with documented(path):
        load_real_labels(path)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_too_deeply(deep, run, folder):
    for name in ("run.json", "labels.json"):
        good = (run / name).read_bytes()
        (run / name).write_text(deep)
        with pytest.raises(ValueError, match=f"{name} is not valid JSON"):
            runs.load_run(run)
        (run / name).write_bytes(good)
    (folder / "real.json").write_text(deep)
    with pytest.raises(ValueError, match="holds no ReaL labels"):
        load_real_labels(folder / "real.json")


@given(
    cells=st.lists(
        st.lists(st.text(max_size=5) | st.sampled_from(["train", "val", "a.png", "\0"])), max_size=6
    ),
    data=st.data(),
)
def test_csv_of_pictures(folder, cells, data):
    path = folder / "pictures.csv"
    with open(path, "w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["path", "label", "split"], *cells])
    path.write_bytes(data.draw(st.just(path.read_bytes()) | damaged(path.read_bytes())))
    with documented(path):
        loaded = load_csv(path, check=False)
        assert len(loaded.label_names) >= 2


def test_a_csv_field_without_end(folder):
    (folder / "long.csv").write_text("path,label\n" + '"' + "x" * 200_000)
    with pytest.raises(ValueError, match=r"long\.csv is no CSV file"):
        load_csv(folder / "long.csv")


@given(value=changed(json.loads(json.dumps(TINY.__dict__))))
def test_a_spec_from_json(value):
    """Back as it was, or a `ValueError`; an unknown field is a `TypeError` as of any function."""
    assert MixerSpec(**json.loads(json.dumps(TINY.__dict__))) == TINY
    if isinstance(value, dict) and value.keys() == TINY.__dict__.keys():
        with contextlib.suppress(ValueError):
            spec = MixerSpec(**value)
            assert MixerSpec(**json.loads(json.dumps(spec.__dict__))) == spec
