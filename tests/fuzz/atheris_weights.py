"""libFuzzer on the readers of weight files: whatever the bytes, arrays or one error of ours.

    python tests/fuzz/atheris_weights.py -max_total_time=60 -rss_limit_mb=6000

Other arguments are those of libFuzzer (https://llvm.org/docs/LibFuzzer.html). It ends with the
bytes that a reader failed on. The first byte says which reader gets the others; seeds are made on
the way.
"""

import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["keras_mixer.weights", "zipfile", "numpy.lib"]):
    import keras_mixer.weights as weights

import numpy as np
from safetensors.numpy import save_file

KINDS = ("x.npz", "x.safetensors", "x.weights.h5", "x.keras")
MOST = 2**22  # Bytes of an array that are read; more may be right where the file has them.
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="atheris"))


def test_one_input(data: bytes) -> None:
    """Anything but a `ValueError` that names the file is a finding."""
    if not data:
        return
    path = FOLDER / KINDS[data[0] % len(KINDS)]
    path.write_bytes(data[1:])
    said = None
    try:
        with weights.open_file(path) as opened:
            for array in opened.arrays.values():
                small = np.prod(array.shape, dtype=object) < MOST
                if array.dtype in ("float32", "float16", "bfloat16") and small:
                    assert array.read().shape == array.shape
    except ValueError as error:
        said = str(error)
    assert said is None or (str(path) in said and said.isprintable()), said


def seeds() -> pathlib.Path:
    """A folder with a small file of each kind."""
    folder = FOLDER / "seeds"
    folder.mkdir()
    arrays = {"stem/kernel": np.ones((2, 2, 3, 4), "float32"), "stem/bias": np.ones(4, "float32")}
    for i, save in enumerate((np.savez, np.savez_compressed)):
        save(FOLDER / "seed.npz", **arrays)
        (folder / f"npz{i}").write_bytes(b"\0" + (FOLDER / "seed.npz").read_bytes())
    for name in ("norm.weight", "stem.proj.weight"):
        save_file({name: np.ones((4, 3, 2, 2), "float32")}, FOLDER / "seed.safetensors")
        (folder / name).write_bytes(b"\1" + (FOLDER / "seed.safetensors").read_bytes())
    import keras_mixer

    spec = keras_mixer.MixerSpec("tiny", 1, 1, 1, 1, 1, 1)
    model = keras_mixer.Mixer(spec, weights=None, classes=1)
    model.save_weights(FOLDER / "seed.weights.h5")
    model.save(FOLDER / "seed.keras")
    (folder / "h5").write_bytes(b"\2" + (FOLDER / "seed.weights.h5").read_bytes())
    (folder / "keras").write_bytes(b"\3" + (FOLDER / "seed.keras").read_bytes())
    return folder


if __name__ == "__main__":
    atheris.Setup([*sys.argv, str(seeds())], test_one_input)
    atheris.Fuzz()
