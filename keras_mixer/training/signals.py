"""Ends a run at the end of a step, instead of anywhere, when it is asked to."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupted(KeyboardInterrupt):
    """A run was asked to end, and saved itself first.

    Args:
        signum: the signal, SIGINT or SIGTERM.
        step: optimiser steps that are saved; rows where predictions are written.
        saved: what is saved, by default `saved at step STEP`.
    """

    def __init__(self, signum: int, step: int, saved: str | None = None):
        self.saved = saved or f"saved at step {step}"
        super().__init__(f"{signal.Signals(signum).name}: {self.saved}")
        self.signum = signum
        self.step = step


class Request:
    """Whether the run was asked to end: `signum`, or `None`."""

    signum: int | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Request]:
    """Notes SIGINT and SIGTERM instead of obeying them; a second one is obeyed at once.

    Signals belong to the main thread; elsewhere nothing is noted. One that the process was started
    to ignore, as a shell script starts what it puts in the background, stays ignored.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: it for number, it in handlers.items() if it is not signal.SIG_IGN}

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(signum, _frame):
        request.signum = signum
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
    if request.signum is not None:  # It came too late for the run to hear.
        signal.raise_signal(request.signum)
