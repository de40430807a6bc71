"""What `weights=` names, a published file or one of your own, as `{canonical name: array}`.

A canonical name is the path of the variable in the Keras model: `stem/kernel`,
`mixer_block_0/token_mixing/dense_0/kernel`, `pre_head_layer_norm/gamma`, `head/bias`.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator

from keras_mixer.printable import one_line, printable
from keras_mixer.specs import MixerSpec
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.weights import checkpoints, keras_files, official, timm
from keras_mixer.weights.arrays import StoredArray
from keras_mixer.weights.fetch import fetch
from keras_mixer.weights.registry import WEIGHTS, WeightsRecord, find

TORCH = (".pth", ".pt", ".bin")
SUFFIXES = (".keras", ".h5", ".npz", ".safetensors", *TORCH)
_TAKEN = (
    "It takes .keras, .weights.h5, .npz, .safetensors or .pth files, told by their names, and "
    "directories of finished runs, which hold model.keras. A PyTorch checkpoint of another name is "
    "read as NAME.pth."
)


@dataclasses.dataclass(frozen=True)
class Weights:
    """The contents of a weight file.

    Args:
        origin: where they come from, for messages.
        arrays: `{canonical name: array}`, each read when it is asked for.
        grid: rows and columns of tokens they were trained on; `None` where the file does not say.
        patch_shape: rows, columns and channels of a patch, likewise.
        gelu_approximate: whether they were trained with the tanh form of GELU, likewise.
        record: their row in the registry, where they were published.
        taken: what was taken of a file that holds more, for people; often empty.
    """

    origin: str
    arrays: dict[str, StoredArray]
    grid: tuple[int, int] | None = None
    patch_shape: tuple[int, int, int] | None = None
    gelu_approximate: bool | None = None
    record: WeightsRecord | None = None
    taken: str = ""

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
        return self.arrays["head/bias"].shape[0]


@contextlib.contextmanager
def open_weights(weights: str | os.PathLike, spec: MixerSpec) -> Iterator[Weights]:
    """Opens what the `weights` argument of a constructor names; published ones are fetched once.

    No code from a file is ever run.

    Args:
        weights: the path of a `.keras`, `.weights.h5`, `.npz`, `.safetensors` or `.pth` file, the
            directory of a run, or the name of published weights. `PATH.pth#NAME` is one of several
            state dicts in a PyTorch file.
        spec: the architecture they are for.

    Raises:
        ValueError: an unknown name, weights that were never published for `spec`, or a file that
            holds no Mixer's weights.
        FileNotFoundError: the file does not exist.
        OSError: published weights could not be fetched or stored.
    """
    name = os.fspath(weights)
    published = any(name in row for row in WEIGHTS.values())
    if not published and os.path.isdir(name):
        model = os.path.join(name, "model.keras")  # Of a run.
        name = model if os.path.isfile(model) else name
    if split_part(name)[0].endswith(SUFFIXES):
        with open_file(name) as opened:
            yield opened
        return
    if not published and os.path.exists(name):
        what = "a folder without model.keras" if os.path.isdir(name) else "a file of another format"
        raise ValueError(f"`weights` names {what}: {name}. {_TAKEN}")
    record = find(name, spec.name)
    path = fetch(record.url, record.file_name, check=check_file)
    with open_file(path) as opened:
        yield dataclasses.replace(
            opened,
            origin=f"weights={name!r} ({path})",
            grid=spec.grid(record.image_size),
            gelu_approximate=record.gelu_approximate,
            record=record,
        )


@contextlib.contextmanager
def open_file(path: str | os.PathLike) -> Iterator[Weights]:
    """Opens a weight file of any of the formats, told apart by its suffix.

    Args:
        path: of the file; of a PyTorch file also `PATH#NAME`, one of its state dicts.

    Raises:
        ValueError: it is not readable, or does not hold the weights of a Mixer.
        FileNotFoundError: it does not exist, or is a folder.
    """
    path, part = split_part(os.fspath(path))
    if not os.path.isfile(path):
        what = "is a folder" if os.path.isdir(path) else "does not exist"
        raise FileNotFoundError(f"`weights` names a file that {what}: {path}")
    if not path.removesuffix(".part").endswith(SUFFIXES):  # `.part`: not moved into place yet.
        raise ValueError(f"`weights` names a file of another format: {path}. {_TAKEN}")
    with contextlib.ExitStack() as stack:
        try:
            opened = _open(path, part, stack)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # A damaged or hostile file makes the readers raise anything.
            raise_system_fault(error, path)
            if isinstance(error, FileNotFoundError):
                raise
            if type(error) is ValueError and path in str(error):
                raise ValueError(one_line(error)) from error
            kind = type(error).__name__
            raise ValueError(f"{path} cannot be read: {kind}: {one_line(error)}") from error
        opened = dataclasses.replace(
            opened, arrays={name: _guarded(path, name, a) for name, a in opened.arrays.items()}
        )
        if not {"stem/kernel", "pre_head_layer_norm/gamma"} & set(opened.arrays):
            layers = sorted({name.partition("/")[0] for name in opened.arrays})[:5]
            raise ValueError(
                f"{path} does not hold the weights of a Mixer; its layers are: "
                f"{', '.join(layers) or 'none'}"
            )
        yield opened


def _guarded(path: str, name: str, array: StoredArray) -> StoredArray:
    """The same array; whatever goes wrong when it is read is an error that names the file."""

    def load():
        try:
            return array.load()
        except Exception as error:
            raise_system_fault(error, path)
            where = f"{path} is damaged at {printable(name, 200)}"
            raise ValueError(f"{where}: {type(error).__name__}: {one_line(error)}") from error

    return dataclasses.replace(array, load=load)


def split_part(name: str) -> tuple[str, str | None]:
    """The path of a file, and which of its state dicts `PATH#NAME` asks for."""
    path, mark, part = name.rpartition("#")
    return (path, part) if mark and path.endswith(TORCH) else (name, None)


def _open(path: str, part: str | None, stack: contextlib.ExitStack) -> Weights:
    suffix = pathlib.Path(path.removesuffix(".part")).suffix
    if suffix in (".keras", ".h5"):
        try:
            if suffix == ".h5":
                return Weights(path, stack.enter_context(keras_files.open_h5(path)))
            arrays, config = stack.enter_context(keras_files.open_keras(path))
            return Weights(path, arrays, **_facts(config))
        except Exception as error:  # As above.
            raise_system_fault(error, path)
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            raise ValueError(
                f"{path} is not a readable Keras weights file: {kind}{error}"
            ) from error
    if suffix == ".npz":
        raw = stack.enter_context(official.open_npz(path))
        stem = next((a.shape for n, a in raw.items() if n.endswith(_STEMS)), ())
        patch = stem[:3] if len(stem) == 4 else None
        return Weights(path, official.from_official(raw), None, patch, gelu_approximate=True)
    notes: dict[str, str] = {}
    if suffix == ".safetensors":
        whole, notes = timm.read_safetensors(path)
        raw, said = checkpoints.take(path, {"": whole}, None)
    else:
        state_dicts, left = checkpoints.read_pth(path)
        state, said = checkpoints.take(path, state_dicts, part)
        raw, said = checkpoints.stored_tensors(path, state), [*said, *filter(None, [left])]
    stem = raw["stem.proj.weight"].shape if "stem.proj.weight" in raw else ()
    patch = (*stem[2:], stem[1]) if len(stem) == 4 else None
    gelu = {"tanh": True, "exact": False}.get(notes.get("gelu", ""))
    return Weights(path, timm.from_timm(raw), None, patch, gelu, taken="; ".join(said))


_STEMS = ("stem/kernel", "embedding/kernel")


def _facts(config: dict) -> dict:
    """What the configuration of a saved model says of its weights."""
    facts: dict = {}
    patches = keras_files.layer_config(config, "Patches")
    if patches:
        shape = patches["build_config"]["input_shape"]
        last = patches["config"]["data_format"] == "channels_last"
        height, width, channels = shape[1:] if last else (*shape[2:], shape[1])
        rows, columns = patches["config"]["patch_size"]
        facts["grid"] = height // rows, width // columns
        facts["patch_shape"] = rows, columns, channels
    block = keras_files.layer_config(config, "MixerLayer")
    if block:
        if type(gelu := block["config"]["gelu_approximate"]) is not bool:
            raise ValueError(f"`gelu_approximate` must be True or False. Received: {gelu!r:.80}")
        facts["gelu_approximate"] = gelu
    if config.get("mixer_weights") is not None:
        facts["record"] = WeightsRecord.from_fields(config["mixer_weights"])
    return facts


def check_file(path: str | os.PathLike) -> None:
    """Reads all of a weight file, which compares its checksums where the format has them.

    Raises:
        ValueError: it is not a readable file of a Mixer's weights.
    """
    with open_file(path) as opened:
        for array in opened.arrays.values():
            array.read()
