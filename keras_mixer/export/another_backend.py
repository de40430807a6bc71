"""Writing a file under another backend, in a process of its own."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras

from keras_mixer.export.formats import Format


def check_installed(row: Format) -> None:
    """Raises `ModuleNotFoundError` unless what a format takes is installed."""
    if missing := [name for name in row.modules if not _installed(name)]:
        raise ModuleNotFoundError(
            f"{row.title} needs {', '.join(missing)}, not installed here. "
            f'Run: pip install "keras-mixer[{row.extra}]"'
        )


def writer_of(row: Format, quantize: str) -> str:
    """The backend that writes a format: the running one if it can, else an installed one.

    Raises:
        ModuleNotFoundError: none of those that can is installed.
    """
    running = keras.backend.backend()
    writers = row.writers if quantize == "none" else row.int8_writers
    if running in writers:
        return running
    for backend in writers:
        if _installed(backend):
            return backend
    raise ModuleNotFoundError(
        f"{row.title}{_mode(quantize)} is not written on the backend {running!r}, and none that "
        "can is installed. Run: " + " or ".join(f'pip install "keras-mixer[{b}]"' for b in writers)
    )


def _mode(quantize: str) -> str:
    return "" if quantize == "none" else f" in {quantize}"


def needs_own_process(writer: str) -> bool:
    """Whether a format is written apart: under another backend, or off the device of PyTorch.

    What PyTorch writes on a GPU (CUDA, Apple's, Intel's) runs on one alone.
    """
    if writer != keras.backend.backend():
        return True
    return writer == "torch" and keras.ops.zeros(()).device.type != "cpu"


def _installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def write_under(backend: str, model: keras.Model, path: pathlib.Path, **arguments) -> None:
    """`write` in a process that runs on another backend, which loads the saved model.

    Raises:
        RuntimeError: it failed; the message is the last line that it said.
    """
    saved = path.with_name("model.keras")  # On the disk that has to hold the file anyway.
    model.save(saved)
    try:
        # The device of this process may be its own; a file is written as well without.
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "CUDA_VISIBLE_DEVICES": "",
            "KERAS_TORCH_DEVICE": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from keras_mixer.export import write; write.main()"),
                json.dumps({"model": str(saved), "path": str(path), **arguments}),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        saved.unlink()
    if done.returncode < 0:  # Its last lines are frames of C++, if any.
        ended = signal.Signals(-done.returncode).name
        raise RuntimeError(f"Writing {path.name} under {backend} failed: it was ended by {ended}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"Writing {path.name} under {backend} failed: {last}")
