"""What the commands that listen on a port share: options, and what they say."""

import functools

import click

from keras_mixer_cli.numbers import Whole
from keras_mixer_cli.printing import echo


def listening(bytes_of: str):
    """Adds `--host`, `--port`, `--max-bytes` and `--max-pixels`.

    Args:
        bytes_of: help for `--max-bytes`: what has so many at most.
    """
    options = (
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
        ),
        click.option(
            "--port",
            type=Whole(0, 65535),
            default=8000,
            show_default=True,
            help="0 for a free one.",
        ),
        click.option(
            "--max-bytes",
            type=Whole(1, 2**40),
            default=16 * 2**20,
            show_default=True,
            help=bytes_of,
        ),
        click.option(
            "--max-pixels",
            type=Whole(1, 89_478_485),  # Where PIL begins to warn.
            default=25_000_000,
            show_default=True,
            help="Of a picture.",
        ),
    )
    return lambda command: functools.reduce(
        lambda wrapped, option: option(wrapped), reversed(options), command
    )


def warn_if_open(host: str) -> None:
    """Says so where other machines can reach an address."""
    from keras_mixer.serving.guard import is_loopback

    if not is_loopback(host):
        echo(f"Whoever reaches {host} can use it: it asks for no password.", err=True)


def say_ready(ready) -> None:
    """That the warm-up is over; its error is told at the end."""
    if ready.exception() is None:
        echo("ready", err=True)
