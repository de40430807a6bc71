"""A file of predictions: what is in it, and how it is gone on with wherever it was cut."""

import csv
import functools
import json
import os

import filelock
import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from keras_mixer import Mixer, evaluation
from keras_mixer.data import Split, Walk, unescaped
from keras_mixer.evaluation import predict_to_file

pytestmark = pytest.mark.once

LABELS = ["a", "b", "c", "d", "e"]
OPTIONS = {"label_names": LABELS, "batch_size": 8, "crop": "resize"}


@pytest.fixture
def model(tiny, randomize):
    return randomize(Mixer(tiny, weights=None, classes=5))


@pytest.fixture
def pictures(image_folder, monkeypatch):
    """`pictures`, with a bad one in the second batch and a name that is not UTF-8."""
    monkeypatch.chdir(image_folder.parent)
    os.rename("pictures/blue/9.png", b"pictures/blue/\xff\n\\.png")
    with open("pictures/blue/8x.png", "wb") as file:
        file.write(b"no picture")
    return "pictures"


def read(path):
    """The rows of a file of any kind as dictionaries, by other programs' means."""
    if path.endswith(".parquet"):
        return pq.read_table(path).to_pylist()
    with open(path, encoding="utf-8", newline="") as file:
        if path.endswith(".jsonl"):
            return [json.loads(line) for line in file]
        rows = list(csv.DictReader(file))
    for row in rows:
        for name, cell in row.items():
            number = name.startswith("p") and name != "path"
            row[name] = None if cell == "" else float(cell) if number else cell
    return rows


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_is_written(model, pictures, kind):
    output = f"new/p.{kind}"
    calls = []
    written = predict_to_file(
        model,
        [pictures],
        output,
        **OPTIONS,
        top=2,
        all_probabilities=True,
        progress=functools.partial(note, calls),
    )
    assert (str(written.path), written.files, written.bad, written.new) == (output, 21, 1, True)
    assert calls == [(0, 0), (8, 0), (16, 1), (21, 1)]
    assert sorted(os.listdir("new")) == [f"p.{kind}", f"p.{kind}.about.json"]
    rows = read(output)
    paths = [found.path for found in Walk([pictures])]
    assert [unescaped(row["path"]) for row in rows] == paths
    bad = rows.pop(9)
    assert bad.pop("path") == "pictures/blue/8x.png"
    assert bad.pop("error") == "not a picture of a known format"
    assert set(bad.values()) == {None}
    paths.pop(9)
    split = Split(paths, np.zeros(20, int), paths)
    expected = evaluation.predict(model, split, crop="resize", verbose=0)
    found = np.array([[row[f"p_{name}"] for name in LABELS] for row in rows])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    for row, scores in zip(rows, expected, strict=True):
        ranked = sorted(zip(scores, LABELS, strict=True), reverse=True)
        assert [row["class"], row["class_2"]] == [name for _, name in ranked[:2]]
        assert row["probability"] == pytest.approx(ranked[0][0], abs=1e-6)
        assert row["probability_2"] == pytest.approx(ranked[1][0], abs=1e-6)
        assert row["error"] is None


def note(calls, *numbers):
    calls.append(numbers)


def stop_after(rows):
    """A `progress` that ends the call."""

    def progress(done, bad):
        if done >= rows:
            raise InterruptedError(f"{done}")

    return progress


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_cut_anywhere(model, pictures, kind):
    """Every length that a kill may leave ends in the file of a call that was left alone."""
    predict_to_file(model, [pictures], f"whole.{kind}", **OPTIONS)
    with open(f"whole.{kind}", "rb") as file:
        whole = file.read()
    with pytest.raises(InterruptedError):
        predict_to_file(model, [pictures], f"cut.{kind}", **OPTIONS, progress=stop_after(8))
    header = whole.count(b"\n") - 21
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    lengths = {0, 1, ends[0] - 1, ends[0], ends[0] + 1, ends[7 + header] - 1, ends[7 + header]}
    lengths |= {ends[8 + header] + 3, ends[-2], len(whole) - 1, len(whole)}
    for length in sorted(lengths):
        with open(f"cut.{kind}.partial", "wb") as file:
            file.write(whole[:length])
        calls = []
        written = predict_to_file(
            *(model, [pictures], f"cut.{kind}"),
            **OPTIONS,
            progress=functools.partial(note, calls),
        )
        rows = max(0, whole[:length].count(b"\n") - header)
        assert calls[0][0] == rows // 8 * 8
        assert (written.files, written.bad) == (21, 1)
        with open(f"cut.{kind}", "rb") as file:
            assert file.read() == whole, length
        os.remove(f"cut.{kind}")


def test_parquet_goes_on(model, pictures):
    predict_to_file(model, [pictures], "whole.parquet", **OPTIONS)
    for rows in (8, 16, 21):
        with pytest.raises(InterruptedError):
            predict_to_file(model, [pictures], "p.parquet", **OPTIONS, progress=stop_after(rows))
        assert os.path.exists("p.parquet.partial")
        assert not os.path.exists("p.parquet")
    predict_to_file(model, [pictures], "p.parquet", **OPTIONS)
    assert read("p.parquet") == read("whole.parquet")


def test_another_batch_size_may_go_on(model, pictures):
    predict_to_file(model, [pictures], "whole.csv", **OPTIONS)
    with pytest.raises(InterruptedError):
        predict_to_file(model, [pictures], "p.csv", **OPTIONS, progress=stop_after(16))
    predict_to_file(model, [pictures], "p.csv", **{**OPTIONS, "batch_size": 5})
    for row, other in zip(read("p.csv"), read("whole.csv"), strict=True):
        assert row["path"] == other["path"]
        if row["error"] is None:
            assert row["probability"] == pytest.approx(other["probability"], abs=1e-6)


def test_a_finished_file_is_left_as_it_is(model, pictures):
    predict_to_file(model, [pictures], "p.csv", **OPTIONS)
    before = os.stat("p.csv")
    again = predict_to_file(model, [pictures], "p.csv", **OPTIONS)
    assert (again.files, again.bad, again.new) == (21, 1, False)
    assert os.stat("p.csv") == before
    os.remove("pictures/red/1.png")
    with pytest.raises(ValueError, match=r"p.csv is finished, and the pictures are other ones"):
        predict_to_file(model, [pictures], "p.csv", **OPTIONS)
    assert os.stat("p.csv") == before


def test_other_work_is_refused(model, pictures, tiny, randomize):
    """Another model, crop, number of classes or file is said, and what is written stays."""
    with pytest.raises(InterruptedError):
        predict_to_file(model, [pictures], "p.csv", **OPTIONS, progress=stop_after(16))
    with open("p.csv.partial", "rb") as file:
        before = file.read()

    def refused(message, *, model=model, paths=(pictures,), **options):
        with pytest.raises(ValueError, match=message):
            predict_to_file(model, paths, "p.csv", **{**OPTIONS, **options})
        with open("p.csv.partial", "rb") as file:
            assert file.read() == before

    other = keras.models.clone_model(model)
    other.set_weights([1.01 * w for w in model.get_weights()])
    refused("was begun otherwise: model was '.*' and is now '", model=other)
    refused("crop was 'resize' and is now 'resize_crop'", crop="resize_crop")
    refused("columns.top was 3 and is now 4", top=4)
    refused("columns.all was False and is now True", all_probabilities=True)
    refused("columns.classes was .* and is now", label_names=list("edcba"))
    refused(
        "number 1 was pictures/blue/0.jpg and now it is pictures/red/0.jpg",
        paths=("pictures/red", "pictures/blue"),
    )
    refused("number 12 was .* and now there is none", paths=("pictures/blue",))
    os.rename("pictures/blue/1.png", "pictures/blue/1.jpg")
    refused("number 2 was pictures/blue/1.png and now it is pictures/blue/1.jpg")
    os.rename("pictures/blue/1.jpg", "pictures/blue/1.png")
    assert predict_to_file(model, [pictures], "p.csv", **OPTIONS).files == 21


def test_what_is_no_such_file_is_not_overwritten(model, pictures):
    with open("p.csv", "w") as file:
        file.write("mine")
    with pytest.raises(FileExistsError, match=r"p.csv exists, p.csv.about.json does not say"):
        predict_to_file(model, [pictures], "p.csv", **OPTIONS)
    os.rename("p.csv", "q.csv.partial")
    with pytest.raises(FileExistsError, match=r"q.csv.partial exists, q.csv.about.json does not"):
        predict_to_file(model, [pictures], "q.csv", **OPTIONS)
    with open("q.csv.partial") as file:
        assert file.read() == "mine"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_damaged_row_is_said(model, pictures, kind):
    with pytest.raises(InterruptedError):
        predict_to_file(model, [pictures], f"p.{kind}", **OPTIONS, progress=stop_after(16))
    with open(f"p.{kind}.partial", "rb") as file:
        lines = file.readlines()
    lines[3] = lines[3][:10] + b"\n"
    with open(f"p.{kind}.partial", "wb") as file:
        file.writelines(lines)
    row = 3 if kind == "csv" else 4
    with pytest.raises(ValueError, match=rf"p.{kind}.partial is damaged at row {row}: "):
        predict_to_file(model, [pictures], f"p.{kind}", **OPTIONS)


def test_too_many_bad_pictures(model, pictures):
    """It stops, says the last one, and goes on with a higher limit to the same file."""
    for i in range(3):
        with open(f"pictures/red/0{i}.gif", "wb") as file:
            file.write(b"GIF89a")
    message = r"4 of 16 files have no prediction, the last one pictures/red/02.gif \(.*\); 1 are"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            predict_to_file(model, [pictures], "p.csv", **OPTIONS, max_bad=1)
    written = predict_to_file(model, [pictures], "p.csv", **OPTIONS, max_bad=4)
    assert (written.files, written.bad) == (24, 4)
    predict_to_file(model, [pictures], "whole.csv", **OPTIONS)
    assert read("p.csv") == read("whole.csv")


def test_one_process_at_a_time(model, pictures):
    with (
        filelock.FileLock("p.csv.lock"),
        pytest.raises(OSError, match=r"Another process works on p.csv"),
    ):
        predict_to_file(model, [pictures], "p.csv", **OPTIONS)


@pytest.mark.parametrize(
    ("paths", "output", "options", "message"),
    [
        (["empty"], "p.csv", {}, "There are no pictures in empty"),
        (["pictures"], "p.txt", {}, "p.txt must end in .csv, .jsonl, .parquet"),
        (["pictures"], "p.csv", {"crop": "middle"}, "`crop` must be one of"),
        (["pictures"], "p.csv", {"top": 0}, "`top` must be at least 1"),
        (["pictures"], "p.csv", {"batch_size": 0}, "`batch_size` must be at least 1"),
        (["pictures"], "p.csv", {"label_names": ["a"]}, "has 1 names and the model has 5 classes"),
    ],
)
def test_wrong_input_leaves_nothing(model, pictures, paths, output, options, message):
    os.mkdir("empty")
    before = sorted(os.listdir())
    with pytest.raises(ValueError, match=message):
        predict_to_file(model, paths, output, **{**OPTIONS, **options})
    assert sorted(os.listdir()) == before


def test_without_pyarrow(model, pictures, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "keras-mixer\[parquet\]"'):
        predict_to_file(model, [pictures], "p.parquet", **OPTIONS)
