"""Data sets of TensorFlow Datasets, which TensorFlow prepares and anything can read."""

import errno
import functools
import hashlib
import os
import socket
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_mixer.data.dataset import Dataset, Splits
from keras_mixer.data.images import open_rgb
from keras_mixer.data.names import note_on_class_names
from keras_mixer.data.records import Part, Records
from keras_mixer.data.splits import ImageData, Split, hold_out
from keras_mixer.printable import one_line
from keras_mixer.system_errors import raise_system_fault

NEEDS = (
    "is read through TensorFlow Datasets, on any Keras backend. "
    'Run: pip install "keras-mixer[data]"'
)


def load_tfds(
    row: Dataset, data_dir: str | os.PathLike | None = None, *, dev=False, whole=False
) -> ImageData:
    """Opens a data set of the catalog, prepared by TensorFlow Datasets; downloads it once.

    Pictures stay in their files, encoded, and are read when they are needed, so ImageNet takes no
    more memory than pets.

    Args:
        row: its row in the catalog.
        data_dir: folder of prepared data sets; by default `TFDS_DATA_DIR`, then
            `~/tensorflow_datasets`.
        dev: train on the row's part of the training images and judge on the rest, as for the
            choice of a learning rate.
        whole: evaluate on all images where no part is for that, and hold none out.

    Raises:
        ModuleNotFoundError: tensorflow-datasets is not installed; or TensorFlow, which preparing
            takes.
        ConnectionError: it has not been prepared and its host cannot be reached, or preparing it
            fails; the message says where to put it.
        FileNotFoundError: it has to be downloaded by hand; the message says from where.
    """
    builder = prepared_builder(row, data_dir)
    names = row.label_names or builder.info.features[row.label].names
    sizes = builder.info.splits

    def read(text) -> Split:
        text = text if isinstance(text, str) else text(sizes["train"].num_examples)
        return RecordSplit(row, _parts(builder, text), text)

    def is_labelled(name: str) -> bool:
        split = read(name)
        return len(split) > 0 and split.subset([0]).labels[0] >= 0  # -1: of a competition.

    kept = (name for name in ("test", "validation") if name in sizes and is_labelled(name))
    judged_on = row.splits.test or next(kept, "")
    part = "test"
    if not judged_on and whole:
        test, part = read(row.splits.train), "all"
        train = test.subset([])
    elif not judged_on:
        (train, test), part = hold_out(read(row.splits.train)), "held out"
        if dev:
            train, test = hold_out(train, 0.1, seed=1)
    elif dev:
        train, test = read(row.splits.dev_train), read(row.splits.dev)
    else:
        train, test = read(row.splits.train), read(judged_on)
    notes = note_on_class_names(names, row.name)
    return ImageData(row.name, train, test, tuple(names), part=part, notes=notes)


def any_tfds(name: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """A row for a data set that the catalog lacks, such as `"beans"` or `"eurosat/rgb"`.

    Raises:
        ValueError: no such data set, or not one of pictures with a class each and two splits.
    """
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"tfds:{name} {NEEDS}") from error
    try:
        builder = tfds.builder(name, data_dir=data_dir and os.fspath(data_dir))
    except Exception as error:  # Its own message lists hundreds of names.
        raise_system_fault(error, f"{name} of TensorFlow Datasets")
        raise ValueError(f"TensorFlow Datasets has no data set {name!r}.") from error
    features = builder.info.features
    image, label = builder.info.supervised_keys or ("image", "label")
    kinds = {name: type(feature) for name, feature in features.items()}
    if kinds.get(image) != tfds.features.Image or kinds.get(label) != tfds.features.ClassLabel:
        raise ValueError(f"{name} of TensorFlow Datasets is not one of pictures with a class each.")
    return Dataset(
        name=f"tfds:{name}",
        title=builder.name,
        classes=features[label].num_classes,
        tfds=name,
        image=image,
        splits=Splits(test=""),
        label=label,
    )


def prepared_builder(row: Dataset, data_dir):
    """The builder of TensorFlow Datasets, its files in place."""
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{row.name} {NEEDS}") from error
    assert row.tfds is not None
    builder = tfds.builder(row.tfds, data_dir=None if data_dir is None else os.fspath(data_dir))
    if not builder.is_prepared():
        _prepare(row, builder)
    return builder


def _prepare(row: Dataset, builder) -> None:
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{row.name} is not prepared in {builder.data_dir}, and preparing it takes TensorFlow. "
            'Run: pip install "keras-mixer[data]"'
        ) from error
    tf.config.set_visible_devices([], "GPU")  # The backend owns the accelerator.
    place = (
        f"copy a prepared {builder.name} to {builder.data_path} from another machine, or name the "
        "folder that holds it with --data-dir or TFDS_DATA_DIR."
    )
    if (by_hand := builder.MANUAL_DOWNLOAD_INSTRUCTIONS) and not _has_manual_files(builder):
        raise FileNotFoundError(
            f"{row.name} is not prepared in {builder.data_dir} and has to be downloaded by hand "
            f"into {_manual_folder(builder)}: {' '.join(by_hand.split())} Or {place}"
        )
    _check_reachable(row, builder, place)
    try:
        builder.download_and_prepare()
    except Exception as error:  # Of the network, an archive, a file that is not there: many kinds.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConnectionError(
            f"{row.name} is not prepared in {builder.data_dir}, and could not be: "
            f"{one_line(first)} Mend that, or {place}"
        ) from error


def _manual_folder(builder) -> str:
    return os.path.join(builder._data_dir_root, "downloads", "manual")


def _has_manual_files(builder) -> bool:
    folder = _manual_folder(builder)
    return os.path.isdir(folder) and bool(os.listdir(folder))


def _check_reachable(row: Dataset, builder, place: str) -> None:
    """Fails at once, where TensorFlow Datasets would retry for minutes."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return
    hosts = {urllib.parse.urlsplit(url).hostname for url in builder.url_infos}
    for host in sorted(filter(None, hosts)):
        try:
            socket.getaddrinfo(host, 443)
        except OSError as error:
            raise ConnectionError(
                f"{row.name} is not prepared in {builder.data_dir} and {host} cannot be reached "
                f"to download it ({error}). Connect to the network, or {place}"
            ) from error


def _parts(builder, split: str) -> list[Part]:
    """Where the records of a split stand, in the order of the files."""
    instructions = builder.info.splits[split].file_instructions
    return [
        Part(
            os.fspath(one.filename),
            one.skip,
            one.take if one.take >= 0 else one.examples_in_shard - one.skip,
        )
        for one in instructions
    ]


class RecordSplit(Split):
    """Pictures and labels of a split, read from its record files one by one.

    Args:
        row: the row of the data set in the catalog.
        parts: where the records stand.
        split: the split's name, for messages.
        indices: which of these records; all by default.
        numbers: of each class the number that it gets, `(classes,)`; by default its own.
    """

    def __init__(self, row: Dataset, parts: list[Part], split: str, indices=None, numbers=None):
        self.row = row
        self.parts = parts
        self.split = split
        self.numbers = numbers
        self._records = Records(parts)
        every = range(len(self._records))
        self.indices = np.asarray(every if indices is None else indices, int)
        self.pictures = _Pictures(self)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int):
        features = self.features(index)
        picture = open_rgb(features[self.row.image][0], self.name(index))
        if self.row.pixel_scale != 1:
            picture = picture.point([min(255, self.row.pixel_scale * v) for v in range(256)] * 3)
        return picture, self._label(features)

    def features(self, index: int) -> dict:
        """Example `index` as `{name: flat list of values}`."""
        from tensorflow_datasets.proto import tf_example_pb2

        example = tf_example_pb2.Example.FromString(self._records[int(self.indices[index])])
        return {
            name: getattr(feature, feature.WhichOneof("kind") or "bytes_list").value
            for name, feature in example.features.feature.items()
        }

    def _label(self, features: dict) -> int:
        label = self.row.label
        number = int(features[label][0] if isinstance(label, str) else label(features))
        return number if self.numbers is None else int(self.numbers[number])

    def name(self, index: int) -> str:
        """What to call a picture in a message."""
        return f"{self.row.name}/{self.split}/{self.indices[index]}"

    @functools.cached_property
    def names(self) -> list[str]:
        """What to call each picture."""
        return [self.name(index) for index in range(len(self))]

    @functools.cached_property
    def file_names(self) -> list[str]:
        """Names of the files that the records were made of, else `names`; reads each record once.

        Those of ImageNet's validation images hold their numbers.
        """

        def name(index: int) -> str:
            noted = self.features(index).get("file_name")
            return noted[0].decode("utf-8", "backslashreplace") if noted else self.name(index)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(name, range(len(self))))

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Class of each picture, `(n,)`; reads every record once."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            labels = pool.map(lambda i: self._label(self.features(i)), range(len(self)))
            return np.fromiter(labels, "int64", len(self))

    def fingerprint(self) -> str:
        """A hash of the files and of which records these are; no record is read for it."""
        digest = hashlib.sha256(self.indices.astype("<i8").tobytes())
        for part in self.parts:
            place = os.path.basename(part.path), part.skip, part.take, os.path.getsize(part.path)
            digest.update(repr(place).encode())
        if self.numbers is not None:
            digest.update(self.numbers.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def subset(self, indices) -> "RecordSplit":
        """The pictures at `indices`, in that order."""
        chosen = self.indices[np.asarray(indices, int)]
        return RecordSplit(self.row, self.parts, self.split, chosen, self.numbers)

    def renumbered(self, numbers: np.ndarray) -> "RecordSplit":
        """The same images, class `i` as class `numbers[i]`."""
        own = numbers if self.numbers is None else numbers[self.numbers]
        return RecordSplit(self.row, self.parts, self.split, self.indices, own)


class _Pictures(Sequence[bytes]):
    """The encoded pictures of a split as a sequence."""

    def __init__(self, split: RecordSplit):
        self._split = split

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index):
        return self._split.features(index)[self._split.row.image][0]
