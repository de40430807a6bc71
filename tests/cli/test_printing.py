"""Names from anywhere on the terminal: shown, never obeyed."""

import ast
import io
import json
import pathlib

import pytest
from hostile_names import HOSTILE, is_safe
from rich.console import Console

import keras_mixer
import keras_mixer_cli
from keras_mixer_cli import tables
from keras_mixer_cli.printing import echo, echo_json

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_printed_is_shown(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    printed = {}

    def take(way):
        captured = capsys.readouterr()
        printed[way] = captured.out + captured.err

    echo(name)
    take("a line")
    echo(name, err=True)
    take("an error")
    for way, arguments in {
        "a title": (name, {"a": "left"}, [(1,)]),
        "a heading": ("title", {name: "left"}, [(1,)]),
        "a cell": ("title", {"a": "left"}, [(name,)]),
    }.items():
        tables.show(*arguments)
        take(way)
    tables.say(Console(), name)
    take("a line beside a bar")
    escaped = keras_mixer.printable.printable(name)
    for way, text in printed.items():
        assert is_safe(text), way
        assert escaped in text, way
    echo_json({"name": name}, indent=2)
    out = capsys.readouterr().out
    assert out.isascii()
    assert is_safe(out)
    assert json.loads(out) == {"name": name}  # As it is.


def test_on_a_terminal_too():
    """Where rich colours: its own sequences stand around a name, none within."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=400)
    for name in HOSTILE.values():
        console.print(tables.shown(name))
    assert is_safe(screen.getvalue())


@pytest.mark.parametrize(
    "command",
    [
        ["finetune", "NAME"],
        ["finetune", "digits", "--model", "NAME"],
        ["finetune", "digits", "--recipe", "NAME"],
        ["finetune", "digits", "--steps", "NAME"],
        ["finetune", "digits", "--set", "NAME"],
        ["finetune", "digits", "--set", "steps=NAME"],
        ["finetune", "digits", "--crop", "NAME"],
        ["finetune", "digits", "NAME"],
        ["--NAME"],
        ["NAME"],
        ["evaluate", "NAME"],
        ["evaluate", "NAME.npz"],
        ["evaluate", "NAME.keras", "digits"],
        ["runs", "NAME"],
        ["predict", ".", "NAME"],
        ["push", ".", "NAME"],
        ["recipes", "show", "NAME"],
        ["weights", "path", "NAME"],
        ["weights", "convert", "NAME", "x.npz"],
        ["export", "NAME", "--format", "onnx"],
        ["visualize", "NAME", "--model", "NAME"],
        ["benchmark", "--model", "NAME"],
        ["fewshot", "digits", "--model", "NAME"],
        ["serve", "NAME"],
        ["web", "NAME"],
        ["plan", "--model", "NAME", "--data", "NAME", "--devices", "1", "--device-type", "NAME"],
    ],
    ids=" ".join,
)
def test_an_error_shows_what_was_typed(run_command, command):
    name = " ".join(HOSTILE.values())
    code, out, err = run_command(*(word.replace("NAME", name) for word in command))
    assert code in (1, 2)
    assert is_safe(out + err)
    (line,) = (line for line in err.splitlines() if line.startswith("Error: "))
    assert len(line) < 11_000


@pytest.mark.parametrize("package", [keras_mixer, keras_mixer_cli])
def test_nothing_is_printed_elsewhere(package):
    """Each call that prints, by file: one that is added belongs behind the door."""
    found = []
    root = pathlib.Path(package.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                made = [ast.unparse(arg).startswith(("printable(", "shown(")) for arg in node.args]
                prints = (".print", "click.echo", "click.secho", "stdout.write", "stderr.write")
                if (call == "print" or call.endswith(prints)) and not all(made[:1]):
                    found.append((path.relative_to(root).as_posix(), ast.unparse(node)))
    allowed = {
        ("__init__.py", "click.echo(usage, err=True, nl=False)"),
        ("printing.py", "click.echo(json.dumps(finite(content), indent=indent))"),
        ("tables.py", "console.print(table)"),
        ("tables.py", "console.print(Text(printable(line)), soft_wrap=True)"),
    }
    assert set(found) <= allowed
