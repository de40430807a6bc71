"""How long one waits before anything happens, in whole processes.

    KERAS_BACKEND=jax python apps/benchmarks/startup.py

`--help`; what `import keras_mixer` adds to `import keras`; from the start of a process to the first
prediction of Mixer-B/16 from an npz file that is on disk already; and Mixer-L/16 from npz beside
reading the bytes of that file. Files are in the page cache. Medians, processes in turn.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
IMPORT = """
import time
begun = time.perf_counter()
import keras
between = time.perf_counter()
import keras_mixer
print(between - begun, time.perf_counter() - between)
"""
PREDICT = """
import sys, time
begun = time.perf_counter()
import keras, keras_mixer, numpy as np
imported = time.perf_counter()
model = keras_mixer.Mixer{0}(weights=sys.argv[1])
loaded = time.perf_counter()
if {1}: model.predict(np.zeros((1, 224, 224, 3), "float32"), verbose=0)
print(imported - begun, loaded - imported, time.perf_counter() - loaded)
"""
WRITE = "import sys, keras_mixer as k; m = k.Mixer{0}(weights=None); m.save(sys.argv[1]); "
WRITE += "k.weights.convert(sys.argv[1], sys.argv[2])"


def run(*arguments) -> tuple[float, str]:
    begun = time.perf_counter()
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return time.perf_counter() - begun, done.stdout


def parts(program, *arguments) -> list[float]:
    """Seconds of the whole process, and those that its program prints."""
    whole, printed = run(sys.executable, "-c", program, *arguments)
    return [whole, *map(float, printed.split())]


def read(path) -> float:
    begun = time.perf_counter()
    pathlib.Path(path).read_bytes()
    return time.perf_counter() - begun


def main() -> None:
    command = str(pathlib.Path(sys.executable).with_name("keras-mixer"))
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name in ("B16", "L16"):
            saved, files[name] = (
                os.path.join(folder, f"{name}.{kind}") for kind in ("keras", "npz")
            )
            run(sys.executable, "-c", WRITE.format(name), saved, files[name])
            os.remove(saved)
        measured: dict[str, list] = {}
        for _ in range(ROUNDS):
            for key, value in {
                "help": run(command, "--help")[0],
                "import": parts(IMPORT),
                "first": parts(PREDICT.format("B16", True), files["B16"]),
                "large": parts(PREDICT.format("L16", False), files["L16"]),
                "read": read(files["L16"]),
            }.items():
                measured.setdefault(key, []).append(value)
        size = os.path.getsize(files["L16"])
    middle = {
        key: [statistics.median(column) for column in zip(*values, strict=True)]
        if isinstance(values[0], list)
        else statistics.median(values)
        for key, values in measured.items()
    }
    whole, imported, loaded, predicted = middle["first"]
    print(f"keras-mixer --help: {middle['help']:.2f} s")
    print("import keras: {:.2f} s; keras_mixer adds {:.3f} s".format(*middle["import"][1:]))
    print(
        f"first prediction of Mixer-B/16 from npz: {whole:.1f} s (import "
        f"{imported:.1f}, build and load {loaded:.1f}, predict {predicted:.1f})"
    )
    print(
        f"Mixer-L/16 from npz ({size / 2**20:.0f} MiB): {middle['large'][2]:.1f} s; reading the "
        f"file alone {middle['read']:.1f} s"
    )


if __name__ == "__main__":
    main()
