"""Several devices, or several processes, as options."""

import contextlib

import click

from keras_mixer_cli.numbers import Real, Whole


def distribution_options(command):
    """Adds `--distribute` and what goes with it."""
    for option in reversed(
        [
            click.option(
                "--distribute",
                type=click.Choice(["auto", "data", "model"]),
                help="Train on all devices: each has the model and a part of each batch, or a "
                "part of the model. auto: data, where there are several (PyTorch: by torchrun).",
            ),
            click.option(
                "--split",
                type=Whole(),
                help="With model: devices that share one model. Default: all.",
            ),
            click.option("--processes", type=Whole(), help="Number of processes."),
            click.option("--process", type=Whole(0), help="Number of this one, from 0."),
            click.option("--coordinator", metavar="HOST:PORT", help="Where process 0 listens."),
            click.option(
                "--wait",
                type=Real(0, 1e6, min_open=True),
                default=120.0,
                show_default=True,
                help="Seconds until all processes must have come.",
            ),
        ]
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def distributed(distribute, split, processes, process, coordinator, wait, facts):
    """Sets up what was asked for, and tells the other processes where this one fails."""
    from keras_mixer import distribution

    several = (split, processes, process, coordinator)
    if distribute is None:
        if any(option is not None for option in several):
            raise click.UsageError(
                "--split, --processes, --process and --coordinator go with --distribute."
            )
        yield distribution.current()
        return
    here = distribution.initialize(
        distribute,
        processes=processes,
        process=process,
        coordinator=coordinator,
        split=split,
        wait=wait,
        facts=facts,
    )
    try:
        yield here
    except BaseException as error:
        here.end(error)
        raise
