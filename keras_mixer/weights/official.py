"""Google's `.npz` files: their names, both layouts, to canonical names and back.

The names are those of https://github.com/google-research/vision_transformer. The older layout,
`Mixer/encoderblock_0/...`, is the one that `big_vision/models/mlp_mixer.py` of
https://github.com/google-research/big_vision reads too. Kernels are (in, out) in both.
"""

import contextlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from keras_mixer.system_errors import raise_system_fault
from keras_mixer.weights.arrays import StoredArray, rename

_NORM = {"scale": "gamma", "bias": "beta"}
_PHASE = {
    "kernel1": "dense_0/kernel",
    "bias1": "dense_0/bias",
    "kernel2": "dense_1/kernel",
    "bias2": "dense_1/bias",
}
_BLOCK = re.compile(r"(?:MixerBlock|encoderblock)_(\d+)/(.+)")
_CHUNK = 2**20  # bytes read at a time
_MOST_DEFLATED = 1032  # times, https://zlib.net/zlib_tech.html
_LAST = {"encoder_norm": "pre_head_layer_norm", "embedding": "stem"}


@contextlib.contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[dict[str, StoredArray]]:
    """`{name in the file: array}`, each read when it is asked for; nothing in it is ever run.

    Raises:
        ValueError: it is not a readable zip of NumPy arrays, or holds pickled objects, or a
            member is not of the size that it says.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error
    with archive:
        arrays: dict[str, StoredArray] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"{path} is not a readable .npz file: it holds {name} twice")
            arrays[name] = _member(archive, info, path)
        yield arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path) -> StoredArray:
    name = info.filename

    def refuse(reason):
        return ValueError(f"{path} is not a readable .npz file: {name} {reason}")

    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse("is packed in a way that NumPy does not use")
    if info.file_size > _MOST_DEFLATED * info.compress_size + _CHUNK:
        raise refuse(f"says it unpacks to {info.file_size:,} bytes, and cannot")
    try:
        with archive.open(info) as file:
            shape, fortran, dtype = _header(file)
            start = file.tell()
    except (ValueError, SyntaxError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise_system_fault(error, path)
        raise refuse(f"is no NumPy array ({error})") from error
    except (NotImplementedError, RuntimeError) as error:
        raise refuse(f"cannot be unpacked ({error})") from error
    if dtype.hasobject:
        raise refuse("holds pickled Python objects, which are never loaded")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if start + size != info.file_size:
        raise refuse(
            f"says it is of shape {shape} and {dtype}, {size} bytes, and holds "
            f"{info.file_size - start}"
        )

    def load():
        # Never more than `size` bytes, whatever a compressed member would unpack to.
        raw, done = np.empty(size, "uint8"), 0
        try:
            with archive.open(info) as file:
                file.read(start)
                while chunk := file.read(min(_CHUNK, size - done)):
                    raw[done : done + len(chunk)] = np.frombuffer(chunk, "uint8")
                    done += len(chunk)
                file.read(1)  # The end, where the checksum is compared.
            if done < size:
                raise ValueError(f"{size} bytes expected, {done} found")
            return raw.view(dtype).reshape(shape, order="F" if fortran else "C")
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise_system_fault(error, path)
            raise refuse(f"is damaged ({error})") from error

    kind = "|V2" if dtype.str in ("|V2", "<V2") else dtype.newbyteorder("=").name
    return StoredArray(tuple(shape), kind, load)


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def from_official(arrays: dict[str, StoredArray]) -> dict[str, StoredArray]:
    """Canonical names for those of either layout; names that are neither are kept as they are.

    Raises:
        ValueError: two arrays mean the same weight.
    """

    def change(name, array):
        squeezed = tuple(n for n in array.shape if n != 1)
        if "_phase_" in name and squeezed != array.shape:
            array = array.reshape(*squeezed)
        canonical = _canonical(name)
        if canonical == "stem/kernel" and len(array.shape) == 4:
            p, q, c, d = array.shape
            array = array.reshape(p * q * c, d)  # p q c d -> (p q c) d
        return canonical, array

    return rename(arrays, change)


def _canonical(name: str) -> str:
    path = name.removeprefix("Mixer/")
    if match := _BLOCK.fullmatch(path):
        number, rest = match.groups()
        part, _, leaf = rest.replace("_phase_0", "").rpartition("/")
        if part.startswith("LayerNorm_"):
            return f"mixer_block_{number}/{_snake(part)}/{_NORM.get(leaf, leaf)}"
        return f"mixer_block_{number}/{_snake(part)}/{_PHASE.get(leaf, leaf)}"
    layer, slash, leaf = path.rpartition("/")
    layer = _LAST.get(layer, layer)
    return f"{layer}{slash}{_NORM.get(leaf, leaf) if layer == 'pre_head_layer_norm' else leaf}"


def _snake(name: str) -> str:
    return name.replace("LayerNorm_", "layer_norm_").replace("Dense_", "dense_")


def to_official(
    arrays: dict[str, StoredArray], patch_shape: tuple[int, int, int]
) -> dict[str, StoredArray]:
    """The names and shapes of the current official layout.

    Args:
        arrays: `{canonical name: array}`.
        patch_shape: rows, columns and channels of a patch.
    """

    def change(name, array):
        path, _, leaf = name.rpartition("/")
        if "layer_norm" in path:
            leaf = {"gamma": "scale", "beta": "bias"}[leaf]
        path = re.sub(r"^mixer_block_", "MixerBlock_", path)
        path = path.replace("/layer_norm_", "/LayerNorm_").replace("/dense_", "/Dense_")
        if name == "stem/kernel":
            array = array.reshape(*patch_shape, array.shape[1])  # (p q c) d -> p q c d
        return f"{path}/{leaf}", array

    return rename(arrays, change)


def write_npz(path: str | os.PathLike, arrays: dict[str, StoredArray]) -> None:
    """Writes an uncompressed `.npz`, one array at a time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array.read()), version=(1, 0))
