"""Keras' own files, `.weights.h5` and `.keras`, to canonical names."""

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator

from keras_mixer.weights.arrays import StoredArray

# Names of a Keras layer's variables, in the order it stores them.
_DENSE, _NORM = ("kernel", "bias"), ("gamma", "beta")
_VARIABLES = {
    "stem": _DENSE,
    "head": _DENSE,
    "dense_0": _DENSE,
    "dense_1": _DENSE,
    "views": _DENSE,
    "pre_head_layer_norm": _NORM,
    "layer_norm_0": _NORM,
    "layer_norm_1": _NORM,
}


@contextlib.contextmanager
def open_h5(file) -> Iterator[dict[str, StoredArray]]:
    """`{canonical name: array}` of a Keras weights file, which numbers a layer's variables.

    Raises:
        OSError, KeyError: it is none.
    """
    import h5py

    arrays = {}

    def visit(group, names):
        if "vars" in group and len(names):
            variables = group["vars"]
            known = _VARIABLES.get(names[-1], ())
            for key in variables:
                leaf = known[int(key)] if int(key) < len(known) else f"vars/{key}"
                arrays["/".join((*names, leaf))] = _dataset(variables[key])
        for key, child in group.items():
            if key not in ("vars", "seed_generator"):
                visit(child, (*names, key))

    with h5py.File(file, "r") as root:
        for group in root["layers"].values():
            visit(group, (str(group["vars"].attrs["name"]),))
        yield arrays


def _dataset(dataset) -> StoredArray:
    # Keras stores bfloat16 as two bytes of no type.
    kind = "|V2" if dataset.dtype.str in ("|V2", "<V2") else dataset.dtype.name
    return StoredArray(dataset.shape, kind, lambda: dataset[()])


@contextlib.contextmanager
def open_keras(path: str | os.PathLike) -> Iterator[tuple[dict[str, StoredArray], dict]]:
    """`{canonical name: array}` of a saved model, and its configuration; no code in it is run.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: it is none.
    """
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryFile() as file:
        for name in ("config.json", "model.weights.h5"):
            unpacked = archive.getinfo(name).file_size
            if unpacked > 16 * max(os.path.getsize(path), 2**20):
                raise ValueError(f"{name} would unpack to {unpacked:,} bytes")
        config = json.loads(archive.read("config.json"))["config"]
        with archive.open("model.weights.h5") as packed:
            shutil.copyfileobj(packed, file)  # To disk, where it can be read out of order.
        with open_h5(file) as arrays:
            yield arrays, config


def layer_config(config: dict, class_name: str) -> dict | None:
    """What a saved model's configuration says of its first layer of a class."""
    for layer in config.get("layers", ()):
        if layer["class_name"] == class_name:
            return layer
    return None
