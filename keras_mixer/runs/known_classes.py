"""Whether a saved model is made of known classes alone, told before Keras reads it."""

import json
import pathlib
import zipfile
from collections.abc import Iterator

import keras

_LIBRARIES = {"keras", "keras_hub", "builtins"}  # Keras looks for "builtins" among its own names.
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
# Parts of Keras that run code out of a file, or read files that a model names.
_REFUSED = {
    *("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}


def check_classes(path: pathlib.Path) -> None:
    """Refuses a `.keras` file with a Lambda, or with classes that nothing here defines.

    Known are those of Keras, keras_mixer and KerasHub, and what this process has registered with
    `keras.saving.register_keras_serializable`. Nothing of the file is run to find out.

    Args:
        path: of the file.

    Raises:
        ValueError: it has another class, or is no `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        strange = sorted(set(_strange(config)))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no model that Keras has saved: {error}") from error
    if strange:
        raise ValueError(
            f"{path} is refused: it has {', '.join(strange)}, which may run code that came with it "
            "or is not known here. Import what registers it; or, if you trust it, call "
            "keras.saving.load_model(path, safe_mode=False)."
        )


def _strange(config) -> Iterator[str]:
    """What is refused, by name."""
    if isinstance(config, list):
        for one in config:
            yield from _strange(one)
    if not isinstance(config, dict):
        return
    if "class_name" in config and "config" in config and not _is_known(config):
        module = config.get("module")
        yield f"{module}.{config['class_name']}" if module else str(config["class_name"])
    for one in config.values():
        yield from _strange(one)


def _is_known(config: dict) -> bool:
    name, module = config["class_name"], config.get("module")
    if not isinstance(name, str) or name in _REFUSED:
        return False
    if name in _VALUES:
        return True
    registered = config["config"] if name == "function" else config.get("registered_name")
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return True
    return module is None or str(module).partition(".")[0] in _LIBRARIES
