"""How much memory a call takes at its peak."""

import contextlib
import ctypes
import dataclasses
import gc
import math
import pathlib
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_mixer.profiling.machine import accelerator

_PROC = pathlib.Path("/proc/self")


@dataclasses.dataclass(frozen=True)
class _Counter:
    """A count of bytes.

    Args:
        held: bytes in use now.
        peak: the most there were since `reset`.
        reset: begins the peak anew, `None` where the backend offers no way.
    """

    held: Callable[[], int]
    peak: Callable[[], int]
    reset: Callable[[], Any] | None


def peak_growth(call: Callable[[], Any]) -> int | None:
    """Bytes by which memory rises during a call, at its peak, above what is held before it.

    On a GPU, and with TensorFlow on a CPU, they are those that the backend's allocator hands out on
    the first device, in its chunks: without the context of CUDA, what a library allocates past the
    allocator, and what is reserved and unused. With JAX and PyTorch on the CPU of Linux they are
    the growth of the resident memory of the process, to a few MiB: with scratch of libraries and
    whatever other threads do meanwhile, and less what the call finds freed and not yet given back
    to the system.

    Args:
        call: called once; what it returns is let go.

    Returns:
        Bytes, or `None` where they are not measured: another system, a kernel that refuses, or
        JAX on an accelerator after a higher peak, for its peak cannot be reset.
    """
    counter = _counter()
    gc.collect()
    if counter is None:
        call()
        return None
    before = counter.peak()
    if counter.reset is not None:
        counter.reset()
    held = counter.held()
    call()
    peak = counter.peak()
    if counter.reset is None and peak <= before:
        return None
    return max(0, peak - held)


def state_bytes(variables: Iterable[keras.Variable]) -> int:
    """Bytes of the values of variables."""
    return sum(math.prod(v.shape) * _bits(v.dtype) // 8 for v in variables)


def _bits(dtype: str) -> int:
    width = re.search(r"\d+", dtype)
    return int(width[0]) if width else 8  # A boolean.


def _counter() -> _Counter | None:
    """What the backend offers, else the resident memory where the CPU computes."""
    kind = keras.backend.backend()
    counter = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[kind]()
    if counter is None and accelerator() is None and sys.platform == "linux":
        return _resident()
    return counter


def _jax() -> _Counter | None:
    import jax

    device = jax.devices()[0]
    if device.memory_stats() is None:  # A CPU.
        return None
    return _Counter(
        lambda: device.memory_stats()["bytes_in_use"],
        lambda: device.memory_stats()["peak_bytes_in_use"],
        None,
    )


def _tensorflow() -> _Counter | None:
    import tensorflow as tf

    usage, device = tf.config.experimental, "GPU:0" if accelerator() else "CPU:0"
    try:
        usage.get_memory_info(device)
    except ValueError:  # Without oneDNN, a CPU's allocator keeps no count.
        return None
    return _Counter(
        lambda: usage.get_memory_info(device)["current"],
        lambda: usage.get_memory_info(device)["peak"],
        lambda: usage.reset_memory_stats(device),
    )


def _torch() -> _Counter | None:
    from torch import cuda

    if not cuda.is_available():
        return None
    return _Counter(cuda.memory_allocated, cuda.max_memory_allocated, cuda.reset_peak_memory_stats)


def _resident() -> _Counter | None:
    """The resident memory of this process, on Linux."""

    def read(field: str) -> int:
        found = re.search(rf"{field}:\s+(\d+) kB", (_PROC / "status").read_text())
        assert found
        return 1024 * int(found[1])

    def reset() -> None:
        # What is freed goes back to the system first, else the call would fill it unseen.
        with contextlib.suppress(AttributeError):  # Another C library than glibc.
            ctypes.CDLL(None).malloc_trim(0)
        (_PROC / "clear_refs").write_text("5")  # proc(5): the peak is what is resident now.

    try:
        reset()
    except OSError:
        return None
    return _Counter(lambda: read("VmRSS"), lambda: read("VmHWM"), reset)
