"""Whether a saved model is made of known classes alone, told before Keras reads it."""

import contextlib
import os
import pathlib
import sys
import types
from collections.abc import Iterator

import keras

from keras_mixer.preprocessing import check_records
from keras_mixer.printable import one_line, printable
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.weights import check_archive

_LIBRARIES = ("keras", "keras_hub")
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
# Parts that run code out of a file, or read files that a model names, and what inherits of them.
_REFUSED = (
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
)
_REFUSED_CLASSES = (*(getattr(keras.layers, name) for name in _REFUSED), keras.utils.FeatureSpace)
_REFUSED_OF_KERAS_HUB = {"PreprocessingLayer", "Preprocessor", "Tokenizer"}
# What a part of a model is. Keras itself would take whatever has a name in it.
_KINDS = (
    *(keras.Operation, keras.DTypePolicy, keras.dtype_policies.DTypePolicyMap),
    *(keras.initializers.Initializer, keras.regularizers.Regularizer),
    *(keras.constraints.Constraint, keras.quantizers.Quantizer, keras.random.SeedGenerator),
    *(keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer),
    keras.optimizers.schedules.LearningRateSchedule,
)
_FUNCTIONS = ("activations", "ops", "initializers", "regularizers", "losses", "metrics", "random")
_BY_NAME = (*_FUNCTIONS, "constraints", "optimizers", "layers", "models", "dtype_policies")


def load_known_model(path: str | os.PathLike) -> keras.Model:
    """Loads a `.keras` file that `check_classes` lets pass, not compiled.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is refused, or Keras cannot read it.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    check_classes(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        check_records(model)
    except Exception as error:  # Keras raises many kinds, in many lines.
        raise_system_fault(error, path)
        first = (str(error).strip().splitlines() or [""])[0]
        kind = type(error).__name__
        raise ValueError(f"{path} cannot be loaded: {kind}: {one_line(first, 500)}") from error
    return model


def check_classes(path: pathlib.Path) -> None:
    """Refuses a `.keras` file with a Lambda, or with classes that nothing here defines.

    Known are the parts of models of Keras, keras_mixer and KerasHub, and what this process has
    registered with `keras.saving.register_keras_serializable`. Nothing of the file is run to find
    out.

    Args:
        path: of the file.

    Raises:
        ValueError: it has another class or other members than Keras writes for such a model, would
            unpack to much more than it is, or is no `.keras` file.
    """
    try:
        config = check_archive(path)
        strange = sorted(set(_strange(config)))
    # An archive can be damaged, locked with a password or packed in ways unknown here.
    except Exception as error:
        raise_system_fault(error, path)
        raise ValueError(
            f"{path} is no model that Keras has saved: {one_line(error, 500)}"
        ) from error
    if strange:
        advice = (
            "Import what registers it; or, if you trust it, call "
            "keras.saving.load_model(path, safe_mode=False)."
        )
        if isinstance(config, dict) and not any(_strange({**config, "compile_config": None})):
            advice = (
                "It is what the model was compiled with; save it without: "
                "keras.saving.load_model(path, compile=False).save(other_path)."
            )
        raise ValueError(
            f"{path} is refused: it has {printable(', '.join(strange), 500)}, which may run code "
            f"that came with it or is not known here. {advice}"
        )


def _strange(config) -> Iterator[str]:
    """What is refused, by name."""
    if isinstance(config, list):
        for one in config:
            yield from _strange(one)
    if not isinstance(config, dict):
        return
    if "class_name" in config and not ("config" in config and _is_known(config)):
        module, name = config.get("module"), config["class_name"]
        if name == "function":
            name = f"function {config.get('config')}"
        yield f"{module}.{name}" if module and module != "builtins" else str(name)
    for one in config.values():
        yield from _strange(one)


def _is_known(config: dict) -> bool:
    name = config["class_name"]
    if not isinstance(name, str) or name in (*_REFUSED, "__lambda__"):
        return False
    if name in _VALUES:
        return True
    key = config["config"] if name == "function" else config.get("registered_name", name)
    found = keras.saving.get_registered_object(key) if isinstance(key, str) else None
    if found is None:
        found = _in_libraries(config.get("module"), key if name == "function" else name)
    elif str(getattr(found, "__module__", "")).partition(".")[0] not in _LIBRARIES:
        return True  # Who registered it vouches for it.
    if isinstance(found, type):
        above = {c.__name__ for c in found.__mro__ if c.__module__.startswith("keras_hub.")}
        refused = issubclass(found, _REFUSED_CLASSES) or above & _REFUSED_OF_KERAS_HUB
        return issubclass(found, _KINDS) and not refused
    if isinstance(found, types.FunctionType):
        return found.__module__.startswith(tuple(f"keras.src.{part}." for part in _FUNCTIONS))
    return False


def _in_libraries(module: object, name: object) -> object:
    """What Keras would take for a name of its own or of KerasHub; nothing else is imported."""
    if not isinstance(name, str):
        return None
    if module is None or module == "builtins":  # Keras looks for it among its own names.
        places = [getattr(keras, part) for part in _BY_NAME]
        return next((vars(place)[name] for place in places if name in vars(place)), None)
    library = str(module).partition(".")[0]
    if library not in _LIBRARIES:
        return None
    if library == "keras_hub":
        with contextlib.suppress(ImportError):
            import keras_hub  # noqa: F401
    return vars(sys.modules.get(str(module), types)).get(name)
