"""Who may import whom, read from the syntax tree; nothing is imported or run."""

import ast
import pathlib
import sys

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_mixer"

BELOW_ALL = {"printable"}  # Of the standard library only: any part may import it.
# What each part may import at the top of a module: of this package, and of the outside.
ALLOWED = {
    "arguments": (set(), set()),
    "specs": ({"arguments"}, set()),
    "writing": (set(), set()),
    "printable": (set(), set()),
    "system_errors": (set(), set()),
    "settings": (set(), {"keras"}),
    "layers": ({"arguments", "specs"}, {"keras", "numpy"}),
    "weights": ({"specs", "system_errors", "writing"}, {"numpy"}),
    "preprocessing": ({"arguments", "weights"}, {"numpy"}),
    "models": ({"arguments", "specs", "layers", "weights", "preprocessing"}, {"keras"}),
    "data": ({"arguments", "preprocessing", "system_errors"}, {"keras", "numpy"}),
    "distribution": (set(), {"keras", "numpy"}),
    "training": (
        {"arguments", "specs", "layers", "models", "data", "distribution"}
        | {"settings", "system_errors", "writing"},
        {"keras", "numpy"},
    ),
    "evaluation": (
        {"arguments", "weights", "preprocessing", "data", "distribution"}
        | {"settings", "training", "system_errors", "writing"},
        {"keras", "numpy"},
    ),
    "profiling": ({"specs", "training"}, {"keras", "numpy"}),
    "export": (
        {"preprocessing", "data", "training", "evaluation", "system_errors", "writing"},
        {"keras", "numpy"},
    ),
    "runs": (
        {"arguments", "specs", "layers", "weights", "models", "data", "distribution"}
        | {"preprocessing", "training", "evaluation", "profiling", "system_errors", "writing"},
        {"keras", "numpy"},
    ),
    "serving": (
        {"layers", "preprocessing", "data", "evaluation", "export", "runs", "visualize"},
        {"keras", "numpy", "fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"},
    ),
    "visualize": (
        {"arguments", "specs", "layers", "preprocessing", "data", "evaluation", "runs"},
        {"keras", "numpy"},
    ),
}
# What a function body may import besides.
INSIDE = {
    "writing": {"filelock"},
    "layers": {"jax", "torch"},
    "weights": {"h5py", "safetensors", "torch", "httpx", "huggingface_hub", "filelock", "rich"},
    "distribution": {"jax", "torch", "tensorflow"},
    "training": {"safetensors", "torch"},
    "models": {"keras_hub"},
    "evaluation": {"filelock", "matplotlib", "pyarrow"},
    "profiling": {"jax", "torch", "tensorflow", "matplotlib"},
    "export": {
        *("torch", "tensorflow", "onnx", "onnxruntime", "tf2onnx"),
        *("openvino", "ai_edge_litert"),
    },
    "visualize": {"matplotlib"},
    "serving": {"PIL"},
    "runs": {"filelock", "huggingface_hub", "matplotlib", "tensorboardX", "torch", "keras_hub"},
    "data": {
        *("PIL", "sklearn", "tensorflow", "tensorflow_datasets"),
        *("array_record", "google_crc32c", "keras_cv"),
    },
}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def imports(path):
    """`(module, whether it stands at the top of the file)` of each import."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            if node.module == "keras_mixer":
                yield from ((f"keras_mixer.{alias.name}", node in top) for alias in node.names)
            else:
                yield node.module, node in top


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    part = part_of(path)
    inner, outer = ALLOWED[part]
    for module, at_top in imports(path):
        first, _, rest = module.partition(".")
        if first == "keras_mixer":
            assert rest.partition(".")[0] in inner | BELOW_ALL | {part}, f"{part} imports {module}"
        elif first not in sys.stdlib_module_names:
            allowed = outer if at_top else outer | INSIDE.get(part, set())
            assert first in allowed, f"{part} imports {module}{' at the top' if at_top else ''}"


def test_only_data_measurements_and_export_touch_tensorflow():
    users = {part_of(p) for p in FILES for m, _ in imports(p) if m.startswith("tensorflow")}
    assert users == {"data", "distribution", "export", "profiling"}


def test_the_command_imports_nothing_heavy_at_the_top():
    """More in the modules that the commands import in their bodies; else click."""
    for path in (ROOT / "keras_mixer_cli").glob("*.py"):
        outside = {module.partition(".")[0] for module, at_top in imports(path) if at_top}
        outside -= {*sys.stdlib_module_names, "keras_mixer_cli"}
        inside = {
            "tables": {"rich"},
            "counting": {"rich"},
            "progress": {"click", "rich", "keras_mixer"},
            "find_model": {"click", "keras", "keras_mixer"},
        }
        assert outside <= inside.get(path.stem, {"click"}), path


def test_applications_use_the_public_package_only():
    for path in (ROOT / "apps").rglob("*.py"):
        for module, _ in imports(path):
            assert not module.startswith("keras_mixer."), f"{path} imports {module}"
