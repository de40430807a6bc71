"""The command `keras-mixer`.

It stands beside the library because importing `keras_mixer` loads Keras and its backend, which the
command has to choose first. A command parses, calls the library, prints; everything heavy is
imported in its body, so that `--help` loads no framework.
"""

import io
import signal
import sys
import threading

import click

from keras_mixer_cli.benchmark import benchmark
from keras_mixer_cli.compare import compare, shuffle_study
from keras_mixer_cli.datasets import datasets
from keras_mixer_cli.evaluate import evaluate
from keras_mixer_cli.export import export
from keras_mixer_cli.fewshot import fewshot
from keras_mixer_cli.models import models
from keras_mixer_cli.plan import plan
from keras_mixer_cli.predict import predict
from keras_mixer_cli.printing import echo, one_line
from keras_mixer_cli.push import push
from keras_mixer_cli.recipes import recipes
from keras_mixer_cli.runs import runs
from keras_mixer_cli.serve import serve
from keras_mixer_cli.suites import transfer, vtab
from keras_mixer_cli.training import finetune, pretrain
from keras_mixer_cli.visualize import visualize
from keras_mixer_cli.web import web
from keras_mixer_cli.weights import weights

MESSAGE = 10_000  # Characters of an error that are shown.


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-mixer", prog_name="keras-mixer")
def commands() -> None:
    """MLP-Mixer for Keras 3: fine-tune, evaluate and predict on TensorFlow, JAX or PyTorch."""


for command in (
    *(finetune, pretrain, evaluate, predict, fewshot, vtab, transfer, compare, shuffle_study),
    *(export, push, serve, web, benchmark, plan, visualize),
    *(runs, recipes, models, weights, datasets),
):
    commands.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, 1 failure, 2 usage, 130 or 143
    interrupted.

    An error is one line on the standard error stream, unless `--debug` asks for the traceback.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):  # `None` where it is closed.
        if isinstance(stream, io.TextIOWrapper):
            # The name of a file may be none in the encoding of the terminal.
            stream.reconfigure(errors="backslashreplace")
    try:
        return commands.main(arguments, "keras-mixer", standalone_mode=False) or 0
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        usage, told, message = shown.getvalue().partition("Error: ")
        click.echo(usage, err=True, nl=False)
        if told:
            echo(one_line(told + message), err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        # Click makes an Abort of `keras_mixer.training.Interrupted`, of work that is saved.
        cause = error.__cause__ or error.__context__
        saved = getattr(cause, "saved", "")
        saved = saved and f" {saved[0].upper()}{saved[1:]}; the same command goes on."
        echo(f"Interrupted.{saved}", err=True)
        return 128 + getattr(cause, "signum", signal.SIGINT)
    except Exception as error:
        if "--debug" in arguments:
            raise
        echo(f"Error: {_one_line(error)}", err=True)
        return 1


class _Terminated(KeyboardInterrupt):
    """SIGTERM, where nothing is there to be saved first."""

    signum = signal.SIGTERM


def _terminate(_signum, _frame):
    raise _Terminated  # Rather than die at once, so that temporary files are removed.


def _one_line(error: Exception) -> str:
    """The first line of a message, with the type of error where it is not one of input."""
    message = str(error).strip()
    if isinstance(error, OSError):
        message = message.replace("\n", "\\n")  # It is in the name of a file.
    lines = message.splitlines() or [""]
    text = lines[0]
    if not isinstance(error, ValueError | OSError | ImportError | FloatingPointError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if len(lines) > 1 or not lines[0]:
        text += " (--debug shows everything)"
    return one_line(text, MESSAGE)
