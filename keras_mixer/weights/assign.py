"""Puts weights into a model: all of them, or none and one error."""

import dataclasses

import numpy as np

from keras_mixer.printable import printable
from keras_mixer.weights.arrays import STORED
from keras_mixer.weights.formats import Weights


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What a load did, as `model.load_report` keeps it.

    Attributes:
        origin: file or name that the weights came from.
        loaded: canonical names that were loaded.
        fresh: names left at their initial values on request: a new head.
        unused: names of the file that the model has no place for: a head not asked for.
        taken: what was taken of a file that holds more than one state dict, or other names.
    """

    origin: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    taken: str = ""

    def __str__(self) -> str:
        text = f"loaded {len(self.loaded)} arrays from {self.origin}"
        if self.taken:
            text += f" [{self.taken}]"
        if self.fresh:
            text += f"; new, at their initial values: {', '.join(self.fresh)}"
        if self.unused:
            text += f"; not used: {', '.join(self.unused)}"
        return text


def assign(model, weights: Weights) -> LoadReport:
    """Assigns `weights` to a Mixer.

    The head is the one part that may differ: it is left at zero where the weights' number of
    classes is another or they have no head, and not used where the model has none.

    Raises:
        ValueError: anything else is missing, extra, of another shape or type, or not finite; the
            message lists everything at once, and nothing has been assigned.
    """
    variables = {v.path: v for v in model.weights if _belongs_to_mixer(v.path)}
    arrays = dict(weights.arrays)
    is_head = {name: name.startswith("head/") for name in {**variables, **arrays}}

    heads = {name: array.shape for name, array in arrays.items() if is_head[name]}
    wanted = {name: tuple(v.shape) for name, v in variables.items() if is_head[name]}
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    if heads != wanted:
        fresh, unused = tuple(wanted), tuple(heads)
        arrays = {name: array for name, array in arrays.items() if not is_head[name]}
        variables = {name: v for name, v in variables.items() if not is_head[name]}

    problems = []
    missing = [name for name in variables if name not in arrays]
    extra = [name for name in arrays if name not in variables]
    if missing:
        problems.append("missing: " + ", ".join(missing))
    if extra:
        problems.append("not in the model: " + ", ".join(extra))
    shared = {name: (v, arrays[name]) for name, v in variables.items() if name in arrays}
    for name, (variable, array) in shared.items():
        # A tiny or a huge array is refused here, before any of it is read.
        if array.shape != tuple(variable.shape):
            problems.append(
                f"{name} has shape {array.shape} where the model has {tuple(variable.shape)}"
            )
        elif array.dtype not in (*STORED, variable.dtype):
            problems.append(f"{name} is {array.dtype}, which is none of {', '.join(_ALLOWED)}")
        elif not np.isfinite(array.read()).all():
            problems.append(f"{name} holds values that are not finite")
    if problems:
        raise ValueError(
            f"The weights of {weights.origin}{weights.taken and f' [{weights.taken}]'} do not fit "
            f"{model.name}. " + printable("; ".join(problems), 10_000)
        )
    for variable, array in shared.values():
        variable.assign(array.read())
    return LoadReport(weights.origin, tuple(variables), fresh, unused, weights.taken)


_ALLOWED = ("float32", "float16", "bfloat16")


def _belongs_to_mixer(path: str) -> bool:
    layer = path.partition("/")[0]
    return layer in ("stem", "pre_head_layer_norm", "head") or layer.startswith("mixer_block_")
