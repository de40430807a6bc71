"""What a launch of the harness is: the command of the package, with faults at named moments.

A moment is a name such as `rename history.csv.tmp`. The interpreter's own audit events give those
of files, just before they happen: `open`, `rename`, `remove` and `rmtree` with the name of the file
or folder; the package's callback gives `train` and `test`, the beginning of a step. Faults choose
among them by a pattern.
"""

import dataclasses
import fnmatch
import functools
import os
import resource
import signal
import sys
import tempfile
import threading
import time

import keras_mixer_cli
from keras_mixer.training.keeper import Keeper


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens, and when.

    Args:
        at: pattern of the moment.
        nth: which one of those.
        do: a signal; or `full`, nothing can be written to a file any more; or `clock SECONDS`,
            it jumps by so many.
        after: seconds from the moment to the fault.
        keep: share of the file that is written, where the moment is `open`: what a process leaves
            that is killed while it writes.
    """

    at: str
    nth: int = 1
    do: str = "SIGKILL"
    after: float = 0.0
    keep: float = 1.0


class Watch:
    """Counts moments, and does what the faults say."""

    def __init__(self, faults):
        self.faults = dict.fromkeys(faults, 0)

    def __call__(self, moment: str, path: str = "") -> None:
        for fault in self.faults:
            if fnmatch.fnmatchcase(moment, fault.at):
                self.faults[fault] += 1
                if self.faults[fault] == fault.nth:
                    if fault.after:
                        threading.Thread(target=_do, args=(fault, path), daemon=True).start()
                    else:
                        _do(fault, path)

    def audit(self, event: str, arguments) -> None:
        """A hook for `sys.addaudithook`."""
        kind = {"open": "open", "os.rename": "rename", "os.remove": "remove"}.get(event)
        kind = "rmtree" if event == "shutil.rmtree" else kind
        if kind and isinstance(arguments[0], str | os.PathLike):
            path = os.fspath(arguments[0])
            if isinstance(path, str):
                self(f"{kind} {os.path.basename(path)}", path)


def _do(fault: Fault, path: str) -> None:
    time.sleep(fault.after)
    if fault.keep < 1:
        os.truncate(path, int(fault.keep * os.path.getsize(path)))
    kind, _, seconds = fault.do.partition(" ")
    if kind == "clock":
        true = time.time
        time.time = lambda: true() + float(seconds)
    elif kind == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    else:
        os.kill(os.getpid(), signal.Signals[fault.do])


def launch(arguments, faults, out, err, environment) -> None:
    """Runs the command with these arguments, in a process of its own, and ends that.

    Args:
        arguments: what is typed.
        faults: of `Fault`.
        out: a `multiprocessing` connection in the place of the standard output.
        err: the same for errors.
        environment: variables that are set before.
    """
    os.environ.update(environment)
    tempfile.tempdir = None  # It follows TMPDIR.
    for connection, number, name in ((out, 1, "stdout"), (err, 2, "stderr")):
        os.dup2(connection.fileno(), number)
        connection.close()
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))
    watch = Watch(faults)
    if faults:
        sys.addaudithook(watch.audit)
        for name in ("train", "test"):
            method = f"on_{name}_batch_begin"
            setattr(Keeper, method, _told(getattr(Keeper, method), watch, name))
    sys.argv = ["keras-mixer", *arguments]
    code = keras_mixer_cli.main(list(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _told(method, watch, name):
    @functools.wraps(method)
    def told(*arguments, **more):
        watch(name)
        return method(*arguments, **more)

    return told
