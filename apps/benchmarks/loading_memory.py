"""Peak memory while weights of Mixer-L/16 are loaded, beside the size of their file.

    KERAS_BACKEND=jax python apps/benchmarks/loading_memory.py

Each load runs in a process of its own, after a small model has warmed the backend up. The model
itself is part of the peak.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np

import keras_mixer


def peak() -> int:
    """The highest resident memory of this process so far, in bytes; Linux only."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def load(path: str) -> None:
    small = keras_mixer.Mixer(keras_mixer.SPECS["mixer_ti4"], weights=None)
    small.predict(np.zeros((1, 32, 32, 3), "float32"), verbose=0)
    before = peak()
    keras_mixer.MixerL16(weights=path)
    grown, size = peak() - before, os.path.getsize(path)
    print(
        f"{keras.backend.backend():10} {os.path.basename(path):16} {size / 2**20:6.1f} MiB, "
        f"peak {grown / 2**20:6.1f} MiB, {grown / size:.2f} times"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, f"l16.{kind}") for kind in ("keras", "npz", "safetensors")]
        keras_mixer.MixerL16(weights=None).save(files[0])
        for file in files[1:]:
            keras_mixer.weights.convert(files[0], file)
        for file in files:
            subprocess.run([sys.executable, __file__, file], check=True)


if __name__ == "__main__":
    load(sys.argv[1]) if len(sys.argv) > 1 else main()
