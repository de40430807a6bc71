"""What the README says is so."""

import pathlib
import re

import keras_mixer_cli
from keras_mixer.training import RECIPES

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def test_examples_run(monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "digits", RECIPES["digits"].replace(steps=2))
    names = {}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert names["block"].output_shape == (None, 196, 768)
    assert names["large"].input_shape == (None, 448, 448, 3)
    assert len(names["history"]["val_top_1"]) == 2


def test_ci_runs_exactly_the_test_command():
    commands = [block.strip() for block in blocks("sh")]
    last = (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1]
    assert last == commands[1]
    assert commands[0].endswith("keras-mixer finetune digits")


def test_table_of_models_is_the_command_s(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "110")
    assert keras_mixer_cli.main(["models"]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
    assert "\n".join(printed) in README


def test_table_of_recipes_is_the_command_s(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert keras_mixer_cli.main(["recipes"]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
    assert "\n".join(printed) in README


def test_table_of_weights_is_the_command_s(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "150")
    assert keras_mixer_cli.main(["weights", "list"]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
    assert "\n".join(printed) in README


def test_the_map_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tree = text[text.index("    keras_mixer/\n") : text.index("    tests/ ")]
    places = ("keras_mixer", "keras_mixer_cli", "apps", "tests")  # Not environments beside them.
    files = {path.name for place in places for path in (ROOT / place).rglob("*.py")}
    assert set(re.findall(r"\b\w+\.py\b", tree)) <= files
    packages = {p.parent.name for p in (ROOT / "keras_mixer").glob("*/__init__.py")}
    assert all(f"      {package}/" in tree for package in packages)
