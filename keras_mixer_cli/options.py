"""What every command shares: the backend, chosen before Keras is imported, and `--debug`."""

import functools
import os

import click

from keras_mixer_cli.backend import BACKENDS, choose_backend


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
        click.echo(f"backend: {name} ({reason})", err=True)
        return command(*args, **kwargs)

    return wrapped


def parse_size(_context, _parameter, value: str | None) -> tuple[int, int] | None:
    """`224` or `224x320` as (height, width)."""
    if value is None:
        return None
    try:
        numbers = [int(text) for text in value.lower().split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise click.BadParameter(f"{value!r} is neither PIXELS nor HEIGHTxWIDTH, such as 224.")
    return numbers[0], numbers[-1]
