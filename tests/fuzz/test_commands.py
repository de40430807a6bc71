"""Every command on arguments of any kind: an exit code and a line, never a traceback.

Nothing is there to work on, so nothing heavy begins: what names a file or a folder names none, and
the network is forbidden.
"""

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_mixer_cli

pytestmark = pytest.mark.once

NUMBERS = [
    "0",
    "-1",
    "1",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "99999999999999999999",
    "0x10",
    "1_0",
    "٣",
]
WORDS = [
    *("", " ", "-", "--", "--debug", "a\x1b[2J\nb", "ünïcödé", "\udce4", "é" * 300, "%s{}$(x)`"),
    *("missing", "missing.keras", "missing.npz", "missing.csv", "hf://a/b", "hf://", "hf://a/b@"),
    *("mixer_s8", "none", "x:y", ":", "os:system", "../..", "/dev/null", "~", "tfds:"),
    *("1,2", "1,,2", "1 2", "8x", "x8", "0x0", "224x224x3", "resize", "onnx", "jax"),
]
# What would train, download or measure a model that it builds itself.
HEAVY = {"benchmark", "verify"}


def leaves(command=keras_mixer_cli.commands, path=()):
    """Each command that does something, by the words that name it."""
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from leaves(command.commands[name], (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves())


def value(parameter) -> st.SearchStrategy[str]:
    known = list(getattr(parameter.type, "choices", None) or [])
    return st.sampled_from([*NUMBERS, *WORDS, *map(str, known)]) | st.text(
        st.characters(exclude_characters="\0"), max_size=6
    )


@st.composite
def arguments(draw, command) -> list[str]:
    """Some of its options and its arguments, in any order, and perhaps more than it takes."""
    found: list[list[str]] = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found.append([draw(value(parameter))])
        elif parameter.name not in ("backend", "help") and draw(st.integers(0, 3)) == 0:
            name = draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts]))
            found.append([name] if parameter.is_flag else [name, draw(value(parameter))])
    if draw(st.integers(0, 5)) == 0:
        found.append([draw(st.sampled_from([*WORDS, "--unknown", "-x"]))])
    return [word for part in draw(st.permutations(found)) for word in part]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@settings(max_examples=10 if settings().max_examples < 100 else 300)
@given(data=st.data())
def test_arguments_of_any_kind(path, data, tmp_path_factory):
    """As `main` turns errors into lines, what the commands raise must be of input, not a defect."""
    given_ = data.draw(arguments(COMMANDS[path]))
    place = tmp_path_factory.getbasetemp() / "nothing is here"
    place.mkdir(exist_ok=True)
    if {*path} & HEAVY:
        given_ = [*given_, "--unknown"]  # Its parsing alone.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        result = CliRunner().invoke(keras_mixer_cli.commands, [*path, *given_])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, ValueError | OSError | ImportError), repr(
            result.exception
        )
    else:
        assert result.exit_code in (0, 2)
    assert "Traceback" not in result.output


@given(words=st.lists(st.sampled_from([*WORDS, *NUMBERS, "models", "recipes", "-h"]), max_size=3))
def test_words_of_any_kind(words, capsys, tmp_path_factory):
    """The whole of `main`, whose answer is a code and, on an error, at most a few lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.getbasetemp())
        code = keras_mixer_cli.main(words)
    assert code in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err
