"""Weight files to `{canonical name: array}`.

A canonical name is the path of the variable in the Keras model: `stem/kernel`,
`mixer_block_0/token_mixing/dense_0/kernel`, `pre_head_layer_norm/gamma`, `head/bias`.
"""

import dataclasses
import io
import json
import os
import zipfile

import numpy as np

from keras_mixer.specs import MixerSpec
from keras_mixer.weights.registry import PUBLISHED

# Names of a Keras layer's variables, in the order it stores them.
_DENSE, _NORM = ("kernel", "bias"), ("gamma", "beta")
_VARIABLES = {
    "stem": _DENSE,
    "head": _DENSE,
    "dense_0": _DENSE,
    "dense_1": _DENSE,
    "pre_head_layer_norm": _NORM,
    "layer_norm_0": _NORM,
    "layer_norm_1": _NORM,
}


@dataclasses.dataclass(frozen=True)
class Weights:
    """The contents of a weight file.

    Args:
        origin: where they come from, for messages.
        arrays: `{canonical name: array}`.
        grid: rows and columns of tokens they were trained on, or `None` where the file does not
            say.
    """

    origin: str
    arrays: dict[str, np.ndarray]
    grid: tuple[int, int] | None = None

    def classes(self) -> int:
        """Number of classes of their head.

        Raises:
            ValueError: they have no head.
        """
        if "head/bias" not in self.arrays:
            raise ValueError(
                f"{self.origin} has no classification head. Pass `classes=` for a new head of "
                "zeros, or `include_top=False`."
            )
        return len(self.arrays["head/bias"])


def read(weights: str | os.PathLike, spec: MixerSpec) -> Weights:
    """Reads what the `weights` argument of a constructor names.

    No code from a file is ever run.

    Args:
        weights: the path of a `.weights.h5` or `.keras` file, or the name of published weights.
        spec: the architecture they are for.

    Raises:
        ValueError: an unknown name, weights that were never published for `spec`, or a file that
            holds no Mixer's weights.
        FileNotFoundError: the file does not exist.
    """
    path = os.fspath(weights)
    if not path.endswith((".h5", ".keras")):
        raise ValueError(_unknown(path, spec))
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`weights` names a file that does not exist: {path}")
    try:
        if path.endswith(".keras"):
            with zipfile.ZipFile(path) as archive:
                grid = _grid(json.loads(archive.read("config.json")))
                arrays = _read_h5(io.BytesIO(archive.read("model.weights.h5")))
        else:
            grid, arrays = None, _read_h5(path)
    except (OSError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a readable Keras weights file: {error}") from error
    if not any(name in arrays for name in ("stem/kernel", "pre_head_layer_norm/gamma")):
        found = ", ".join(sorted({name.partition("/")[0] for name in arrays})[:5]) or "nothing"
        raise ValueError(f"{path} does not hold the weights of a Mixer; its layers are: {found}")
    return Weights(path, arrays, grid)


def _unknown(name: str, spec: MixerSpec) -> str:
    published = PUBLISHED.get(spec.name, ())
    ways = (
        "Pass `weights=None` for random initial weights, or the path of a `.weights.h5` or "
        "`.keras` file."
    )
    if name in published:
        return (
            f"weights={name!r} exist for {spec.name}, but this version of keras_mixer cannot load "
            f"published weights yet. {ways}"
        )
    exist = "; ".join(f"{model}: {', '.join(names)}" for model, names in PUBLISHED.items())
    if any(name in names for names in PUBLISHED.values()):
        none = "no weights" if not published else "only " + ", ".join(published)
        return (
            f"weights={name!r} were never published for {spec.name}; there are {none} for it. "
            f"Published weights: {exist}. {ways}"
        )
    return f"Unknown weights={name!r}. Published weights: {exist}. {ways}"


def _read_h5(file) -> dict[str, np.ndarray]:
    """Arrays of a Keras weights file, which keeps the variables of each layer by number."""
    import h5py

    arrays = {}

    def visit(group, names):
        if "vars" in group and len(names):
            variables = group["vars"]
            known = _VARIABLES.get(names[-1], ())
            for key in variables:
                leaf = known[int(key)] if int(key) < len(known) else f"vars/{key}"
                arrays["/".join((*names, leaf))] = variables[key][()]
        for key, child in group.items():
            if key not in ("vars", "seed_generator"):
                visit(child, (*names, key))

    with h5py.File(file, "r") as root:
        for group in root["layers"].values():
            visit(group, (str(group["vars"].attrs["name"]),))
    return arrays


def _grid(config: dict) -> tuple[int, int] | None:
    """Rows and columns of tokens, from the configuration of a saved model."""
    for layer in config["config"].get("layers", ()):
        if layer["class_name"] == "Patches":
            shape = layer["build_config"]["input_shape"]
            if layer["config"]["data_format"] == "channels_last":
                height, width = shape[1:3]
            else:
                height, width = shape[2:]
            rows, columns = layer["config"]["patch_size"]
            return height // rows, width // columns
    return None
