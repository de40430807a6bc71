"""Data sets in files of TensorFlow Datasets' own formats, with few and small pictures."""

import errno
import json
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from keras_mixer import data
from keras_mixer.data.records import Part, Records, TFRecord
from keras_mixer.data.tfds import RecordSplit

tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra `data`")
pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow Datasets warns of many things.

NAMED = [row for row in data.DATASETS.values() if row.tfds]


def value(feature, i, rng):
    """A value of `feature` for example `i`."""
    kinds = tfds.features
    if isinstance(feature, kinds.Image):
        shape = [side or 3 + i % 3 for side in feature.shape]
        high = 2 if feature.shape == (64, 64, 1) else 256  # dSprites has 0 and 1.
        return rng.integers(0, high, shape, dtype=feature.np_dtype)
    if isinstance(feature, kinds.ClassLabel):
        return i % feature.num_classes
    if isinstance(feature, kinds.Text):
        return f"{i}.jpg"
    if isinstance(feature, kinds.BBoxFeature):
        return kinds.BBox(ymin=0.1, xmin=0.2, ymax=0.7, xmax=0.9)
    if isinstance(feature, kinds.Sequence):
        return [value(feature.feature, i + k, rng) for k in range(3 + i % 8)]
    if isinstance(feature, kinds.FeaturesDict):
        return {name: value(inner, i, rng) for name, inner in feature.items()}
    return rng.uniform(0, 40, feature.shape).astype(feature.np_dtype)


def prepare(tfds_name, folder, sizes, unlabelled=(), **options):
    """Writes a data set of the true name, version and features; returns its examples.

    The splits that are `unlabelled` have the label -1, as those of competitions.
    """
    bare = tfds_name.split(":")[0]
    name, _, config = bare.partition("/")
    builder = tfds.builder(bare, data_dir=folder)
    features = builder.info.features
    rng = np.random.default_rng(0)
    examples = {
        split: [(i, value(features, i, rng)) for i in range(size)] for split, size in sizes.items()
    }
    for split in unlabelled:
        examples[split] = [(i, {**example, "label": -1}) for i, example in examples[split]]
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=str(builder.version),
        features=features,
        split_datasets=examples,
        config=config or None,
        data_dir=folder,
        disable_shuffling=True,
        **options,
    )
    return examples


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    """A prepared oxford_iiit_pet: 74 pictures to train on, 37 to judge on."""
    folder = tmp_path_factory.mktemp("tfds")
    prepare("oxford_iiit_pet", folder, {"train": 74, "test": 37})
    return folder


def test_pets(pets):
    loaded = data.load("pets", pets)
    assert (len(loaded.train), len(loaded.test), loaded.classes) == (74, 37, 37)
    assert loaded.label_names[0] == "Abyssinian"
    assert loaded.test.labels.tolist() == list(range(37))
    assert loaded.train.image(0).shape == (3, 3, 3)
    assert isinstance(loaded.train.pictures[5], bytes)
    assert loaded.train.names[3] == "pets/train/3"
    data.leave_out_bad([loaded.train])


def test_records_are_those_that_tensorflow_datasets_reads(pets):
    """Pixels too: PIL and TensorFlow with the exact transform decode a JPEG alike, bit for bit."""
    import tensorflow as tf

    split = data.load("pets", pets).train
    encoded = {"image": tfds.decode.SkipDecoding()}
    theirs = tfds.load("oxford_iiit_pet", split="train", data_dir=pets, decoders=encoded)
    for i, example in enumerate(tfds.as_numpy(theirs)):
        picture, label = split[i]
        assert label == example["label"]
        assert split.features(i)["file_name"][0] == example["file_name"]
        pixels = tf.io.decode_jpeg(example["image"], 3, dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(np.asarray(picture), pixels.numpy())


def test_parts_of_the_training_images_to_choose_by(pets):
    whole, parts = data.load("pets", pets).train, data.load("pets", pets, dev=True)
    assert (len(parts.train), len(parts.test)) == (67, 7)  # A tenth of 74.
    files = {
        name: {split.features(i)["file_name"][0] for i in range(len(split))}
        for name, split in (("all", whole), ("train", parts.train), ("dev", parts.test))
    }
    assert not files["train"] & files["dev"]
    assert files["train"] | files["dev"] == files["all"]


def test_subset_and_cache_of_records(pets):
    split = data.load("pets", pets).train
    subset = split.subset([5, 2]).subset([1, 0])
    assert subset.names == ["pets/train/2", "pets/train/5"]
    assert subset.labels.tolist() == [2, 5]
    np.testing.assert_array_equal(subset.cached().image(1), split.image(5))


def test_records_of_classes_in_another_order(pets):
    loaded = data.load("pets", pets)
    other = loaded.in_order(loaded.label_names[::-1])
    assert other.train.labels.tolist() == [36 - label for label in loaded.train.labels]
    assert other.test.subset([3])[0][1] == 33
    assert other.train.fingerprint() != loaded.train.fingerprint()
    again = other.in_order(loaded.label_names)
    assert again.train.labels.tolist() == loaded.train.labels.tolist()


def test_a_fingerprint_reads_no_record(pets, monkeypatch):
    first = data.load("pets", pets)
    monkeypatch.setattr("keras_mixer.data.records.Records.__getitem__", None)  # Would fail.
    again = data.load("pets", pets)
    assert first.train.fingerprint() == again.train.fingerprint()
    others = {
        *(first.test.fingerprint(), first.train.subset(range(73)).fingerprint()),
        first.train.subset(range(73, -1, -1)).fingerprint(),
    }
    assert len(others | {first.train.fingerprint()}) == 4


def test_finetune_pets_with_b16(pets, tmp_path, capsys):
    """The command itself: B/16 at 224 px, the paper's recipe but for two small steps."""
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
    assert config["model"] == "mixer_b16"
    assert (
        config["recipe"] | {"name": "pets", "optimizer": "sgd", "learning_rate": 0.03}
        == (config["recipe"])
    )
    assert config["metrics"]["test_images"] == 37


READ_WITHOUT_TENSORFLOW = """
import os, sys
from importlib.machinery import PathFinder

class WithoutTensorFlow:  # As if it were not installed.
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] != "tensorflow":
            return PathFinder.find_spec(name, path, target)

sys.meta_path = [WithoutTensorFlow if f is PathFinder else f for f in sys.meta_path]
os.environ["KERAS_BACKEND"] = sys.argv[1]
from keras_mixer import data
loaded = data.load("pets", sys.argv[2])
print(len(loaded.train), loaded.test[3][1], loaded.train.image(7).sum())
"""


@pytest.mark.cross
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_prepared_data_are_read_without_tensorflow(pets, backend):
    command = [sys.executable, "-c", READ_WITHOUT_TENSORFLOW, backend, str(pets)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    expected = data.load("pets", pets).train.image(7).sum()
    assert result.stdout.split() == ["74", "3", str(expected)]


def test_array_record_files_are_read_too(tmp_path):
    examples = prepare("cifar10", tmp_path, {"train": 30, "test": 5}, file_format="array_record")
    loaded = data.load("cifar10", tmp_path)
    for i in (0, 29, 13):
        np.testing.assert_array_equal(loaded.train.image(i), examples["train"][i][1]["image"])
    assert loaded.train.labels.tolist() == [i % 10 for i in range(30)]


@pytest.mark.parametrize("row", [row for row in NAMED if not row.group], ids=lambda row: row.name)
def test_rows_are_read(row, tmp_path):
    if row.unavailable:
        with pytest.raises(ValueError, match=row.name):
            data.load(row.name)
        return
    prepare(row.tfds, tmp_path, {"train": 100, "validation": 50, "test": 25})
    loaded, parts = (data.load(row.name, tmp_path, dev=dev) for dev in (False, True))
    assert loaded.classes == row.classes
    assert len(loaded.train) == len(parts.train) + len(parts.test)
    assert len(loaded.train) == (150 if row.name == "flowers102" else 100)
    assert len(loaded.test) == (50 if row.name == "imagenet" else 25)
    assert loaded.test[7][1] == 7
    shares = {"imagenet": 1, "cifar10": 2, "cifar100": 2, "pets": 10, "flowers102": 15}
    assert len(parts.test) == shares[row.name]


VTAB = [row for row in NAMED if row.group]
# Where validation begins, of 2,200 examples, and how many there are to judge on.
CUTS = {"caltech101": 1980, "cifar100": 1980, "svhn": 1980, "clevr_count": 1980}
CUTS |= {"clevr_distance": 1980, "pets": 1760, "eurosat": 1320, "resisc45": 1320}
CUTS |= {"dsprites_location": 1760, "dsprites_orientation": 1760}
TESTS = {"eurosat": 440, "resisc45": 440, "dsprites_location": 220, "dsprites_orientation": 220}
TESTS |= {"clevr_count": 210, "clevr_distance": 210, "smallnorb_azimuth": 160}
TESTS |= {"smallnorb_elevation": 160}


@pytest.fixture(scope="module")
def vtab(tmp_path_factory):
    """The examples of every data set of VTAB, each written once."""
    folder = tmp_path_factory.mktemp("vtab")
    written = {}
    for row in VTAB:
        if row.tfds not in written:
            train = 2200 if row.name.removeprefix("vtab/") in CUTS else 810
            written[row.tfds] = prepare(
                row.tfds, folder, {"train": train, "validation": 210, "test": 320}
            )
    return folder, written


def expected_label(name, example):
    """The class by the words of the task, not by the package's code."""
    if name == "clevr_count":
        return len(example["objects"]) - 3
    if name == "clevr_distance":
        depth = np.float32(min(thing["pixel_coords"][2] for thing in example["objects"]))
        return int(np.searchsorted([8, 8.5, 9, 9.5, 10], depth))
    if name == "kitti_distance":
        vehicles = [o["location"][2] for o in example["objects"] if o["type"] in (0, 1, 2)]
        return int(np.searchsorted([8, 20], min(vehicles))) if vehicles else 3
    if name == "dsprites_location":
        return example["label_x_position"] // 2
    if name == "dsprites_orientation":
        return int(example["label_orientation"] / 2.5)
    return example[name.replace("smallnorb_", "label_") if "norb" in name else "label"]


@pytest.mark.parametrize("row", VTAB, ids=lambda row: row.name)
def test_vtab(row, vtab):
    folder, written = vtab
    name = row.name.removeprefix("vtab/")
    examples = written[row.tfds]
    loaded, parts = (data.load(row.name, folder, dev=dev) for dev in (False, True))
    assert (len(parts.train), len(parts.test), len(loaded.train)) == (800, 200, 1000)
    assert len(loaded.test) == TESTS.get(name, 320)
    assert loaded.classes == row.classes
    if name in CUTS:
        dev = examples["train"][CUTS[name] : CUTS[name] + 200]
    else:
        dev = examples["test" if "norb" in name else "validation"][:200]
    thousand = examples["train"][:800] + dev
    wanted = [expected_label(name, example) for _, example in thousand]
    assert loaded.train.labels.tolist() == wanted
    assert parts.train.labels.tolist() == wanted[:800]
    assert parts.test.labels.tolist() == wanted[800:]
    assert 0 <= min(wanted) <= max(wanted) < row.classes
    image = loaded.train.image(801)
    assert image.shape[:2] == thousand[801][1]["image"].shape[:2]
    if name.startswith("dsprites"):
        np.testing.assert_array_equal(image, np.repeat(thousand[801][1]["image"] * 255, 3, -1))


def test_the_command_vtab_does_as_its_paper_says(vtab, tmp_path, monkeypatch, capsys):
    """The three rates on 800 images, judged on 200; the final run on all 1,000."""
    import keras_mixer_cli

    monkeypatch.chdir(tmp_path)
    code = keras_mixer_cli.main(
        [
            *("vtab", "--model", "mixer_ti4", "--weights", "none", "--tasks", "dtd", "--json"),
            *("--steps", "1", "--batch-size", "4", "--warmup-steps", "0", "--evaluations", "1"),
            *("--data-dir", str(vtab[0]), "--output", "suite"),
        ]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    means = json.loads(captured.out)["means"]
    assert means["natural"]["partial"] is True
    run = json.loads(pathlib.Path("suite/vtab_dtd/run.json").read_text())
    assert (run["train_images"], run["metrics"]["test_images"]) == (1000, 320)
    assert [row["learning_rate"] for row in run["sweep"]] == [0.003, 0.01, 0.03]
    assert means["overall"]["mean"] == run["metrics"]["top_1"]
    parts = data.load("vtab/dtd", vtab[0], dev=True)
    for rate in ("0.003", "0.01", "0.03"):
        result = pathlib.Path(f"suite/vtab_dtd/sweep/rate_{rate}/result.json")
        made_of = json.loads(result.read_text())["made_of"]
        assert made_of["train"] == parts.train.fingerprint()
        assert made_of["test"] == parts.test.fingerprint()


def test_vtab_has_nineteen_tasks_in_three_groups():
    groups = [row.group for row in VTAB]
    counts = [groups.count(group) for group in ("natural", "specialised", "structured")]
    assert counts == [7, 4, 8]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.name)
def test_rows_agree_with_tensorflow_datasets(row, tmp_path):
    builder = tfds.builder(row.tfds, data_dir=tmp_path)
    assert builder.info.homepage == row.homepage or row.group
    assert bool(builder.MANUAL_DOWNLOAD_INSTRUCTIONS) == row.by_hand
    assert isinstance(builder.info.features[row.image], tfds.features.Image)
    if isinstance(row.label, str):
        assert builder.info.features[row.label].num_classes == row.classes
    else:
        assert len(row.label_names) == row.classes


def test_any_other_data_set_by_name(tmp_path):
    prepare("beans", tmp_path, {"train": 9, "test": 6})
    loaded = data.load("tfds:beans", tmp_path)
    assert (len(loaded.train), len(loaded.test), loaded.classes) == (9, 6, 3)
    assert loaded.part == "test"
    with pytest.raises(ValueError, match="has no data set 'no_such_thing'"):
        data.load("tfds:no_such_thing", tmp_path)
    with pytest.raises(ValueError, match="not one of pictures with a class each"):
        data.load("tfds:glue/cola", tmp_path)


def test_a_split_without_labels_is_not_judged_on(tmp_path):
    prepare("beans", tmp_path, {"train": 30, "validation": 6, "test": 4}, unlabelled=["test"])
    loaded = data.load("tfds:beans", tmp_path)
    assert (len(loaded.train), len(loaded.test)) == (30, 6)
    assert set(loaded.test.labels) == {0, 1, 2}


@pytest.mark.parametrize("sizes", [{"train": 60}, {"train": 60, "test": 4}])
def test_where_nothing_else_is_labelled_choices_leave_the_test_images_alone(sizes, tmp_path):
    prepare("beans", tmp_path, sizes, unlabelled=[name for name in sizes if name == "test"])
    whole = data.load("tfds:beans", tmp_path)
    assert (len(whole.train), len(whole.test), whole.part) == (48, 12, "held out")
    foreign = data.load("tfds:beans", tmp_path, whole=True)
    assert (len(foreign.train), len(foreign.test), foreign.part) == (0, 60, "all")
    dev = data.load("tfds:beans", tmp_path, dev=True)
    train, judged, test = (set(split.names) for split in (dev.train, dev.test, whole.test))
    assert train | judged == set(whole.train.names)
    assert not train & judged
    assert not (train | judged) & test


def test_no_network_is_said_at_once(tmp_path, monkeypatch):
    def unreachable(*_):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConnectionError) as error:
        data.load("pets", tmp_path)
    text = str(error.value)
    assert "pets is not prepared in" in text
    assert "Connect to the network, or copy a prepared oxford_iiit_pet" in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ["imagenet", "vtab/resisc45", "vtab/diabetic_retinopathy"])
def test_manual_downloads_are_explained(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="has to be downloaded by hand into") as error:
        data.load(name, tmp_path)
    assert str(tmp_path / "downloads" / "manual") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("error", [AssertionError("ImageNet requires\nmore"), OSError("refused")])
def test_what_cannot_be_prepared_is_said(error, tmp_path, monkeypatch):
    def fail(self):
        raise error

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # Then nobody asks for the host.
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(
        ConnectionError, match=r"^pets is not prepared in .*, and could not"
    ) as told:
        data.load("pets", tmp_path)
    assert str(error).splitlines()[0] in str(told.value)
    assert "\n" not in str(told.value)


def test_a_full_disk_while_preparing_is_no_matter_of_the_network(tmp_path, monkeypatch):
    def fail(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(OSError, match="No space left") as told:
        data.load("pets", tmp_path)
    assert not isinstance(told.value, ConnectionError)


# The files themselves.


@pytest.fixture
def record_file(pets):
    (path,) = pathlib.Path(pets).glob("**/*train.tfrecord*")
    return path


def test_records_of_several_parts(record_file, tmp_path):
    records = list(TFRecord(str(record_file)))
    assert len(records) == 74
    parts = [Part(str(record_file), 70, 4), Part(str(record_file), 0, 2)]
    assert list(Records(parts)) == [*records[70:], *records[:2]]
    with pytest.raises(IndexError):
        Records(parts)[6]
    assert len(Records([])) == 0


def test_several_files_and_a_slice_over_their_border(tmp_path):
    import tensorflow as tf

    for number, names in enumerate((b"abc", b"defg")):
        with tf.io.TFRecordWriter(str(tmp_path / str(number))) as file:
            for name in names:
                file.write(bytes([name]) * (name - 90))
    parts = [Part(str(tmp_path / "0"), 1, 2), Part(str(tmp_path / "1"), 0, 3)]
    assert [record[:1] for record in Records(parts)] == [b"b", b"c", b"d", b"e", b"f"]


@pytest.mark.parametrize("lost", [1, 5, 20])
def test_a_file_that_is_cut_off(record_file, tmp_path, lost):
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(record_file.read_bytes()[:-lost])
    with pytest.raises(ValueError, match=r"cut\.tfrecord is cut off in record 73"):
        TFRecord(str(cut))


def test_a_flipped_bit(record_file, tmp_path):
    content = bytearray(record_file.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "flipped").write_bytes(content)
    with pytest.raises(ValueError, match="flipped fails its checksum in record"):
        list(TFRecord(str(tmp_path / "flipped")))


def test_a_record_that_holds_no_picture(pets):
    loaded = data.load("pets", pets)

    class Broken(RecordSplit):
        def features(self, index):
            return super().features(index) | {"image": [b"nothing"]}

    split = Broken(loaded.train.row, loaded.train.parts, "train")
    with pytest.raises(data.UnreadableImageError, match="Cannot read pets/train/4"):
        split[4]
