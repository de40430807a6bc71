"""Several trainings in one folder: suites, comparisons, disorder."""

import json
import shutil
import sys
import types

import keras
import pytest

import keras_mixer
from keras_mixer import runs
from keras_mixer.runs.directory import write_config
from keras_mixer.training import RECIPES, Recipe
from keras_mixer.training.keeper import RunCallback

RECIPE = Recipe(
    "mine",
    "a test",
    weights=None,
    optimizer="adamw",
    learning_rate=1e-3,
    learning_rates=(1e-4, 1e-3),
    batch_size=8,
    steps=4,
    warmup_steps=1,
    evaluations=2,
    crop="resize",
    evaluation_crop="resize",
)
SPEC = keras_mixer.SPECS["mixer_ti4"]
TINY = keras_mixer.MixerSpec("tiny", 8, 1, 8, 6, 16, 32)


@pytest.fixture
def folders(image_folder, tmp_path):
    """Two data sets."""
    other = shutil.copytree(image_folder, tmp_path / "others")
    shutil.move(other / "red", other / "green")
    return str(image_folder), str(other)


def quiet(text):
    """Says nothing."""


class Interrupt(RunCallback):
    """Ends the training of one data set."""

    def __init__(self, run):
        super().__init__()
        self.runs, self.number = 0, run

    def on_run_begin(self, recipe, model, step):
        self.runs += 1
        if self.runs == self.number:
            raise KeyboardInterrupt


def suite_of(folders):
    groups = {"first": folders[:1], "second": folders[1:]}
    return runs.Suite("mine", "a test", groups, seeds=1)


def request_of(task):
    return runs.Request(task, TINY, RECIPE, sweep=True)


def test_a_suite(folders, tmp_path):
    suite, place = suite_of(folders), runs.Place(tmp_path / "suite")
    # Each data set is trained on three times: with two rates on the dev split, and with the best.
    with pytest.raises(KeyboardInterrupt):
        runs.run_suite(suite, request_of, place, say=quiet, callbacks=[Interrupt(5)])
    config = json.loads((place.output / "study.json").read_text())
    assert config["finished"] is False
    assert [task["task"] for task in config["tasks"]] == [folders[0]]

    count = Interrupt(0)
    path, result = runs.run_suite(suite, request_of, place, say=quiet, callbacks=[count])
    assert count.runs == 2  # The rate that was done is not tried again.
    assert path == place.output
    config = json.loads((path / "study.json").read_text())
    assert config["finished"] is True
    for task in result.tasks:
        own = runs.load_run(path / task.task.replace("/", "_"))
        assert task.top_1 == (own.config["metrics"]["top_1"],)
        assert task.learning_rate == own.config["recipe"]["learning_rate"]
        assert len(own.config["sweep"]) == 2
    top_1 = [task.top_1[0] for task in result.tasks]
    assert result.mean("first") == top_1[0]
    assert result.mean() == pytest.approx(sum(top_1) / 2)
    assert config["means"]["overall"]["mean"] == pytest.approx(result.mean())
    assert not result.partial()
    with pytest.raises(FileExistsError, match="holds a finished study"):
        runs.run_suite(suite, request_of, place, say=quiet)


def test_what_was_done_counts_when_its_images_are_gone(folders, tmp_path):
    place = runs.Place(tmp_path / "suite")
    suite = suite_of(folders)

    def plain(task):
        return runs.Request(task, TINY, RECIPE)

    with pytest.raises(KeyboardInterrupt):
        runs.run_suite(suite, plain, place, say=quiet, callbacks=[Interrupt(2)])
    shutil.rmtree(folders[0])
    _, result = runs.run_suite(suite, plain, place, say=quiet)
    assert [task.skipped for task in result.tasks] == [None, None]
    place = runs.Place(tmp_path / "one")
    _, result = runs.run_suite(suite, plain, place, tasks=folders[1:], say=quiet)
    assert [task.skipped for task in result.tasks] == ["not asked for", None]
    assert result.partial()
    with pytest.raises(ValueError, match=r"mine has the tasks .*Received: \['x'\]"):
        runs.run_suite(suite, plain, place, tasks=["x"], say=quiet)


@pytest.mark.parametrize("damage", ["cut", "no metrics", "no model", "names"])
def test_one_damaged_run_does_not_end_a_suite(folders, tmp_path, damage):
    place, suite = runs.Place(tmp_path / "suite"), suite_of(folders)

    def plain(task):
        return runs.Request(task, TINY, RECIPE)

    with pytest.raises(KeyboardInterrupt):
        runs.run_suite(suite, plain, place, say=quiet, callbacks=[Interrupt(2)])
    own = place.output / folders[0].replace("/", "_")
    whole = (own / "run.json").read_text()
    if damage == "cut":
        (own / "run.json").write_text(whole[:40])
    elif damage == "no metrics":
        config = json.loads(whole)
        del config["metrics"]
        (own / "run.json").write_text(json.dumps(config))
    elif damage == "no model":
        (own / "model.keras").unlink()
    else:
        (own / "labels.json").write_text('["a", "a"]')
    said = []
    _, result = runs.run_suite(suite, plain, place, say=said.append)
    assert result.tasks[1].top_1
    reason = result.tasks[0].skipped
    assert str(own) in reason
    assert reason.endswith(f"Remove {own}, and it is trained again.")
    assert f"mine: SKIPPED {folders[0]}: {reason}" in said
    assert result.partial()
    assert json.loads((place.output / "study.json").read_text())["finished"] is False
    shutil.rmtree(own)
    _, result = runs.run_suite(suite, plain, place, say=quiet)
    assert not result.partial()


def test_a_comparison_says_what_is_damaged_before_it_trains(image_folder, tmp_path):
    place = runs.Place(tmp_path / "compared")
    requests = {
        name: runs.Request(str(image_folder), TINY, RECIPE, seed=i) for i, name in enumerate("ab")
    }
    with pytest.raises(KeyboardInterrupt):
        runs.compare(requests, place, say=quiet, callbacks=[Interrupt(2)])
    (place.output / "b").mkdir(exist_ok=True)
    (place.output / "b" / "run.json").write_text("{")
    count = Interrupt(0)
    with pytest.raises(ValueError, match=r"b/run.json is not valid JSON.* it is trained again\."):
        runs.compare(requests, place, say=quiet, callbacks=[count])
    assert count.runs == 0


def test_a_result_of_another_training_is_not_taken(folders, tmp_path):
    from keras_mixer.runs.trials import trial

    data = keras_mixer.data.load(folders[0])
    made = []

    def train(recipe, data, seed, folder):
        made.append(seed)
        return keras_mixer.finetune(TINY, data, recipe, seed=seed, say=quiet, verbose=0)

    first = trial(tmp_path / "trial", RECIPE, data, 0, train)
    assert trial(tmp_path / "trial", RECIPE, data, 0, train) == first
    assert made == [0]
    with pytest.raises(ValueError, match=r"another training: seed was 0 and is now 1"):
        trial(tmp_path / "trial", RECIPE, data, 1, train)
    with pytest.raises(ValueError, match=r"recipe.steps was 4 and is now 5"):
        trial(tmp_path / "trial", RECIPE.replace(steps=5), data, 0, train)
    (tmp_path / "trial" / "result.json").write_text("{")
    for damaged in ("{", "[]", "{}", json.dumps({**first, "top_1": None})):
        (tmp_path / "trial" / "result.json").write_text(damaged)
        with pytest.raises(
            ValueError, match=r"result\.json is damaged: .* Remove it, and this tra"
        ):
            trial(tmp_path / "trial", RECIPE, data, 0, train)


def test_a_folder_that_was_only_locked_is_empty(tmp_path):
    from keras_mixer.runs.begin import begin_run

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    assert begin_run(tmp_path / "run", "x", {}) == (tmp_path / "run", False)


def test_means_by_hand():
    tasks = (
        runs.TaskResult("a", "x", (0.5, 0.7), 0.01),
        runs.TaskResult("b", "x", (0.9, 0.9), 0.01),
        runs.TaskResult("c", "y", (0.1, 0.3), 0.01),
        runs.TaskResult("d", "y", skipped="by hand"),
    )
    result = runs.SuiteResult("mine", tasks)
    assert result.mean("x") == pytest.approx(0.75)
    assert result.mean("y") == pytest.approx(0.2)
    assert result.mean() == pytest.approx((0.6 + 0.9 + 0.2) / 3)
    # Means of the seeds: 0.5 and 1.9 / 3.
    assert result.deviation() == pytest.approx((1.9 / 3 - 0.5) / 2**0.5)
    assert result.summary()["x"]["partial"] is False
    assert result.summary()["y"]["partial"] is True
    assert result.partial()


def test_the_paper_s_suites():
    vtab, transfer = runs.SUITES["vtab"], runs.SUITES["transfer"]
    assert {group: len(tasks) for group, tasks in vtab.groups.items()} == {
        "natural": 7,
        "specialised": 4,
        "structured": 8,
    }
    assert (vtab.seeds, transfer.seeds) == (1, 3)
    assert [task for task, _ in transfer.tasks()] == [
        *("imagenet", "cifar10", "cifar100", "pets", "flowers102"),
    ]
    assert RECIPES["vtab"].learning_rates == (0.003, 0.01, 0.03)


def test_what_is_to_be_downloaded_by_hand_is_skipped(folders, tmp_path):
    pytest.importorskip("tensorflow_datasets")
    said = []
    suite = runs.Suite("mine", "a test", {"x": (folders[0], "vtab/resisc45")}, seeds=1)
    place = runs.Place(tmp_path / "suite", data_dir=str(tmp_path / "tfds"))

    def request_of(task):
        return runs.Request(task, TINY, RECIPE)

    path, result = runs.run_suite(suite, request_of, place, say=said.append)
    assert "has to be downloaded by hand" in result.tasks[1].skipped
    assert any(line.startswith("mine: SKIPPED vtab/resisc45: ") for line in said)
    assert result.partial()
    assert result.mean() == result.tasks[0].top_1[0]
    # The same command goes on once it is there.
    assert json.loads((path / "study.json").read_text())["finished"] is False
    nothing = runs.Suite("mine", "a test", {"x": ("vtab/resisc45",)}, seeds=1)
    place = runs.Place(tmp_path / "nothing", data_dir=str(tmp_path / "tfds"))
    with pytest.raises(ValueError, match=r"None of the 1 data sets of mine could be had"):
        runs.run_suite(nothing, request_of, place, say=quiet)
    assert not place.output.exists()


def test_compare(image_folder, tmp_path):
    pytest.importorskip("keras_hub")
    place = runs.Place(tmp_path / "compared")
    requests = {
        name: runs.Request(str(image_folder), name if name != "mixer_ti4" else SPEC, RECIPE)
        for name in ("mixer_ti4", "resnet_ti4")
    }
    path, rows = runs.compare(requests, place, batch_sizes=(1, 4), rounds=1, say=quiet)
    assert [row.model for row in rows] == ["mixer_ti4", "resnet_ti4"]
    for row in rows:
        own = runs.load_run(path / row.model)
        assert row.top_1 == own.config["metrics"]["top_1"]
        assert row.parameters == own.load_model().count_params()
        assert row.training_seconds > 0
        assert min(row.inference, row.training) > 0
        # Four steps of eight images, three times the work of inference.
        assert row.training_macs == 3 * 32 * row.macs
        seconds = own.config["round_seconds"]
        assert list(seconds) == ["2", "4"]
        assert [time for time, _ in row.history] == list(seconds.values())
        assert 0 < seconds["2"] <= seconds["4"] == row.training_seconds
    assert rows[0].macs == SPEC.macs(classes=2)
    assert (path / "accuracy_cost.png").stat().st_size > 10_000
    assert (path / "accuracy_throughput.png").stat().st_size > 10_000
    config = json.loads((path / "study.json").read_text())
    assert config["finished"] is True
    assert config["compared"][1]["macs"] == rows[1].macs
    # A kill between the history and run.json loses the time of a round; the comparison goes on.
    write_config(path, {**config, "finished": False}, "study.json")
    own = runs.load_run(path / "mixer_ti4").config
    del own["round_seconds"]["2"]
    write_config(path / "mixer_ti4", own)
    _, again = runs.compare(requests, place, batch_sizes=(1, 4), rounds=1, say=quiet)
    assert again[0].history == rows[0].history[1:]
    assert again[1].history == rows[1].history


class Greedy(keras.layers.Layer):
    """Has no memory for batches of 16 images."""

    def call(self, x):
        if x.shape[0] == 16:
            raise MemoryError("out of memory")
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def greedy(input_shape, classes):
    images = keras.Input(input_shape)
    x = Greedy()(keras.layers.GlobalAveragePooling2D()(images))
    return keras.Model(images, keras.layers.Dense(classes)(x))


def test_a_model_without_memory_for_the_measurement_is_compared_all_the_same(
    image_folder, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "greedy_models", types.SimpleNamespace(greedy=greedy))
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Greedy", Greedy)
    request = runs.Request(str(image_folder), "greedy_models:greedy", RECIPE, image_size=(8, 12))
    path, (row,) = runs.compare(
        {"greedy": request},
        runs.Place(tmp_path / "compared"),
        batch_sizes=(16,),
        rounds=1,
        say=quiet,
    )
    assert (row.inference, row.training) == (None, None)
    assert row.training_seconds > 0
    assert (path / "accuracy_throughput.png").stat().st_size > 10_000


def test_a_mixer_does_not_see_the_order_of_patches(image_folder, tmp_path):
    place = runs.Place(tmp_path / "shuffled")
    path, rows = runs.shuffle_study(
        str(image_folder), ["mixer_ti4"], RECIPE.replace(steps=8), place, say=quiet
    )
    losses = [
        json.loads((path / f"mixer_ti4-{how}" / "result.json").read_text())["history"]["val_loss"]
        for how in ("as_is", "patches", "pixels")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] != pytest.approx(losses[0], rel=1e-4)
    assert [row.arm for row in rows] == list(runs.shuffle.ARMS)
    assert [step for step, _ in rows[0].curve] == [4, 8]
    assert (path / "shuffle.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match=r"The first model must be a Mixer"):
        runs.shuffle_study(str(image_folder), ["keras:Model"], RECIPE, say=quiet)


def test_figures_are_labelled():
    from keras_mixer.runs.study_figures import disorder, tradeoff

    def row(name, seconds, top_1):
        way = ((seconds / 2, top_1 / 2), (seconds, top_1))
        return runs.Compared(name, None, 1, 1, top_1, None, seconds, 1.0, 100 * seconds, 1.0, way)

    rows = [row("a", 1.0, 0.5), row("b", 30.0, 0.75)]
    for quantity, label in (
        ("training_seconds", "training time (s)"),
        ("inference", "inference, best batch size (images/s)"),
    ):
        (axes,) = tradeoff(rows, quantity, "what was measured").axes
        assert (axes.get_title(), axes.get_xlabel()) == ("what was measured", label)
        assert axes.get_ylabel() == "top-1 (%)"
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["a: 50.00 %", "b: 75.00 %"]
    curves = {("m", arm): [(1, 0.2), (2, 0.4)] for arm in runs.shuffle.ARMS}
    (axes,) = disorder(curves, "what was measured").axes
    assert axes.get_xlabel() == "optimiser steps"
    assert axes.get_ylabel() == "held-out top-1 (%)"
    assert list(axes.lines[0].get_ydata()) == [20.0, 40.0]
