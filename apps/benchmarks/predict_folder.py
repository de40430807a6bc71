"""Memory that `predict_to_file` takes for 1,000 and for 10,000 pictures, and their ratio.

    KERAS_BACKEND=jax python apps/benchmarks/predict_folder.py [--pictures 1000 10000]

The pictures are 32x32 PNG files in ten folders, written to a temporary folder first; the model is
Mixer-Ti/4. Each number of pictures is predicted in a process of its own, whose memory is the
resident one at its peak, the backend included.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        predict(arguments.folder)
        return
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        for number in arguments.pictures:
            folder = pathlib.Path(name, str(number))
            write(folder, number)
            command = [sys.executable, __file__, "--folder", str(folder)]
            peaks.append(float(subprocess.check_output(command)))
            print(
                f"{number:,} pictures: {peaks[-1]:,.0f} MiB at the peak, "
                f"{peaks[-1] / peaks[0]:.2f} times that of {arguments.pictures[0]:,}",
                flush=True,
            )


def write(folder: pathlib.Path, number: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(number):
        path = folder / str(i % 10) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), "uint8")).save(path)


def predict(folder: str) -> None:
    import keras_mixer

    model = keras_mixer.Mixer(keras_mixer.SPECS["mixer_ti4"], weights=None, classes=10)
    keras_mixer.evaluation.predict_to_file(model, [folder], f"{folder}.csv", crop="resize")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
