"""Names of timm, as its `.safetensors` and `.pth` files have them, to canonical names and back.

The names are those of `MlpMixer` in https://github.com/huggingface/pytorch-image-models
(`timm/models/mlp_mixer.py`). PyTorch keeps a linear layer's weight as (out, in) and a
convolution's as (out, channels, rows, columns), so kernels are transposed.
"""

import os
import re

import numpy as np

from keras_mixer.weights.arrays import StoredArray, rename

_LAYERS = {
    "stem.proj": "stem",
    "norm": "pre_head_layer_norm",
    "head": "head",
}
_PARTS = {
    "norm1": "layer_norm_0",
    "norm2": "layer_norm_1",
    "mlp_tokens.fc1": "token_mixing/dense_0",
    "mlp_tokens.fc2": "token_mixing/dense_1",
    "mlp_channels.fc1": "channel_mixing/dense_0",
    "mlp_channels.fc2": "channel_mixing/dense_1",
}
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def read_safetensors(
    path: str | os.PathLike,
) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """`{name in the file: array}`, read when asked for, and the file's own notes.

    Raises:
        ValueError: it is not a readable safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    def opened():
        with open(path, "rb"):  # The library takes any error for a missing file.
            return safe_open(path, framework="numpy")

    def array(name, part):
        def load() -> np.ndarray:
            # A mapping of its own, so that what was read does not stay in memory.
            with opened() as again:
                return again.get_tensor(name)

        kind = str(part.get_dtype())
        return StoredArray(tuple(part.get_shape()), _TYPES.get(kind, kind), load)

    try:
        with opened() as file:
            arrays = {name: array(name, file.get_slice(name)) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable .safetensors file: {error}") from error


def from_timm(arrays: dict[str, StoredArray]) -> dict[str, StoredArray]:
    """Canonical names for timm's; names that are not timm's are kept as they are.

    Raises:
        ValueError: two arrays mean the same weight.
    """

    def change(name, array):
        path, _, leaf = name.rpartition(".")
        if match := _BLOCK.fullmatch(path):
            number, part = match.groups()
            layer = f"mixer_block_{number}/{_PARTS[part]}" if part in _PARTS else None
        else:
            layer = _LAYERS.get(path)
        if layer is None or leaf not in ("weight", "bias"):
            return name, array
        if "layer_norm" in layer:
            return f"{layer}/{'gamma' if leaf == 'weight' else 'beta'}", array
        if leaf == "bias":
            return f"{layer}/bias", array
        if layer == "stem" and len(array.shape) == 4:
            d, c, p, q = array.shape
            array = array.transpose(2, 3, 1, 0).reshape(p * q * c, d)  # d c p q -> (p q c) d
        else:
            array = array.transpose()  # out in -> in out
        return f"{layer}/kernel", array

    return rename(arrays, change)


def to_timm(
    arrays: dict[str, StoredArray], patch_shape: tuple[int, int, int]
) -> dict[str, StoredArray]:
    """timm's names and shapes.

    Args:
        arrays: `{canonical name: array}`.
        patch_shape: rows, columns and channels of a patch.
    """
    layers = {ours: theirs for theirs, ours in _LAYERS.items()}
    parts = {ours: theirs for theirs, ours in _PARTS.items()}

    def change(name, array):
        layer, _, leaf = name.rpartition("/")
        block, _, part = layer.partition("/")
        if layer in layers:
            path = layers[layer]
        else:
            path = f"blocks.{block.removeprefix('mixer_block_')}.{parts[part]}"
        if name == "stem/kernel":
            # (p q c) d -> d c p q
            array = array.reshape(*patch_shape, array.shape[1]).transpose(3, 2, 0, 1)
        elif leaf == "kernel":
            array = array.transpose()  # in out -> out in
        return f"{path}.{'weight' if leaf in ('kernel', 'gamma') else 'bias'}", array

    return rename(arrays, change)


def write_safetensors(
    path: str | os.PathLike, arrays: dict[str, StoredArray], notes: dict[str, str]
) -> None:
    """Writes a `.safetensors` file with `notes` in its header."""
    from safetensors.numpy import save_file

    contents = {name: np.ascontiguousarray(array.read()) for name, array in arrays.items()}
    save_file(contents, path, metadata={"format": "pt", **notes})
