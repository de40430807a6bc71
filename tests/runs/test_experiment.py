"""Whole runs on real pictures: what they leave behind, sweeps, seeds, going on."""

import json
import shutil
import statistics

import keras
import numpy as np
import pytest

from keras_mixer import SPECS, Mixer, data, evaluation, runs
from keras_mixer.data.splits import hold_out
from keras_mixer.runs import report
from keras_mixer.training import RECIPES, Trained

SPEC = SPECS["mixer_ti4"]


def request_of(folder, **changes):
    options = {name: changes.pop(name) for name in ("sweep", "seeds", "seed") if name in changes}
    recipe = RECIPES["folder"].replace(
        **{"weights": None, "steps": 6, "batch_size": 8, "evaluations": 3, **changes}
    )
    return runs.Request(str(folder), SPEC, recipe, **options)


def check_report_is_current(run):
    """Every field of `run.json` as it is in the end stands in the report."""
    text = (run.path / "report.html").read_text(encoding="utf-8")
    assert report._configuration(run.config) in text
    for key, value in run.config["metrics"].items():
        assert report._html(value, key) in text


def test_a_run_directory_explains_itself(image_folder, tmp_path):
    said = []
    typed = "keras-mixer finetune http://me:SECRET@host/x?y=SECRET"
    place = runs.Place(tmp_path / "run", command=typed, tensorboard=True)
    request = request_of(image_folder, keep_best=True, ema=0.5)
    run = runs.run(request, place, say=said.append)
    assert {path.name for path in run.path.iterdir()} - {".lock"} == {
        *("run.json", "labels.json", "history.csv", "model.keras", "last.keras"),
        *("curves.png", "confusion.png", "samples.png", "report.html", "tensorboard"),
    }
    config = run.config
    check_report_is_current(run)
    assert config["finished"] is True
    assert config["command"] == "keras-mixer finetune http://***@host/x?***"
    assert config["recipe"]["steps"] == 6
    assert config["request"]["model"]["name"] == "mixer_ti4"
    assert config["versions"][keras.backend.backend()]
    assert config["device"]
    assert config["training_seconds"] > 0
    loaded = data.load(image_folder)
    assert config["train_fingerprint"] == loaded.train.fingerprint()
    result = evaluation.evaluate(run.load_model(), loaded.test, verbose=0)
    assert config["metrics"]["top_1"] == result.top_1
    assert config["metrics"]["loss"] == pytest.approx(result.loss, rel=1e-6)
    last = keras.saving.load_model(run.path / "last.keras", compile=False)
    assert last.count_params() == SPEC.parameters(classes=2)
    # The best evaluation's weights, judged on the images that chose them.
    rows = runs.directory.read_history(run.path)
    _, dev = hold_out(loaded.train, 0.1, seed=1)
    best = evaluation.evaluate(run.load_model(), dev, verbose=0).top_1
    assert best == pytest.approx(max(row["val_top_1"] for row in rows))
    assert any("to train on" in line for line in said)
    # TensorBoard's file holds each number of each evaluation.
    events = b"".join(p.read_bytes() for p in (run.path / "tensorboard").iterdir())
    assert events.count(b"held_out/top_1") == len(rows) == 3


def test_a_sweep_trains_on_less_and_then_on_everything(image_folder, tmp_path, monkeypatch):
    seen = []
    true = runs.experiment.finetune

    def finetune(model, data, recipe, **options):
        seen.append((recipe.learning_rate, len(data.train), len(data.test)))
        return true(model, data, recipe, **options)

    monkeypatch.setattr(runs.experiment, "finetune", finetune)
    request = request_of(image_folder, sweep=True, learning_rates=(0.05, 1e-9), steps=2)
    run = runs.run(request, runs.Place(tmp_path / "run"), say=lambda text: None)
    rows = run.config["sweep"]
    check_report_is_current(run)
    assert [row["learning_rate"] for row in rows] == [1e-9, 0.05]
    best = max(rows, key=lambda row: row["top_1"])["learning_rate"]
    assert seen == [(1e-9, 14, 2), (0.05, 14, 2), (best, 16, 4)]
    assert run.config["recipe"]["learning_rate"] == best


def test_the_best_rate_is_chosen_and_of_equals_the_lower(tmp_path, rng, tiny):
    pictures = rng.integers(0, 256, (10, 8, 12, 3), dtype="uint8")
    test = pictures, np.array([1] * 7 + [0] * 3)
    dev = data.from_arrays((pictures, np.arange(10) % 2), test)
    trained = []

    def train(recipe, data, seed, folder):
        """A model that takes everything for class 1 at two of the rates, else for class 0."""
        trained.append(recipe.learning_rate)
        model = Mixer(tiny, weights=None, classes=2)
        right = recipe.learning_rate in (0.02, 0.03)
        model.get_layer("head").bias.assign([0.0, 1.0] if right else [1.0, 0.0])
        return Trained(model, {})

    recipe = RECIPES["folder"].replace(learning_rates=(0.03, 0.01, 0.02))
    choose = runs.trials.choose_rate
    chosen, rows = choose(tmp_path, recipe, dev, 0, train, lambda text: None)
    assert chosen.learning_rate == 0.02
    assert [(row["learning_rate"], row["top_1"]) for row in rows] == [
        *((0.01, 0.3), (0.02, 0.7), (0.03, 0.7)),
    ]
    assert choose(tmp_path, recipe, dev, 0, train, lambda text: None)[1] == rows
    assert trained == [0.01, 0.02, 0.03]  # What has a result is not trained again.


def test_several_seeds_and_going_on(image_folder, tmp_path, monkeypatch):
    """Stopped in the second seed; what was done before is not done again."""
    request = request_of(image_folder, seeds=3, seed=4, steps=2, learning_rate=0.01)
    whole = runs.run(request, runs.Place(tmp_path / "whole"), say=lambda text: None)
    results = whole.config["seeds"]["top_1"]
    assert list(results) == ["4", "5", "6"]
    assert whole.config["seeds"]["mean"] == pytest.approx(np.mean(list(results.values())))
    assert whole.config["seeds"]["deviation"] == statistics.stdev(results.values())

    class Stop(keras.callbacks.Callback):
        trainings = 0

        def on_train_begin(self, logs=None):
            self.trainings += 1
            if self.trainings == 2:
                raise RuntimeError("stopped")

    place = runs.Place(tmp_path / "pieces")
    with pytest.raises(RuntimeError, match="stopped"):
        runs.run(request, place, callbacks=[Stop()], say=lambda text: None)
    with pytest.raises(FileNotFoundError, match="has not finished"):
        runs.load_run(place.output)
    count = Stop()
    count.trainings = 10
    pieces = runs.run(request, place, callbacks=[count], say=lambda text: None)
    assert count.trainings == 12  # Seeds 5 and 6.
    assert pieces.config["seeds"] == whole.config["seeds"]
    assert pieces.config["metrics"]["loss"] == whole.config["metrics"]["loss"]


def test_changed_images_are_noticed(image_folder, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("stopped")

    request, place = request_of(image_folder), runs.Place(tmp_path / "run")
    with pytest.raises(RuntimeError, match="stopped"):
        runs.run(request, place, callbacks=[Stop()], say=lambda text: None)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["finished"] is False
    shutil.copy(image_folder / "red" / "1.png", image_folder / "red" / "11.png")
    with pytest.raises(ValueError, match=r"train was '16 images, .* and is now '17 images"):
        runs.run(request, place, say=lambda text: None)


def test_the_count_is_of_what_trains(image_folder, tmp_path):
    said = []
    request = request_of(image_folder, head_steps=2, evaluations=1)
    runs.run(request, runs.Place(tmp_path / "run"), say=said.append)
    whole = SPEC.parameters(classes=2)
    assert [line for line in said if "of them trained" in line] == [
        f"model: {whole:,} parameters, {trained:,} of them trained"
        for trained in ((SPEC.hidden_size + 1) * 2, whole)
    ]


def test_an_error_removes_what_is_empty_and_nothing_else(image_folder, tmp_path, monkeypatch):
    place = runs.Place(tmp_path / "run")
    with pytest.raises(ValueError, match="were never published"):
        runs.run(request_of(image_folder, weights="imagenet"), place, say=lambda text: None)
    assert not place.output.exists()

    def interrupted(*arguments):
        true(*arguments)
        raise KeyboardInterrupt

    true = runs.directory.finish_run
    monkeypatch.setattr(runs.directory, "finish_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.run(request_of(image_folder, steps=2), place, say=lambda text: None)
    assert runs.load_run(place.output).config["finished"] is True
