"""Data sets of TensorFlow Datasets. The only module that imports TensorFlow, inside functions."""

import os
import socket
import urllib.parse

import numpy as np

from keras_mixer.data.catalog import Dataset
from keras_mixer.data.images import ImageData, Split


def load_tfds(row: Dataset, data_dir: str | os.PathLike | None = None) -> ImageData:
    """Reads a data set of the catalog into memory as encoded pictures, downloading it once.

    Args:
        row: its row in the catalog.
        data_dir: folder of prepared data sets; by default `TFDS_DATA_DIR`, then
            `~/tensorflow_datasets`.

    Raises:
        ModuleNotFoundError: tensorflow-datasets is not installed.
        ConnectionError: it has not been prepared and its host cannot be reached; the message says
            where to put it.
    """
    try:
        import tensorflow as tf
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{row.name} is read through TensorFlow Datasets, on any Keras backend. Run: "
            'pip install "keras-mixer[data]"'
        ) from error
    tf.config.set_visible_devices([], "GPU")  # It only reads; the backend owns the accelerator.
    assert row.tfds is not None
    builder = tfds.builder(row.tfds, data_dir=None if data_dir is None else os.fspath(data_dir))
    if not builder.is_prepared():
        _check_reachable(row, builder)
        builder.download_and_prepare()

    def read(split: str) -> Split:
        dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        rows = [(r["image"], r["label"]) for r in tfds.as_numpy(dataset)]
        names = [f"{row.name}/{split}/{i}" for i in range(len(rows))]
        return Split([r[0] for r in rows], np.array([int(r[1]) for r in rows]), names)

    label_names = tuple(builder.info.features["label"].names)
    return ImageData(row.name, read(row.train), read(row.test), label_names)


def _check_reachable(row: Dataset, builder) -> None:
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
                f"to download it ({error}). Copy a prepared {row.tfds} there from another "
                "machine, or name its parent folder with --data-dir or TFDS_DATA_DIR."
            ) from error
