"""Weights back to the formats of the official code and of timm."""

import math
import os
import pathlib

from keras_mixer.weights.arrays import StoredArray
from keras_mixer.weights.formats import Weights, open_file
from keras_mixer.weights.official import to_official, write_npz
from keras_mixer.weights.resolution import check_plain
from keras_mixer.weights.timm import to_timm, write_safetensors
from keras_mixer.writing import in_one_step


def convert(source: str | os.PathLike, target: str | os.PathLike) -> int:
    """Writes the weights of one file as another, bit for bit.

    Args:
        source: a weight file of any format that `weights=` takes.
        target: a new file: `.npz`, in the names of Google's files, or `.safetensors`, in timm's.
            The latter notes the form of GELU, which timm itself has to be told:
            `timm.create_model(..., act_layer=timm.layers.GELUTanh)`.

    Returns:
        The number of arrays written.

    Raises:
        ValueError: an unreadable source, a half type, an ablation of token mixing, which neither
            format can hold, the exact form of GELU, which `.npz` cannot say, or an unknown suffix
            of `target`.
        FileExistsError: `target` exists; nothing is overwritten.
    """
    target = pathlib.Path(target)
    if target.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"The target must end in .npz or .safetensors. Received: {target}")
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists, and nothing is overwritten. Choose another name.")
    with open_file(source) as weights:
        arrays = weights.arrays
        check_plain(arrays, weights.grid, weights.origin)
        if target.suffix == ".npz" and weights.gelu_approximate is False:
            raise ValueError(
                f"{source} has the exact form of GELU, and whoever reads .npz, Google's format, "
                "takes it for the tanh form: other logits. Choose a name that ends in .safetensors."
            )
        patch = weights.patch_shape or _square_patch(arrays, weights.origin)
        strange = [name for name, array in arrays.items() if array.dtype != "float32"]
        if strange:
            raise ValueError(f"{source} has arrays that are not float32: {', '.join(strange)}")
        with in_one_step(target) as temporary:
            if target.suffix == ".npz":
                write_npz(temporary, to_official(arrays, patch))
            else:
                write_safetensors(temporary, to_timm(arrays, patch), _notes(weights))
    return len(arrays)


def _notes(weights: Weights) -> dict[str, str]:
    if weights.gelu_approximate is None:
        return {}
    return {"gelu": "tanh" if weights.gelu_approximate else "exact"}


def _square_patch(arrays: dict[str, StoredArray], origin: str) -> tuple[int, int, int]:
    """The shape of a patch where the file does not say: square, of RGB pixels."""
    rows = arrays["stem/kernel"].shape[0] if "stem/kernel" in arrays else 0
    side = math.isqrt(rows // 3)
    if rows == 0 or 3 * side * side != rows:
        raise ValueError(
            f"{origin} does not say how its patches are shaped, and {rows} values are no square "
            "of RGB pixels. Convert the model's .keras file."
        )
    return side, side, 3
