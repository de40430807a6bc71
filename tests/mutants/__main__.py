"""Plants small mistakes in the package, one at a time, and counts those that make a test fail.

    KERAS_BACKEND=torch python tests/mutants [--sample 300] [--seed 0] [FILE ...]

planted.py says which mistakes; watched.py shows each to the tests that can see it, in a copy of the
tree. Exits with 1 where fewer than GOAL of them were found.
"""

import argparse
import compileall
import contextlib
import gc
import importlib
import math
import os
import pathlib
import shutil
import sys
import tempfile

from planted import Mutant, draw, mutants
from watched import TESTS, outcome, seen_by

ROOT = pathlib.Path(__file__).parents[2]
# Their tests need TensorFlow Datasets.
OF_TENSORFLOW = {
    f"keras_mixer/data/{name}.py"
    for name in ("catalog", "keras_cv", "records", "tf_data", "tfds", "vtab")
}
# What takes long to load and is not ours.
LOADED = (
    *("keras", "pytest", "h5py", "PIL.Image", "safetensors.numpy", "sklearn.datasets", "filelock"),
    *("huggingface_hub", "httpx", "rich.progress", "matplotlib.backends.backend_agg"),
)
GOAL = 0.9


def interval(killed: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson)."""
    z, share = 1.96, killed / of
    middle = share + z * z / 2 / of
    half = z * math.sqrt(share * (1 - share) / of + z * z / 4 / of**2)
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def row(name: str, outcomes: list[str], of: int) -> str:
    killed = sum(outcome.startswith("killed") for outcome in outcomes)
    low, high = interval(killed, len(outcomes))
    shares = f"{killed / len(outcomes):.1%} ({low:.1%} to {high:.1%})"
    return f"{name:10} {killed:5} of {len(outcomes):5} drawn of {of:5}: {shares}"


def files_of(backend: str) -> list[str]:
    parts = [ROOT / "keras_mixer" / part for part in TESTS]
    found = [file for part in parts for file in (*part.glob("*.py"), part.with_suffix(".py"))]
    names = sorted(str(file.relative_to(ROOT)) for file in found if file.is_file())
    return [name for name in names if (name in OF_TENSORFLOW) == (backend == "tensorflow")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="Of these files. Defaults to all of the parts.")
    parser.add_argument("--sample", type=int, help="So many, drawn evenly. Defaults to all.")
    parser.add_argument("--seed", type=int, default=0, help="Of the draw. Defaults to 0.")
    parser.add_argument(
        "--keep", type=pathlib.Path, required=True, help="Folder for what the tests do."
    )
    asked = parser.parse_args()

    for name in LOADED:
        importlib.import_module(name)
    import keras

    gc.freeze()  # Or each run would look through all that was loaded, in memory of its own.
    files = asked.files or files_of(keras.backend.backend())
    every = [mutant for file in files for mutant in mutants(ROOT, file)]
    drawn = draw(ROOT, every, asked.sample, asked.seed)
    print(f"{len(drawn)} of {len(every)} mistakes, in {len(files)} files")
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        compileall.compile_dir(tree, quiet=2)
        sys.path[0] = os.environ["PYTHONPATH"] = str(tree)
        sys.dont_write_bytecode = True  # Of a file with a mistake.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        seen = seen_by(tree, {mutant.part for mutant in drawn}, asked.keep)
        outcomes: dict[Mutant, str] = {}
        with contextlib.suppress(KeyboardInterrupt):  # What was tried until then is counted.
            for number, mutant in enumerate(drawn, 1):
                outcomes[mutant] = said = outcome(tree, mutant, seen)
                print(
                    f"{number:5} {mutant.path}:{mutant.line} {mutant.operator}: {said}", flush=True
                )
                if said == "survived":
                    print(mutant.change((tree / mutant.path).read_text("utf-8")), flush=True)
    return report(every, outcomes)


def report(every: list[Mutant], outcomes: dict[Mutant, str]) -> int:
    for part in sorted({mutant.part for mutant in outcomes}):
        own = [said for mutant, said in outcomes.items() if mutant.part == part]
        print(row(part, own, sum(mutant.part == part for mutant in every)))
    if not outcomes:
        return 1
    print(row("all", list(outcomes.values()), len(every)))
    killed = sum(said.startswith("killed") for said in outcomes.values())
    return int(killed < GOAL * len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
