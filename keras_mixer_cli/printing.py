"""The door to the terminal: what the command prints is made printable here, and nowhere else."""

import importlib.util
import json
import pathlib
import runpy
from typing import Any

import click

_SPEC = importlib.util.find_spec("keras_mixer")
assert _SPEC is not None
assert _SPEC.origin is not None
# By its path, for an import of `keras_mixer` would load a backend.
_FUNCTIONS = runpy.run_path(str(pathlib.Path(_SPEC.origin).with_name("printable.py")))
printable, one_line = _FUNCTIONS["printable"], _FUNCTIONS["one_line"]


def echo(*lines: object, err: bool = False) -> None:
    """Prints lines; what steers a terminal or cannot be seen becomes its code.

    Args:
        lines: Texts, or paths, with names in them from anywhere.
        err: Boolean. Whether to print on the standard error stream. Defaults to `False`.
    """
    for line in lines:
        click.echo(printable(line), err=err)


def echo_json(content: Any, indent: int | None = None) -> None:
    """Prints JSON in ASCII: names stand in it as they are, escaped as JSON escapes them.

    Args:
        content: What `json` writes; numbers that JSON does not know become null.
        indent: Integer. As in `json.dumps`. Defaults to one line.
    """
    click.echo(json.dumps(finite(content), indent=indent))


def finite(content: Any) -> Any:
    """The same as JSON has it, with null for NaN and infinite numbers."""
    return json.loads(json.dumps(content), parse_constant=lambda _: None)
