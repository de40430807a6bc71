"""What the system cannot do is not said to be damage of a file; the readers are the real ones."""

import contextlib
import errno
import os
import resource

import numpy as np
import pytest
from PIL import Image

from keras_mixer import Mixer, runs, weights
from keras_mixer.data.images import open_rgb
from keras_mixer.evaluation import Predictions
from keras_mixer.system_errors import PERMISSION, SystemFaultError, raise_system_fault

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "x"), "No space left on device. Make room in /"),
        (OSError(errno.EDQUOT, "x"), "Disk quota exceeded. Make room in /"),
        (OSError(errno.EMFILE, "x"), "Too many open files. Close files, or raise the limit"),
        (PermissionError(errno.EACCES, "x"), "Permission denied. Give this account the right"),
        (MemoryError(), "Cannot allocate memory. Free memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of it"), "Cannot allocate memory. Free memory"),
        (RuntimeError("[enforce fail] Input/output error"), "Input/output error. Look at the disk"),
        (FileNotFoundError(2, "No usable temporary directory found in []"), "No space left on"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_is_of_the_system(error, told, wrapped):
    if wrapped:
        error, cause = ValueError("the file is damaged"), error
        error.__cause__ = cause
    with pytest.raises(SystemFaultError) as failed:
        raise_system_fault(error, "a.keras")
    assert str(failed.value).startswith(f"Cannot read a.keras: {told}")
    assert "\n" not in str(failed.value)
    assert failed.value.errno in errno.errorcode
    with pytest.raises(SystemFaultError) as again:  # An outer handler changes nothing.
        raise_system_fault(failed.value, "b.keras")
    assert again.value is failed.value


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a layer is called No space left on device"),
        KeyError("Too many open files"),
        OSError("Unable to open file (truncated)"),
        EOFError(),
        FileNotFoundError(errno.ENOENT, "no such file"),
    ],
)
def test_what_is_of_the_file(error):
    raise_system_fault(error, "a.keras")


def test_what_the_caller_counts_to_the_file():
    raise_system_fault(PermissionError(errno.EACCES, "x"), "a.png", own=PERMISSION)


@pytest.fixture
def files(tmp_path, tiny):
    """A file of each kind that is read."""
    model = Mixer(tiny, weights=None, classes=2)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    for name in ("m.npz", "m.safetensors"):
        weights.convert(tmp_path / "m.keras", tmp_path / name)
    Image.fromarray(np.zeros((8, 12, 3), "uint8")).save(tmp_path / "m.png")
    Predictions(np.full((1, 2), 0.5), np.zeros(1, int), ["a"], ["b", "c"]).save(tmp_path / "p.npz")
    return tmp_path


READERS = {
    "m.keras": weights.check_file,
    "m.weights.h5": weights.check_file,
    "m.npz": weights.check_file,
    "m.safetensors": weights.check_file,
    "m.png": open_rgb,
    "p.npz": Predictions.load,
}


@pytest.mark.parametrize("name", READERS)
def test_too_many_open_files_are_no_damage(files, name):
    """The limit of this process is real; the same file damaged is still called damaged."""
    READERS[name](files / name)  # What it imports needs files, too.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files") as failed:
            READERS[name](files / name)
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert failed.value.errno == errno.EMFILE
    assert "damaged" not in str(failed.value)
    READERS[name](files / name)
    (files / name).write_bytes((files / name).read_bytes()[:40])
    with pytest.raises(ValueError, match=name.replace(".", "[.]")):
        READERS[name](files / name)


@pytest.mark.parametrize("read", [weights.check_file, runs.load_known_model])
def test_no_room_for_temporary_files_is_no_damage(files, read):
    """As on a full disk: no file may grow beyond some bytes while a model is unpacked."""
    read(files / "m.keras")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(SystemFaultError, match=r"Cannot read .*keras: File too large. Make"):
            read(files / "m.keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    read(files / "m.keras")
