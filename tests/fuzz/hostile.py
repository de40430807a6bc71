"""Files in their true formats that try to run code, to read or write elsewhere, or to fill memory.

Whatever runs code would make the folder `marker`.
"""

import json
import marshal
import pathlib
import pickle
import zipfile
from base64 import b64encode

import h5py
import keras
import numpy as np


class MakesFolder:
    """Pickles to code that makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        import os

        return os.mkdir, (self.path,)


def saved(folder: pathlib.Path) -> pathlib.Path:
    """A harmless model, to be changed."""
    images = keras.Input((4,), name="images")
    x = keras.layers.Dense(3, activation="relu", name="first")(images)
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="inner")
    model = keras.Model(images, inner(x), name="harmless")
    model.save(folder / "harmless.keras")
    return folder / "harmless.keras"


def members(path: pathlib.Path) -> dict[str, bytes]:
    """The contents of an archive by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(path: pathlib.Path, contents, **options) -> pathlib.Path:
    """An archive of `(name or ZipInfo, bytes)`, names as often as they come."""
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in contents:
            file.writestr(name, content)
    return path


def part(module, name, config=None, **fields) -> dict:
    """A part of a model as Keras writes it."""
    row = {"module": module, "class_name": name, "config": {} if config is None else config}
    return {**row, "registered_name": None, **fields}


def function(module, name, **fields) -> dict:
    """A function as Keras writes it."""
    return part(module, "function", name, registered_name=name, **fields)


def payloads(marker: pathlib.Path) -> dict[str, dict]:
    """What wants to run code or to read files, by what it is."""
    program = compile(f"__import__('os').mkdir({str(marker)!r})", "x", "exec")
    code = {
        "code": b64encode(marshal.dumps(program)).decode(),
        "defaults": None,
        "closure": None,
    }
    lambda_ = part(None, "__lambda__", {"value": code})
    pickled = b64encode(pickle.dumps(MakesFolder(marker))).decode()
    found = {
        "lambda layer": part("keras.layers", "Lambda", {"name": "x", "function": lambda_}),
        "legacy lambda": {
            "class_name": "Lambda",
            "config": {"name": "x", "function": [code["code"], None, None]},
        },
        "bare lambda": lambda_,
        "lambda by its file": part("keras.src.layers.core.lambda_layer", "Lambda", {"function": 0}),
        "lambda by a registered name": part("os", "Dense", registered_name="Lambda"),
        "typespec": part("keras.layers", "__typespec__", [], spec_name="Lambda"),
        "TFSMLayer": part("keras.layers", "TFSMLayer", {"filepath": "/etc"}),
        "TorchModuleWrapper": part("keras.layers", "TorchModuleWrapper", {"module": pickled}),
        "JaxLayer": part("keras.layers", "JaxLayer", {"call_fn": pickled}),
        "a file as vocabulary": part("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
        "FeatureSpace": part("keras.utils", "FeatureSpace", {}),
        "class of subprocess": part("subprocess", "Popen", {"args": ["mkdir", str(marker)]}),
        "class of builtins": part("builtins", "exec", {"source": "1"}),
        "no module": {"class_name": "Popen", "config": {"args": []}},
        "no config": {"class_name": "Popen", "module": "subprocess"},
        "tokenizer": part(
            *("keras_hub.src.tokenizers.sentence_piece_tokenizer", "SentencePieceTokenizer"),
            {"proto": "/etc/passwd"},
        ),
        "own, by its file": part("keras_mixer.runs.directory", "Run"),
    }
    for module, name in (
        *(("os", "system"), ("posix", "system"), ("subprocess", "check_output")),
        *(("builtins", "exec"), ("builtins", "eval"), ("importlib", "import_module")),
        *(("keras.utils", "get_file"), ("keras.config", "enable_unsafe_deserialization")),
        *(("keras.src.utils.file_utils", "get_file"), ("keras.models", "load_model")),
        *(("keras.src.saving.serialization_lib", "deserialize_keras_object"),),
        *(("keras.src.utils.python_utils", "func_load"), ("keras.applications", "VGG16")),
        *(("keras.utils", "plot_model"), ("keras_hub", "version"), (None, "system")),
    ):
        found[f"function {module}.{name}"] = function(module, name)
        found[f"class {module}.{name}"] = part(module, name)
    return found


def places() -> dict[str, object]:
    """Where a payload can stand: functions that put it into the configuration of `saved`."""

    def layer(config, payload):
        config["config"]["layers"].insert(1, {**payload, "name": "x", "inbound_nodes": []})

    def option(name):
        return lambda c, payload: c["config"]["layers"][1]["config"].update({name: payload})

    def wrapped(config, payload):
        wrapper = part("keras.layers", "TimeDistributed", {"layer": payload, "name": "x"})
        layer(config, part("keras.layers", "Bidirectional", {"layer": wrapper}))

    def nested(config, payload):
        config["config"]["layers"][2]["config"]["layers"].append(payload)

    def compiled(name, of=lambda config: config):
        return lambda c, payload: of(c).update({"compile_config": {name: payload}})

    def inbound(config, payload):
        config["config"]["layers"][1]["inbound_nodes"][0]["kwargs"] = {"mask": [payload]}

    return {
        "a layer": layer,
        "within wrappers": wrapped,
        "of a model within": nested,
        "an activation": option("activation"),
        "an initializer": option("kernel_initializer"),
        "a regularizer": option("kernel_regularizer"),
        "a constraint": option("bias_constraint"),
        "a precision": option("dtype"),
        "build_config": lambda c, p: c["config"]["layers"][1].update({"build_config": {"x": p}}),
        "an optimizer": compiled("optimizer"),
        "a loss": compiled("loss"),
        "a metric within": compiled("metrics", lambda c: c["config"]["layers"][2]),
        "an argument of a call": inbound,
        "of our own model": lambda c, payload: c["config"].update({"mixer_weights": payload}),
    }


def with_config(source: pathlib.Path, path: pathlib.Path, change) -> pathlib.Path:
    """The model with a changed configuration; `change` alters or replaces it."""
    contents = members(source)
    config = json.loads(contents["config.json"])
    config = change(config) or config
    return archive(path, {**contents, "config.json": json.dumps(config)}.items())


def with_weights(source: pathlib.Path, path: pathlib.Path, change) -> pathlib.Path:
    """The model with changed weights; `change` gets the open HDF5 file."""
    contents = members(source)
    other = path.with_suffix(".weights.h5")
    other.write_bytes(contents["model.weights.h5"])
    with h5py.File(other, "r+") as file:
        change(file)
    return archive(path, {**contents, "model.weights.h5": other.read_bytes()}.items())


def hdf5_tricks(outside: pathlib.Path) -> dict[str, object]:
    """What an HDF5 file of a Mixer can hide, by what it is; `outside` must never be read."""

    def replaced(make):
        def change(file):
            variables = file["layers/dense/vars"]
            shape = variables["1"].shape
            del variables["1"]
            make(variables, shape)

        return change

    def virtual(variables, shape):
        layout = h5py.VirtualLayout(shape, "float32")
        layout[...] = h5py.VirtualSource(str(outside), "x", shape)
        variables.create_virtual_dataset("1", layout)

    def external(variables, shape):
        files = [(str(outside), 0, h5py.h5f.UNLIMITED)]
        variables.create_dataset("1", shape, "float32", external=files)

    def huge(variables, shape):
        variables.create_dataset("1", (10**6, 10**6), "float32", chunks=(100, 100))

    def looped(file):
        file["layers/dense/round"] = file["layers"]

    return {
        "a link to another file": replaced(
            lambda v, _: v.__setitem__("1", h5py.ExternalLink(str(outside), "/x"))
        ),
        "numbers in another file": replaced(external),
        "a view of another file": replaced(virtual),
        "a soft link": replaced(lambda v, _: v.__setitem__("1", h5py.SoftLink("/layers"))),
        "soft links round and round": lambda f: f["layers/dense"].__setitem__(
            "loop", h5py.SoftLink("/layers/dense/loop")
        ),
        "hard links round and round": looped,
        "a huge array": replaced(huge),
    }


def npz_with_pickle(path: pathlib.Path, marker: pathlib.Path) -> pathlib.Path:
    """An `.npz` with an array of pickled objects."""
    np.savez(path, **{"stem/kernel": np.array([MakesFolder(marker)], dtype=object)})
    return path
