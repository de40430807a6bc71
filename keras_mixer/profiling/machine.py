"""What the measurements are made on."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import platform

import keras


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where and when something was measured.

    Args:
        device: what the backend computes on.
        cpu: model of the processor, and its cores.
        system: operating system.
        versions: of Python and of each installed package that results depend on.
        date: in UTC, ISO 8601, to the second.
    """

    device: str
    cpu: str
    system: str
    versions: dict[str, str]
    date: str


def this_machine() -> Machine:
    """This machine, now."""
    backend = keras.backend.backend()
    versions = {"python": platform.python_version()}
    for package in ("keras-mixer", "keras", backend, "keras-hub", "numpy", "pillow"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return Machine(
        accelerator() or "CPU",
        f"{_processor()}, {os.cpu_count()} cores",
        platform.platform(),
        versions,
        datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def global_settings() -> dict[str, str]:
    """Settings of Keras and of its backend that numbers depend on."""
    backend = keras.backend.backend()
    found = {"image_data_format": keras.config.image_data_format()}
    if backend == "jax":
        import jax

        found["products"] = str(jax.config.jax_default_matmul_precision or "default")
        found["x64"] = str(jax.config.jax_enable_x64)
    elif backend == "tensorflow":
        import tensorflow as tf

        rounded = tf.config.experimental.tensor_float_32_execution_enabled()
        found["products"] = "tensorfloat32" if rounded else "float32"
    else:
        import torch

        found["products"] = torch.get_float32_matmul_precision()
    return found


def accelerator() -> str | None:
    """Name of the first GPU or TPU that the backend computes on, `None` for the CPU."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            return None
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)
    import torch

    device = keras.ops.zeros(()).device.type  # As Keras chooses it: cuda, mps, xpu.
    if device == "cuda":
        return torch.cuda.get_device_name()
    return None if device == "cpu" else device


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
