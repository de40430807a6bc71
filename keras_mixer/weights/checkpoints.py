"""PyTorch's files: which of their state dicts is taken, under names without a wrapper's prefix.

Training scripts save more than a state dict: averages of the weights beside them, two networks of
one training, options and scores; and what wraps a model while it trains puts its own name before
all of the model's (`module.`, `_orig_mod.`, `model.`). Whatever is decided here is told.
"""

import collections
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from keras_mixer.printable import one_line
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.weights.arrays import StoredArray

T = TypeVar("T")
_DEFAULT = ("", "state_dict", "model")  # Under which the weights themselves stand, in turn.
_DEPTH = 2  # Keys that lead to a state dict, at most.
_OWN = ("stem.", "blocks.")  # How names of timm's Mixer begin.
# Parts of names that PyTorch's wrappers put anywhere.
_INNER = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# Of the standard library only these are taken for options and scores; others may run something.
_PLAIN = {
    *("argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal"),
    *(f"builtins.{kind}" for kind in ("bool", "dict", "float", "int", "list", "str", "tuple")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"pathlib.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"pathlib._local.{kind}" for kind in ("PosixPath", "WindowsPath", "PurePosixPath")),
}


_DICT = "collections.defaultdict"


class _Inert:
    """Stands for an object of a class that is neither imported nor called; nothing is in it."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class _InertDict:
    """The same for classes that may be dictionaries, as many of configurations are."""

    def __new__(cls, *args, **kwargs):
        return collections.OrderedDict()


def read_pth(path: str | os.PathLike) -> tuple[dict[str, dict[str, Any]], str]:
    """Every state dict of a PyTorch file by the keys that lead to it, and what was not read.

    The file is memory-mapped; no code in it is run. Objects that are no tensors, such as a script's
    options, are left out whatever their class is; that class is not imported.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
        ValueError: it is damaged, or names what may run code.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Reading {path} needs PyTorch. Run: "
            'pip install "keras-mixer[torch]", or use a .safetensors file.',
            name="torch",
        ) from error
    zipped = zipfile.is_zipfile(path)
    try:
        others = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else []
        inert = sorted(name for name in others if not _is_of_python(name))
        stand_ins = [
            (_Inert if name in _PLAIN or name.startswith("numpy.") else _InertDict, name)
            for name in (*_PLAIN, _DICT, *inert)
        ]
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except FileNotFoundError:
        raise
    except Exception as error:  # A damaged file raises whatever it likes; PyTorch's advice is bad.
        raise_system_fault(error, path)
        raise ValueError(
            f"{path} is damaged or holds more than PyTorch weights; code in it is never run "
            f"({type(error).__name__}). Save the weights alone: torch.save(model.state_dict(), "
            '"weights.pth").'
        ) from error
    if not (found := dict(_state_dicts(content, "", torch.is_tensor))):
        of = f"; it holds objects of {one_line(', '.join(inert), 300)}" if inert else ""
        raise ValueError(f"{path} does not hold a state dict of tensors{of}.")
    return found, f"objects of {one_line(', '.join(inert), 300)} were not read" if inert else ""


def _is_of_python(name: str) -> bool:
    """Whether a name in a file is of the standard library, and none of the plain ones."""
    return name.partition(".")[0] in sys.stdlib_module_names and name not in (*_PLAIN, _DICT)


def _state_dicts(content, name: str, is_tensor) -> Iterator[tuple[str, dict]]:
    if not isinstance(content, dict) or not content:
        return
    if all(isinstance(key, str) and is_tensor(value) for key, value in content.items()):
        yield name, content
    elif name.count("/") + bool(name) < _DEPTH:
        for key, value in content.items():
            if isinstance(key, str):
                yield from _state_dicts(value, f"{name}/{key}" if name else key, is_tensor)


def take(
    path: str, state_dicts: Mapping[str, Mapping[str, T]], part: str | None
) -> tuple[dict[str, T], list[str]]:
    """The weights of one Mixer in a file, under timm's names, and what is to be said of that.

    Args:
        path: of the file, for messages.
        state_dicts: each by the keys that lead to it, `""` for the file itself.
        part: which one to take, as messages name it. By default the one that stands in the file
            itself, under `state_dict` or under `model`; else the only one.

    Raises:
        ValueError: there is no such part, or several and none of these names.
    """
    found: dict[str, tuple[str, dict[str, str], str]] = {}
    for whole, state in state_dicts.items():
        inner = {".".join(p for p in n.split(".") if p not in _INNER): n for n in state}
        if len(inner) == len(state):
            for name, prefix, names in _mixers(whole, "", inner):
                found[name] = prefix, names, whole
    others = ", ".join(f"{path}#{name}" for name in found if name)
    if part is not None and part not in found:
        raise ValueError(
            f"{path} holds no Mixer called {part!r}. " + (f"It holds {others}." if others else "")
        )
    if not found:  # What is wrong is said where the names are compared.
        return dict(state_dicts[_first(state_dicts) or next(iter(state_dicts))]), []
    chosen = part if part is not None else _first(found)
    if chosen is None:
        raise ValueError(f"{path} holds several Mixers. Name one of them: {others}.")
    prefix, names, whole = found[chosen]
    said = []
    if len(found) > 1 or chosen.split("/")[-1] not in _DEFAULT:
        rest = ", ".join(f"{path}#{name}" for name in found if name not in (chosen, ""))
        said.append(f"{chosen or 'the file itself'} was taken" + (f", not {rest}" if rest else ""))
    if prefix:
        said.append(f"names without {prefix!r}")
    if inside := {p for name in names.values() for p in name.split(".")} & _INNER:
        said.append("names without " + ", ".join(repr(f"{part}.") for part in sorted(inside)))
    taken = {*(n for name, (_, ns, w) in found.items() if w == whole for n in ns.values())}
    if left := [name for name in state_dicts[whole] if name not in taken]:
        more = f" and {len(left) - 3:,} more" if len(left) > 3 else ""
        said.append(f"{one_line(', '.join(left[:3]), 300)}{more} not read")
    return {name: state_dicts[whole][full] for name, full in names.items()}, said


def _first(names) -> str | None:
    """The name that stands for the weights themselves, or the only one; `None` if none does."""
    known = [name for name in names if all(key in _DEFAULT for key in name.split("/"))]
    if known:
        return min(known, key=lambda name: [_DEFAULT.index(key) for key in name.split("/")])
    return next(iter(names)) if len(names) == 1 else None


def _mixers(
    name: str, prefix: str, names: dict[str, str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each Mixer among names, with the prefix that was left off; the names map to whole ones."""
    if any(one.startswith(_OWN) for one in names):
        yield name, prefix, names
        return
    groups: dict[str, dict[str, str]] = {}
    for one, whole in names.items():
        first, dot, rest = one.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = whole
    for first, group in groups.items():
        below = name if len(groups) == 1 else f"{name}/{first}" if name else first
        yield from _mixers(below, f"{prefix}{first}.", group)


def stored_tensors(path: str, state: Mapping[str, Any]) -> dict[str, StoredArray]:
    """Tensors of PyTorch as arrays that are read when they are asked for.

    Raises:
        ValueError: one is sparse, or does not hold as many numbers as its shape says.
    """
    import torch

    if sparse := [name for name, t in state.items() if t.layout != torch.strided]:
        raise ValueError(f"{path} holds sparse tensors, which are not read: {', '.join(sparse)}")
    # One number can stand for a huge tensor; a device may hold none at all.
    if strange := [n for n, t in state.items() if t.device.type != "cpu" or not _is_whole(t)]:
        raise ValueError(
            f"{path} holds tensors whose numbers are not all in it: {', '.join(strange)}"
        )

    def array(tensor):
        kind = str(tensor.dtype).removeprefix("torch.")

        def load():
            # NumPy has no bfloat16 of its own; float32 holds it exactly.
            return (tensor.float() if kind == "bfloat16" else tensor).detach().numpy()

        return StoredArray(tuple(tensor.shape), kind, load)

    return {name: array(tensor) for name, tensor in state.items()}


def _is_whole(tensor) -> bool:
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
