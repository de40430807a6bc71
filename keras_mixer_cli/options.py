"""What every command shares: the backend, chosen before Keras is imported, and `--debug`."""

import functools
import os

import click

from keras_mixer_cli.backend import BACKENDS, choose_backend
from keras_mixer_cli.printing import echo


def on_a_backend(command):
    """Adds `--backend` and `--debug`, settles the backend and says which one it is."""

    @click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        help="Framework to run on. Default: KERAS_BACKEND, else the configured or first "
        "installed one.",
    )
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(command)
    def wrapped(*args, backend, debug, **kwargs):
        name, reason = choose_backend(backend)
        os.environ["KERAS_BACKEND"] = name
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notices.
        echo(f"backend: {name} ({reason})", err=True)
        return command(*args, **kwargs)

    return wrapped


def is_run(target: str) -> bool:
    """Whether `keras_mixer.runs.load_run` is to load it: a directory, or a run on the hub."""
    return target.startswith("hf://") or os.path.isdir(target)


def not_taken(target: str, takes: str) -> str:
    """What a target is that a command does not take, and what it takes."""
    what = "is a file of another kind" if os.path.isfile(target) else "does not exist"
    folder = os.path.dirname(target) or "."
    inside = target.endswith(".keras") and os.path.isfile(os.path.join(folder, "run.json"))
    return f"{target!r} {what}. It takes {takes}." + (f" The run is {folder}." if inside else "")


class Target(click.ParamType):
    """A directory, `hf://user/name[@revision]`, a run on the Hugging Face hub, or a `.keras` file.

    Args:
        files: `bool`. Whether a `.keras` file is taken, too.
    """

    name = "target"

    def __init__(self, *, files: bool):
        self.files = files

    def convert(self, value, param, ctx):
        if is_run(value) or (self.files and value.endswith(".keras") and os.path.isfile(value)):
            return value
        more = ", a .keras file" if self.files else ""
        return self.fail(
            not_taken(value, f"the directory of a run{more} or hf://user/name[@revision]"),
            param,
            ctx,
        )


class Several(click.Command):
    """A command whose options of several values take them apart by spaces or by commas.

    `--shots 1 5 10` is `--shots 1,5,10`: what follows such an option belongs to it up to the next
    option.
    """

    def parse_args(self, ctx, args):
        several = {
            name
            for option in self.params
            if isinstance(option.type, Values)
            for name in option.opts
        }
        joined: list[str] = []
        values: list[str] | None = None  # Of the option before, as far as they have come.
        for arg in [*args, "--"]:
            number = arg[1:2].isdigit()  # A negative one, and no option.
            if values is not None and (number or not arg.startswith("-")):
                values.append(arg)
                continue
            if values:
                joined.append(",".join(values))
            elif values is not None:
                raise click.UsageError(f"Option {joined[-1]!r} requires an argument.", ctx)
            values = [] if arg in several else None
            joined.append(arg)
        return super().parse_args(ctx, joined[:-1])


class Values(click.ParamType):
    """Values of another type with commas between them; with `Several`, spaces too."""

    def __init__(self, kind: click.ParamType):
        self.kind = kind
        self.name = f"{kind.name} ..."

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        values = tuple(self.kind.convert(part, param, ctx) for part in value.split(","))
        if twice := [one for one in values if values.count(one) > 1]:
            self.fail(f"{twice[0]} is given twice.", param, ctx)
        return values
