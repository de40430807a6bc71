"""Numbers on the command line: every option has a range, and says so before anything is loaded."""

import json
import subprocess
import sys

import click
import pytest

import keras_mixer_cli
from keras_mixer.training.ranges import RANGES
from keras_mixer_cli.numbers import Real, Size, Whole
from keras_mixer_cli.options import Values
from keras_mixer_cli.recipe_options import FIELDS, OrNone

pytestmark = pytest.mark.once

VALUES = (
    *("99999999999999999999", "-99999999999999999999", "2147483648", "-1", "0", "1.5", "1"),
    *("nan", "-nan", "inf", "-inf", "1e400", "1e39", "-1e39", "1e-60", "0.99999999999", "9" * 5000),
    *("", " ", "0x10", "one", "1_0", "1,,2", "8x8x8", "x"),
)


def leaves(command=keras_mixer_cli.commands, path=()):
    """Each command that does something, by the words that name it."""
    if not isinstance(command, click.Group):
        yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*path, name))


def kind_of(parameter):
    """The type within `a,b,...` and `none`."""
    kind = parameter.type
    while isinstance(kind, Values | OrNone):
        kind = kind.kind
    return kind


NUMBERS = [
    pytest.param(path, parameter, id=f"{' '.join(path)} {parameter.opts[0]}")
    for path, command in leaves()
    for parameter in command.params
    if isinstance(kind_of(parameter), Whole | Real | Size)
]


def test_no_option_takes_any_number():
    """Click's own types have no upper bound, or take NaN for a number in their range."""
    for path, command in leaves():
        for parameter in command.params:
            kind = kind_of(parameter)
            where = (*path, parameter.name)
            assert not isinstance(kind, click.types.IntParamType | click.types.FloatParamType), (
                where
            )
            assert "number" not in (parameter.metavar or "").lower(), where
    assert len(NUMBERS) > 150


@pytest.mark.parametrize(("path", "parameter"), NUMBERS)
def test_what_an_option_takes_is_in_its_range(path, parameter):
    """Of each value: it is taken, and in the range; or refused, in a line with name and range."""
    context = click.Context(click.Command(path[-1]))
    kind = kind_of(parameter)
    kind = kind.side if isinstance(kind, Size) else kind
    for text in VALUES:
        try:
            value = parameter.process_value(context, text)
        except click.BadParameter as error:
            message = error.format_message()
            assert f"'{parameter.opts[0]}'" in message
            assert str(kind) in message or "neither PIXELS nor HEIGHTxWIDTH" in message
            assert len(message) < 300
            assert message.isprintable()
        else:
            for number in value if isinstance(value, tuple) else (value,):
                assert kind.min <= number <= kind.max
                assert abs(number) < 1e39
    with pytest.raises(click.BadParameter):
        parameter.process_value(context, "99999999999999999999e99")


def test_the_ranges_are_those_of_a_recipe():
    fields = {name: FIELDS[name][0] for name in FIELDS}
    while any(isinstance(kind, Values | OrNone) for kind in fields.values()):
        fields = {name: getattr(kind, "kind", kind) for name, kind in fields.items()}
    numbers = {name: kind for name, kind in fields.items() if isinstance(kind, Whole | Real)}
    assert numbers.keys() == RANGES.keys()
    for name, kind in numbers.items():
        of = RANGES[name]
        assert (kind.min, kind.max) == (of.min, of.max), name
        assert isinstance(kind, Whole) == of.whole, name
        assert (kind.min_open, kind.max_open) == (of.min_open, of.max_open), name
        assert str(kind) == str(of)


PROGRAM = """
import json, sys
sys.modules["keras"] = None  # Whoever imports it, fails with code 1.
import keras_mixer_cli
for line in sys.stdin:
    print(json.dumps(keras_mixer_cli.main(json.loads(line))), flush=True)
    print("--", file=sys.stderr, flush=True)
"""


def test_refused_before_a_backend_is_imported():
    """Each option with a value beyond its range, as a user would type it."""
    lines = []
    for path, parameter in (case.values for case in NUMBERS):
        for value in ("99999999999999999999e99", "nan", "-1e39"):
            lines.append([*path, parameter.opts[0], value])
    for setting in ("steps=99999999999999999999", "ema=nan", "learning_rates=1,inf"):
        lines.append(["finetune", "--set", setting])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(map(json.dumps, lines)),
        capture_output=True,
        text=True,
    )
    codes = done.stdout.splitlines()
    errors = done.stderr.split("--\n")[:-1]
    assert len(codes) == len(errors) == len(lines), done.stderr[-2000:]
    for line, code, error in zip(lines, codes, errors, strict=True):
        assert code == "2", (line, error)
        (told,) = (one for one in error.splitlines() if one.startswith("Error: "))
        assert line[-2] in told, (line, error)
        assert "must be" in error, (line, error)
        assert "Traceback" not in error
    assert "steps: It must be a whole number from 1 to 2,147,483,647" in " ".join(
        errors[-3].split()
    )
