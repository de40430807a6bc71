"""One call that makes several devices, or several processes, train one model."""

import atexit
import importlib
import sys
from typing import Any

import keras

from keras_mixer.distribution import on_jax, on_tensorflow, on_torch
from keras_mixer.distribution.group import Group, join, split_address
from keras_mixer.distribution.place import Distribution

KINDS = ("auto", "data", "model")
_current = Distribution()


def current() -> Distribution:
    """What `initialize` set up; one device and one process before."""
    return _current


def initialize(
    kind: str = "auto",
    *,
    processes: int | None = None,
    process: int | None = None,
    coordinator: str | None = None,
    split: int | None = None,
    wait: float = 120.0,
    facts: dict[str, Any] | None = None,
) -> Distribution:
    """Sets up the engine of the running backend, before a model is built.

    `keras.distribution` on JAX, `tf.distribute.MirroredStrategy` on TensorFlow, `torch.distributed`
    on PyTorch. Models that are built afterwards, by whomever, train on all devices with
    `model.fit`; with several processes each of them reads `Distribution.shard` of each batch.
    Where a process is lost the others end too, within a minute, with one line on the standard error
    stream.

    Args:
        kind: `"data"`: each device has the model, and a part of each batch. `"model"`: each has a
            part of both MLPs of a Mixer (`mixer_layout`); on JAX, in one process. `"auto"`:
            `"data"` where there are several devices or processes; on PyTorch several GPUs need
            `torchrun`, and are refused without.
        processes: how many processes there are, on however many machines; by default one, or what
            `torchrun` says.
        process: number of this one, from 0; process 0 is the chief, which writes.
        coordinator: `host:port` of process 0.
        split: with `"model"`, devices that share one model; by default all. The other ones take
            another part of each batch.
        wait: seconds until all processes must have come.
        facts: what must be the same in all processes, beside the versions; like JSON, flat.

    Returns:
        What reading data and writing files need to know.

    Raises:
        ValueError: an unknown kind, half of the options of several processes, processes that
            differ, or what Keras cannot do on this backend.
        TimeoutError: not all processes came in time.
        RuntimeError: it was called before.

    Example:
        >>> distribution = keras_mixer.distribution.initialize()
        >>> number, count = distribution.shard
    """
    global _current
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: {kind!r}")
    if _current.kind != "none":
        raise RuntimeError("`initialize` was called before; once a process is enough.")
    if split is not None and kind != "model":
        raise ValueError(f"`split` (--split) goes with the kind model alone. Received: {kind!r}")
    given = [option is not None for option in (process, coordinator)]
    if any(given) or (processes or 1) > 1:
        if not (all(given) and (processes or 0) > 1):
            raise ValueError(
                "Several processes need all of --processes (at least 2), --process and "
                f"--coordinator. Received: {processes}, {process}, {coordinator}"
            )
        if not 0 <= (process or 0) < (processes or 0):
            raise ValueError(f"--process must be from 0 to {(processes or 0) - 1}: {process}")
    backend = keras.backend.backend()
    _refuse(backend, kind, processes or 1)
    facts = {**(facts or {}), **versions(), "backend": backend, "distribute": kind}
    group, host = None, ""
    if coordinator is not None and process is not None and processes is not None:
        host, _ = split_address(coordinator)
        group = join(process, processes, coordinator, facts, wait)
    elif backend == "torch" and on_torch.under_torchrun():
        group = on_torch.join_under_torchrun(facts, wait)
    if group is not None:
        _tell_of_errors(group)
    if backend == "jax":
        _current = on_jax.start(kind, split, group, host)
    elif backend == "torch":
        _current = on_torch.start(kind, group, host)
    else:
        _current = on_tensorflow.start(kind)
    if group is not None:
        atexit.register(group.leave)  # After the engine's own, and so before it.
    return _current


def _refuse(backend: str, kind: str, processes: int) -> None:
    """Raises where Keras cannot do what is asked for on a backend."""
    name = {"tensorflow": "TensorFlow", "torch": "PyTorch"}.get(backend)
    if kind == "model" and name:
        raise ValueError(
            f"Keras has no model parallelism on {name}. Use --distribute data, or --backend jax."
        )
    if kind == "model" and processes > 1:
        raise ValueError(
            "Model parallelism is for the devices of one process, since Keras cannot save what "
            f"lies in others. Received: {processes} processes. Use --distribute data."
        )
    if backend == "tensorflow" and processes > 1:
        raise ValueError(
            "Keras' fit does not work under MultiWorkerMirroredStrategy (keras issue 20585), so "
            f"TensorFlow trains in one process. Received: {processes} processes. Use --backend jax "
            "or torch."
        )


def versions() -> dict[str, str]:
    """What runs here, in which version."""
    backend = keras.backend.backend()
    names = ["keras", "numpy", backend, *(["jaxlib"] if backend == "jax" else [])]
    python = ".".join(map(str, sys.version_info[:2]))
    # Not of their packages, which may have other names, such as tensorflow-cpu.
    return {"python": python, **{name: importlib.import_module(name).__version__ for name in names}}


def _tell_of_errors(group: Group) -> None:
    """Tells the other processes of an error that ends this one."""
    before = sys.excepthook

    def tell(kind, error, traceback):
        group.end(error)
        before(kind, error, traceback)

    sys.excepthook = tell
