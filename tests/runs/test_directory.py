import numpy as np
import pytest

from keras_mixer import Mixer
from keras_mixer.training import load_run, new_run, save_run


def test_a_run_survives_its_directory(tiny, tmp_path, rng, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    model.compile("adam", "mse")
    run = new_run(tmp_path / "run", "x")
    save_run(run, model, {"seed": 3}, ("käse", "brot"))
    loaded = load_run(run)
    assert loaded.config == {"seed": 3}
    assert loaded.label_names == ("käse", "brot")
    x = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    again = loaded.load_model()
    assert not again.compiled
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert {p.name for p in run.iterdir()} == {"model.keras", "run.json", "labels.json"}


def test_nothing_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(new_run(None, "a")) for _ in range(2)] == ["runs/a-1", "runs/a-2"]
    (tmp_path / "runs" / "a-1" / "file").touch()
    with pytest.raises(FileExistsError, match="is not an empty folder, and nothing is overwritten"):
        new_run("runs/a-1", "a")
    assert new_run("runs/a-2", "a").is_dir()  # empty: fine


def test_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not the directory of a finished run: it has no"):
        load_run(tmp_path)
    for name in ("run.json", "labels.json", "model.keras"):
        (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_run(tmp_path)
