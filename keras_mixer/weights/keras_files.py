"""Keras' own files, `.weights.h5` and `.keras`, to canonical names."""

import contextlib
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

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


# Times its length that a file may take once it is unpacked. Keras itself packs nothing.
_MOST_EXPANDED = 16
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


@contextlib.contextmanager
def open_h5(file) -> Iterator[dict[str, StoredArray]]:
    """`{canonical name: array}` of a Keras weights file, which numbers a layer's variables.

    Raises:
        OSError, KeyError, ValueError: it is none, or `check_contained` refuses it.
    """
    import h5py

    arrays: dict[str, StoredArray] = {}

    def visit(group, names):
        if "vars" in group and len(names):
            variables = group["vars"]
            known = _VARIABLES.get(names[-1], ())
            for key in variables:
                leaf = known[int(key)] if int(key) < len(known) else f"vars/{key}"
                if (name := "/".join((*names, leaf))) in arrays:
                    raise ValueError(f"two arrays mean {name}")
                arrays[name] = _dataset(variables[key])
        for key, child in group.items():
            if key not in ("vars", "seed_generator"):
                visit(child, (*names, key))

    with h5py.File(file, "r") as root:
        check_contained(root)
        for group in root["layers"].values():
            visit(group, (str(group["vars"].attrs["name"]),))
        yield arrays


def check_contained(root) -> None:
    """Raises unless all of an HDF5 file lies in it, in a tree.

    Args:
        root: an open `h5py.File`.

    Raises:
        ValueError: it has links out of it or round in it, arrays that lie in other files, or such
            as would take far more memory than it is long.
    """
    import h5py

    size, seen, waiting = 0, set(), [root]
    while waiting:
        group = waiting.pop()
        for key in group:
            if type(link := group.get(key, getlink=True)) is not h5py.HardLink:
                raise ValueError(f"{group.name}/{key} is a link, {type(link).__name__}")
            child = group[key]
            if (place := h5py.h5o.get_info(child.id).addr) in seen:
                raise ValueError(f"{group.name}/{key} is in it twice")
            seen.add(place)
            if isinstance(child, h5py.Group):
                waiting.append(child)
            elif isinstance(child, h5py.Dataset):
                if child.external or child.is_virtual:
                    raise ValueError(f"{child.name} lies in other files")
                size += math.prod(child.shape or (0,)) * child.dtype.itemsize
    if size > _MOST_EXPANDED * max(root.id.get_filesize(), 2**20):
        raise ValueError(f"its arrays would take {size:,} bytes")


def _dataset(dataset) -> StoredArray:
    if dataset.shape is None:
        raise ValueError(f"{dataset.name} holds nothing")
    # Keras stores bfloat16 as two bytes of no type.
    kind = "|V2" if dataset.dtype.str in ("|V2", "<V2") else dataset.dtype.name
    return StoredArray(dataset.shape, kind, lambda: dataset[()])


@contextlib.contextmanager
def open_keras(path: str | os.PathLike) -> Iterator[tuple[dict[str, StoredArray], dict]]:
    """`{canonical name: array}` of a saved model, and its configuration; no code in it is run.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: it is none.
    """
    with _unpacked(path) as (content, file), open_h5(file) as arrays:
        yield arrays, content["config"]


def check_archive(path: str | os.PathLike) -> dict:
    """What `config.json` of a `.keras` file holds, once nothing in it can lead or grow out of it.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: it is none, holds other files than Keras
            writes for a model without assets, would unpack to far more than it is long, or as
            `check_contained`.
    """
    import h5py

    with _unpacked(path) as (content, file), h5py.File(file, "r") as root:
        check_contained(root)
        return content


@contextlib.contextmanager
def _unpacked(path: str | os.PathLike) -> Iterator[tuple[dict, BinaryIO]]:
    """What `config.json` holds, and the file of the weights."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryFile() as file:
        names = archive.namelist()
        if strange := [name for name in names if name not in _MEMBERS or names.count(name) > 1]:
            raise ValueError(f"it holds {strange[0]}, or holds it twice")
        for info in archive.infolist():
            if info.file_size > _MOST_EXPANDED * max(os.path.getsize(path), 2**20):
                raise ValueError(f"{info.filename} would unpack to {info.file_size:,} bytes")
        content = json.loads(archive.read("config.json"))
        with archive.open("model.weights.h5") as packed:
            shutil.copyfileobj(packed, file)  # To disk, where it can be read out of order.
        yield content, file


def layer_config(config: dict, class_name: str) -> dict | None:
    """What a saved model's configuration says of its first layer of a class."""
    for layer in config.get("layers", ()):
        if layer["class_name"] == class_name:
            return layer
    return None
