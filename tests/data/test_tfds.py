"""Oxford-IIIT Pets in files of TensorFlow Datasets' own format, with few pictures."""

import io
import socket

import numpy as np
import pytest
from PIL import Image

from keras_mixer import data

tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra `data`")
pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow Datasets warns of many things.


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    """A prepared oxford_iiit_pet: 74 pictures to train on, 37 to judge on."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("tfds")
    features = tfds.builder("oxford_iiit_pet", data_dir=folder).info.features

    def example(i):
        pixels = rng.integers(0, 256, (40 + i % 7, 50, 3), dtype="uint8")
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG")
        mask = np.ones((*pixels.shape[:2], 1), "uint8")
        box = {"xmin": 0.0, "ymin": 0.0, "xmax": 1.0, "ymax": 1.0}
        values = {
            "image": pixels,
            "label": i % 37,
            "species": 0,
            "file_name": f"{i}.jpg",
            "segmentation_mask": mask,
            "head_bbox": tfds.features.BBox(**box),
        }
        return i, {name: values[name] for name in features}

    tfds.dataset_builders.store_as_tfds_dataset(
        name="oxford_iiit_pet",
        version="4.0.0",
        features=features,
        split_datasets={
            "train": [example(i) for i in range(74)],
            "test": [example(i) for i in range(37)],
        },
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


def test_pets(pets):
    loaded = data.load("pets", pets)
    assert (len(loaded.train), len(loaded.test), loaded.classes) == (74, 37, 37)
    assert loaded.label_names[0] == "Abyssinian"
    assert sorted(loaded.test.labels.tolist()) == list(range(37))
    assert loaded.train.image(0).shape[1:] == (50, 3)
    assert all(isinstance(picture, bytes) for picture in loaded.train.pictures)


def test_finetune_pets_with_b16(pets, tmp_path, capsys):
    """The command itself: B/16 at 224 px, the paper's recipe but for two small steps."""
    import json

    import keras_mixer_cli

    run = tmp_path / "run"
    code = keras_mixer_cli.main(
        [
            *("finetune", "pets", "--weights", "none", "--steps", "2", "--batch-size", "4"),
            *("--data-dir", str(pets), "--output", str(run)),
        ]
    )
    assert code == 0, capsys.readouterr().err
    config = json.loads((run / "run.json").read_text())
    assert config["spec"]["name"] == "mixer_b16"
    assert (
        config["recipe"] | {"name": "pets", "optimizer": "sgd", "learning_rate": 0.03}
        == (config["recipe"])
    )
    assert config["metrics"]["test_images"] == 37


def test_no_network_is_said_at_once(tmp_path, monkeypatch):
    def unreachable(*_):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConnectionError, match=r"pets is not prepared in .*oxford_iiit_pet"):
        data.load("pets", tmp_path)


@pytest.mark.parametrize("name", [n for n, row in data.DATASETS.items() if row.tfds])
def test_rows_agree_with_tensorflow_datasets(name, tmp_path):
    row = data.DATASETS[name]
    builder = tfds.builder(row.tfds, data_dir=tmp_path)
    assert builder.info.features["label"].num_classes == row.classes
