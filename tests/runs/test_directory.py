import json
import subprocess
import sys

import numpy as np
import pytest

from keras_mixer import Mixer
from keras_mixer.runs import RunInUseError
from keras_mixer.runs.begin import begin_run, begun, locked
from keras_mixer.runs.directory import (
    finish_run,
    load_run,
    read_history,
    write_config,
    write_history,
)

REQUEST = {"data": "digits", "recipe": {"steps": 5, "rates": (1, 2)}}


def unfinished(path, request=REQUEST):
    path.mkdir(parents=True, exist_ok=True)
    write_config(path, {"finished": False, "request": request})


def test_a_run_survives_its_directory(tiny, tmp_path, rng, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    model.compile("adam", "mse")
    run, goes_on = begin_run(tmp_path / "run", "x", REQUEST)
    assert not goes_on
    (run / "checkpoints").mkdir()
    config = {"seed": 3, "recipe": {"evaluation_crop": "resize"}}
    finish_run(run, model, config, ("käse", "brot"))
    loaded = load_run(run)
    assert loaded.config == {**config, "finished": True}
    assert loaded.crop == "resize"
    assert loaded.label_names == ("käse", "brot")
    x = rng.uniform(-1, 1, (2, 8, 12, 3)).astype("float32")
    again = loaded.load_model()
    assert not again.compiled
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert {p.name for p in run.iterdir()} == {"model.keras", "run.json", "labels.json"}


def test_an_unfinished_run_of_the_same_request_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unfinished(tmp_path / "runs/a-1", {"data": "pets"})
    unfinished(tmp_path / "runs/a-2")
    run, goes_on = begin_run(None, "a", REQUEST)
    assert (str(run), goes_on) == ("runs/a-2", True)
    assert begin_run(None, "a", REQUEST, resume=True) == (run, True)
    run, goes_on = begin_run(None, "a", REQUEST, new=True)
    assert (str(run), goes_on) == ("runs/a-3", False)
    with locked(tmp_path / "runs/a-2"):  # Somebody works on it.
        assert begin_run(None, "a", REQUEST) == (run.with_name("a-4"), False)
    write_config(tmp_path / "runs/a-2", {"finished": True, "request": REQUEST})
    with pytest.raises(FileNotFoundError, match=r"no unfinished run of this command below runs"):
        begin_run(None, "a", REQUEST, resume=True)


def test_a_directory_by_name(tmp_path):
    output = tmp_path / "run"
    with pytest.raises(
        FileNotFoundError, match=r"no unfinished run of this command in .*run to go on"
    ):
        begin_run(output, "a", REQUEST, resume=True)
    assert begin_run(output, "a", REQUEST) == (output, False)
    unfinished(output)
    assert begin_run(output, "a", json.loads(json.dumps(REQUEST))) == (output, True)
    other = {"data": "digits", "recipe": {"steps": 6, "rates": [1, 2]}}
    with pytest.raises(
        ValueError, match=r"another request: recipe.steps was 5 and is now 6\. Give"
    ):
        begin_run(output, "a", other)
    with pytest.raises(FileExistsError, match="not an empty folder, and nothing is overwritten"):
        begin_run(output, "a", REQUEST, new=True)
    write_config(output, {"finished": True, "request": REQUEST})
    with pytest.raises(FileExistsError, match="holds a finished run, and nothing is overwritten"):
        begin_run(output, "a", REQUEST)
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(FileExistsError, match="is not an empty folder, and nothing is overwr"):
            begin_run(path, "a", REQUEST)


def test_an_error_before_anything_was_done_leaves_a_place_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "here" / "runs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "runs")
    before = sorted(tmp_path.rglob("*"))

    def fail(output, *made):
        with begun(output, "a", REQUEST) as (run, goes_on):
            assert not goes_on
            unfinished(run)
            for name in made:
                (run / name).touch()
            raise ZeroDivisionError

    for output in (tmp_path / "empty", tmp_path / "link", ".", tmp_path / "new"):
        with pytest.raises(ZeroDivisionError):
            fail(output, "skipped.csv.tmp")
        assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ZeroDivisionError):
        fail(None)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "new", "history.csv")
    assert (tmp_path / "new" / "history.csv").is_file()


def test_one_process_at_a_time(tmp_path):
    hold = (
        "import sys, filelock, time\n"
        "with filelock.FileLock(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunInUseError, match="Another process works on"), locked(tmp_path):
        pass
    process.kill()
    process.communicate()
    with locked(tmp_path):  # The system let go of it.
        pass


def test_history(tmp_path):
    rows = [{"round": 1, "step": 3, "loss": 0.1}, {"round": 2, "step": 6, "loss": float("nan")}]
    write_history(tmp_path, rows)
    again = read_history(tmp_path)
    assert again[0] == rows[0]
    assert again[1]["loss"] != again[1]["loss"]


def test_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not the directory of a run: it has no run.json"):
        load_run(tmp_path)
    unfinished(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has not finished. Give its command again"):
        load_run(tmp_path)
    write_config(tmp_path, {"finished": True})
    with pytest.raises(FileNotFoundError, match=r"not the directory of a run: it has no labels"):
        load_run(tmp_path)
    for name in ("labels.json", "model.keras"):
        (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(ValueError, match="holds no JSON object"):
        load_run(tmp_path)
