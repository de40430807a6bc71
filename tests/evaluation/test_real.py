"""ReaL on a case worked by hand, and its file: read, fetched over a real connection, or refused."""

import json

import keras
import numpy as np
import pytest
from bucket import Bucket, File

from keras_mixer import Mixer
from keras_mixer.evaluation import (
    Predictions,
    image_numbers,
    load_real_labels,
    predictions,
    real,
    real_accuracy,
)
from keras_mixer.weights import cache_dir

IDS = [f"n{i:08}" for i in range(1000)]


def image_name(number):
    return f"val/n01440764/ILSVRC2012_val_{number:08}.JPEG"


def judged(classes, numbers, original=None):
    """Predictions that are sure of `classes` for the images of those numbers."""
    probabilities = np.full((len(classes), 1000), 1e-4)
    for row, chosen in zip(probabilities, classes, strict=True):
        row[chosen] = 0.4
    labels = np.zeros(len(classes), int) if original is None else original
    return Predictions(probabilities, labels, [image_name(n) for n in numbers], IDS)


def test_a_case_worked_by_hand():
    labels = [[0], [1, 2], [], [3], [4, 5, 6]]
    # Image 5 is right by one of three, 1 wrong, 2 right, 3 has no label, 4 wrong.
    found = real_accuracy(judged([[6], [1], [2], [3], [9]], [5, 1, 2, 3, 4]), labels)
    assert (found.images, found.top_1) == (4, 0.5)
    # A tie: of two right classes; of a right and a wrong one.
    found = real_accuracy(judged([[1, 2], [3, 7]], [2, 4]), labels)
    assert (found.images, found.top_1) == (2, 0.5)
    with pytest.raises(ValueError, match="None of these 1 images has a ReaL label"):
        real_accuracy(judged([[0]], [3]), labels)


def test_with_one_label_each_it_is_top_1(rng):
    labels = rng.integers(0, 1000, 300)
    probabilities = rng.dirichlet(np.full(1000, 0.01), 300).astype("float32")
    labels[:200] = probabilities[:200].argmax(1)
    probabilities[0] = 1e-3  # All the same.
    found = Predictions(probabilities, labels, [image_name(i + 1) for i in range(300)], IDS)
    got = real_accuracy(found, [[label] for label in labels.tolist()])
    assert (got.images, got.top_1) == (300, found.score().top_1)


@pytest.mark.parametrize(
    "name",
    [
        "1.jpg",
        "ILSVRC2012_val_00000000.JPEG",
        "ILSVRC2012_val_00050001.JPEG",
        "ILSVRC2012_val_1.JPEG",
        "n01440764_10026.JPEG",
    ],
)
def test_names_of_other_pictures(name):
    with pytest.raises(ValueError, match=r"named ILSVRC2012_val_00000001.JPEG .* Received: ") as e:
        image_numbers([image_name(50_000), name], IDS)
    assert str(e.value).endswith(name)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "names", [IDS[:999], IDS[::-1], [*IDS[:999], IDS[0]], [f"class {i}" for i in range(1000)]]
)
def test_other_classes(names):
    with pytest.raises(ValueError, match="ReaL takes ImageNet's 1000 classes") as error:
        image_numbers([image_name(1)], names)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def labels():
    """Of the true number of images."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 1000, n).tolist() for n in rng.integers(0, 4, 50_000)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda labels: labels[:-1], "it has 49,999 entries, and there are 50,000 images"),
        (lambda labels: [*labels, []], "it has 50,001 entries"),
        (lambda labels: {"labels": labels}, "it has no list"),
        (lambda labels: [[1000], *labels[1:]], r"image 1 must be .* 999. Received: \[1000\]"),
        (lambda labels: [*labels[:-1], [-1]], r"image 50000 must be .* Received: \[-1\]"),
        (lambda labels: [[], 7, *labels[2:]], "image 2 must be .* Received: 7"),
        (lambda labels: [[1.0], *labels[1:]], r"Received: \[1.0\]"),
        (lambda labels: [[True], *labels[1:]], r"Received: \[True\]"),
    ],
)
def test_files_that_are_refused(labels, tmp_path, content, message):
    path = tmp_path / "real.json"
    path.write_text(json.dumps(content(labels)))
    with pytest.raises(ValueError, match=message) as error:
        load_real_labels(path)
    assert "\n" not in str(error.value)
    assert f"{path} holds no ReaL labels" in str(error.value)


def test_a_file(labels, tmp_path):
    path = tmp_path / "real.json"
    path.write_text(json.dumps(labels))
    assert load_real_labels(path) == labels
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="it is not valid JSON") as error:
        load_real_labels(path)
    assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError):
        load_real_labels(tmp_path / "nowhere")


def test_fetched_once(labels, monkeypatch):
    with pytest.raises(ConnectionError, match=r"Cannot fetch .*: KERAS_MIXER_OFFLINE is set"):
        load_real_labels()
    monkeypatch.delenv("KERAS_MIXER_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with Bucket() as bucket:
        monkeypatch.setattr(real, "URL", f"{bucket.url}/real.json")
        bucket.files["/real.json"] = File(json.dumps(labels[:-1]).encode())
        with pytest.raises(ValueError, match="it has 49,999 entries"):
            load_real_labels()
        bucket.files["/real.json"] = File(json.dumps(labels).encode())
        assert load_real_labels() == labels
        requests = len(bucket.requests)
        assert load_real_labels() == labels
        assert len(bucket.requests) == requests
    assert (cache_dir() / "imagenet_real.json").is_file()


def test_the_address():
    assert real.URL.startswith("https://raw.githubusercontent.com/google-research/reassessed-imag")


@pytest.mark.filterwarnings("ignore")  # TensorFlow Datasets warns of many things.
def test_validation_images_of_tensorflow_datasets(rng, tmp_path, tiny, randomize):
    """A prepared imagenet2012 of true names and features; its records hold the file names."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra `data`")
    from keras_mixer import data

    builder = tfds.builder("imagenet2012:5.*.*", data_dir=tmp_path)
    numbers = {"train": range(2), "validation": [42, 50_000, 7, 1]}
    examples = {
        split: [
            (
                i,
                {
                    "image": rng.integers(0, 256, (9, 9, 3), dtype="uint8"),
                    "label": i,
                    "file_name": f"ILSVRC2012_val_{number:08}.JPEG",
                },
            )
            for i, number in enumerate(chosen)
        ]
        for split, chosen in numbers.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name="imagenet2012",
        version=str(builder.version),
        features=builder.info.features,
        split_datasets=examples,
        data_dir=tmp_path,
        disable_shuffling=True,
    )
    loaded = data.load("imagenet", tmp_path)
    assert loaded.test.names[0] == "imagenet/validation/0"  # These stay cheap.
    names = predictions.picture_names(loaded.test)
    assert image_numbers(names, loaded.label_names) == numbers["validation"]
    keras.utils.set_random_seed(0)
    model = randomize(Mixer(tiny, weights=None, classes=1000))
    found = Predictions.of(model, loaded.test, verbose=0, label_names=loaded.label_names)
    labels = [[]] * 50_000
    labels[42 - 1] = [int(found.probabilities[0].argmax()), 3]
    labels[7 - 1] = [int(found.probabilities[2].argmin())]
    got = real_accuracy(found, labels)
    assert (got.images, got.top_1) == (2, 0.5)
