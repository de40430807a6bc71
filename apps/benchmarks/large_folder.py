"""Seconds and memory from a folder of many pictures to the first batch.

    python apps/benchmarks/large_folder.py [--files 100000]

The pictures are 8x8 PNG files in ten class folders, written to a temporary folder first.
"""

import argparse
import io
import pathlib
import resource
import tempfile
import time

from PIL import Image

import keras_mixer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    files = parser.parse_args().files
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(buffer, "PNG")
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for label in range(10):
            (root / str(label)).mkdir()
            for i in range(files // 10):
                (root / str(label) / f"{i}.png").write_bytes(buffer.getvalue())
        before, start = peak(), time.perf_counter()
        loaded = keras_mixer.data.load(root)
        listed = time.perf_counter()
        keras_mixer.data.TrainingBatches(loaded.train, 10, (224, 224), 64, steps=10)[0]
        first = time.perf_counter()
        print(
            f"{files:,} files: listed after {listed - start:.1f} s, first batch of 64 after "
            f"{first - start:.1f} s, {peak() - before:.0f} MiB more at the peak"
        )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
