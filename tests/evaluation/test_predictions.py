"""Predictions go through a file unchanged, and nothing but such a file is taken for one."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from runs.judged import HOSTILE, judged

from keras_mixer import Mixer, evaluation
from keras_mixer.data import Split
from keras_mixer.evaluation import Predictions


@pytest.fixture
def predictions(rng):
    split, probabilities = judged(rng, len(HOSTILE), 40)
    about = ("somewhere", "resize_crop", "mixer_ti4", "jax")
    return Predictions(probabilities, split.labels, split.names, list(HOSTILE), *about)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_file_holds_everything(predictions, tmp_path, kind):
    predictions = dataclasses.replace(
        predictions, probabilities=predictions.probabilities.astype(kind)
    )
    path = tmp_path / "new" / "predictions.npz"
    predictions.save(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    read = Predictions.load(path)
    for field in dataclasses.fields(Predictions):
        kept, value = getattr(predictions, field.name), getattr(read, field.name)
        if isinstance(kept, np.ndarray):
            assert kept.dtype == value.dtype
        np.testing.assert_array_equal(kept, value)
    before, after = predictions.score(), read.score()
    assert (before.loss, before.top_5) == (after.loss, after.top_5)
    with np.load(path, allow_pickle=False) as arrays:
        assert {arrays[name].dtype.hasobject for name in arrays} == {False}


def test_from_a_model_to_its_accuracy(rng, tiny, randomize, tmp_path):
    pictures = [rng.integers(0, 256, (8, 12, 3), dtype="uint8") for _ in range(11)]
    split = Split(pictures, rng.integers(0, 7, 11), [f"{i}.png" for i in range(11)])
    model = randomize(Mixer(tiny, weights=None, classes=7))
    options = {"crop": "resize", "batch_size": 4, "verbose": 0}
    found = Predictions.of(model, split, **options, data="arrays")
    assert (found.data, found.crop, found.model) == ("arrays", "resize", "tiny")
    assert found.backend == keras.backend.backend()
    assert list(found.names) == split.names
    assert list(found.label_names) == list("0123456")
    found.save(tmp_path / "p.npz")
    again, direct = (
        Predictions.load(tmp_path / "p.npz").score(),
        evaluation.evaluate(model, split, **options),
    )
    assert (again.top_1, again.top_5, again.loss) == (direct.top_1, direct.top_5, direct.loss)
    np.testing.assert_array_equal(found.probabilities, evaluation.predict(model, split, **options))
    for label in (-1, 7):
        odd = Split(pictures, np.full(11, label), split.names)
        np.testing.assert_array_equal(
            found.probabilities, evaluation.predict(model, odd, **options)
        )
        with pytest.raises(ValueError, match=f"A label is {label} and tiny has 7 classes"):
            Predictions.of(model, odd, **options)


def load_error(path):
    with pytest.raises(ValueError, match="is not a file of predictions, or is damaged") as error:
        Predictions.load(path)
    assert len(str(error.value).splitlines()) == 1
    assert str(path) in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite(rng, tiny, value):
    """The third image of five, in the second batch: one bright pixel meets a broken weight."""
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Lambda(lambda x: keras.ops.where(x > 0.9, value, x))(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x), name="broken")
    images = [np.zeros((4, 4, 3), "uint8") for _ in range(5)]
    images[2][1, 1, 0] = 255
    split = Split(images, np.zeros(5, int), [f"{i}.png" for i in range(5)])
    message = r"^broken gives numbers that are not finite for 1 of 5 images, the first .* 2\.png\."
    with pytest.raises(ValueError, match=message):
        Predictions.of(model, split, crop="resize", batch_size=2, verbose=0)


def test_damage_is_found(predictions, tmp_path, rng):
    path = tmp_path / "p.npz"
    predictions.save(path)
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        load_error(path)
    start = content.index(b"\x93NUMPY")
    for place in rng.integers(start, start + 8 * predictions.probabilities.size, 20):
        flipped = bytearray(content)
        flipped[place] ^= 16
        path.write_bytes(flipped)
        load_error(path)


class Evil:
    def __reduce__(self):
        return print, ("a pickle was run",)


def test_other_files_are_refused(predictions, tmp_path, capsys):
    path = tmp_path / "other"
    path.write_text("not an archive")
    load_error(path)
    for name, write in (
        ("array.npy", lambda path: np.save(path, np.zeros(3))),
        ("weights.npz", lambda path: np.savez(path, kernel=np.zeros((3, 3)))),
        ("pickle.npz", lambda path: np.savez(path, about=np.array([Evil()], object))),
        ("pickle.npy", lambda path: np.save(path, np.array([Evil()], object))),
        ("kind.npz", lambda path: np.savez(path, about=np.frombuffer(b'{"kind": "x"}', "uint8"))),
    ):
        write(tmp_path / name)
        load_error(tmp_path / name)
    assert capsys.readouterr().out == ""
    with pytest.raises(FileNotFoundError):
        Predictions.load(tmp_path / "nowhere.npz")

    about = {"kind": "predictions of keras_mixer, 1", "names": ["a"], "label_names": ["b", "c"]}
    stored = {"about": np.frombuffer(json.dumps(about).encode(), "uint8")}
    fit = {"probabilities": np.array([[0.5, 0.5]]), "labels": np.array([1])}
    np.savez(tmp_path / "fit.npz", **stored, **fit)
    assert Predictions.load(tmp_path / "fit.npz").score().images == 1
    np.savez(tmp_path / "unfit.npz", **stored, **(fit | {"labels": np.array([2])}))
    load_error(tmp_path / "unfit.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.zeros((2, 2), int)}, "Received: int64 of shape"),
        ({"probabilities": np.zeros(2)}, "Received: float64 of shape"),
        ({"probabilities": np.array([[-1.0, 2.0]] * 2)}, "Received: values from -1 to 2"),
        ({"labels": np.array([0.0, 1.0])}, "Received: float64 of shape"),
        ({"labels": np.array([0])}, r"Received: int64 of shape \(1,\)"),
        ({"labels": np.array([0, -1])}, r"from 0 to 1. Received: \[-1, 0\]"),
        ({"labels": np.array([0, 2])}, r"from 0 to 1. Received: \[0, 2\]"),
        ({"names": ["a"]}, "Received: 1 and 2"),
        ({"label_names": ["a"]}, "Received: 2 and 1"),
    ],
)
def test_what_does_not_fit_together(change, message):
    fit = {"probabilities": np.full((2, 2), 0.5), "labels": np.array([0, 1])}
    fit |= {"names": ["a", "b"], "label_names": ["c", "d"]}
    Predictions(**fit)
    with pytest.raises(ValueError, match=message):
        Predictions(**(fit | change))


def test_no_pictures():
    with pytest.raises(ValueError, match="There must be pictures"):
        Predictions(np.zeros((0, 2)), np.zeros(0, int), [], ["a", "b"])
