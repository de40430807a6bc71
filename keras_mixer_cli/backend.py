"""Which Keras backend the command runs on. Settled before Keras is imported; imports none."""

import importlib.util
import json
import os
import pathlib

BACKENDS = ("tensorflow", "jax", "torch")


def installed_backends() -> tuple[str, ...]:
    """The backends that can be imported, in the order of preference."""
    specs = {name: importlib.util.find_spec(name) for name in BACKENDS}
    # A folder that happens to be called `jax` has a spec too, without an origin.
    return tuple(name for name, spec in specs.items() if spec and spec.origin)


def choose_backend(requested: str | None = None) -> tuple[str, str]:
    """The backend to run on, and why.

    In this order: `requested`, the variable `KERAS_BACKEND`, Keras' configuration file where the
    backend it names is installed, the first installed one.

    Raises:
        ValueError: Keras has no such backend.
        ModuleNotFoundError: it is not installed; the message has the command that installs it.
    """
    installed = installed_backends()
    for name, reason in (
        (requested, "--backend"),
        (os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"),
    ):
        if name:
            if name not in BACKENDS:
                raise ValueError(
                    f"Unknown backend {name!r} ({reason}). Choose one of: {', '.join(BACKENDS)}."
                )
            if name not in installed:
                raise ModuleNotFoundError(missing_backend(name))
            return name, reason
    configured = _configured()
    if configured in installed:
        return str(configured), "Keras' configuration file"
    if not installed:
        raise ModuleNotFoundError(
            "Keras needs a backend and none is installed. Run one of: "
            + ", ".join(f'pip install "keras-mixer[{name}]"' for name in BACKENDS)
        )
    return installed[0], "the first installed"


def missing_backend(name: str) -> str:
    """The message for a backend that is not installed."""
    others = ", ".join(installed_backends())
    instead = f" Installed: {others} (KERAS_BACKEND or --backend chooses)." if others else ""
    return (
        f"The Keras backend {name!r} is not installed. "
        f'Run: pip install "keras-mixer[{name}]".{instead}'
    )


def _configured() -> str | None:
    home = pathlib.Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    try:
        return json.loads((home / "keras.json").read_text()).get("backend")
    except (OSError, ValueError):
        return None
