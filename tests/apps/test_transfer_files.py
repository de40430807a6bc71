"""The files of apps/transfer as they stand; nothing of them is run."""

import ast
import json
import pathlib

import pytest

pytestmark = pytest.mark.once

TRANSFER = pathlib.Path(__file__).parents[2] / "apps" / "transfer"


def test_the_notebook_is_kept_without_outputs():
    notebook = json.loads((TRANSFER / "pets.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1


@pytest.mark.lint
def test_the_notebook_is_valid():
    import nbformat

    notebook = nbformat.read(TRANSFER / "pets.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    del notebook["cells"][0]["source"]
    with pytest.raises(nbformat.ValidationError):
        nbformat.validate(notebook)


@pytest.mark.parametrize("script", ["pets.py", "pets_on_jax_devices.py"])
def test_a_script_is_short_and_plain(script):
    """At most forty lines of code in the one that is promised to be, and Keras' own calls."""
    text = (TRANSFER / script).read_text()
    tree = ast.parse(text)
    docstring = range(1, tree.body[0].end_lineno + 1)
    lines = [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if number not in docstring and line.strip() and not line.strip().startswith("#")
    ]
    assert len(lines) <= (40 if script == "pets.py" else 50)
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert {"compile", "fit", "evaluate", "save"} <= called
    assert not {"finetune", "pretrain"} & called
