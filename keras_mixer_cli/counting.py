"""How a walk through many pictures tells of itself on the standard error stream.

A bar on a terminal, and elsewhere a line now and then.
"""

import threading
import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from keras_mixer_cli.tables import say

EVERY = 10.0  # Seconds between lines.


class Looking:
    """Called with the pictures that were gone through, how many there are and how many are bad.

    It says nothing of what takes less than a second on a terminal, or ten elsewhere.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.started = self.said = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, of: int, bad: int) -> None:
        now = time.monotonic()
        if self.console.is_terminal and now - self.said >= (0.2 if self._bar else 1.0):
            self.said = now
            if self._bar is None:
                columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("images"))
                self._bar = Progress(
                    SpinnerColumn(), *columns, console=self.console, transient=True
                )
                self._task = self._bar.add_task("", total=of)
                self._bar.start()
            self._bar.update(self._task, completed=done)
        elif not self.console.is_terminal and now - self.said >= EVERY:
            self.said = now
            say(self.console, looked(done, of, bad))


def looked(done: int, of: int, bad: int) -> str:
    """The same as a line."""
    return f"data: {done:,} of {of:,} images gone through, {bad:,} of them cannot be read"


class Counting:
    """Called with what is done and how much of it is bad.

    Args:
        things: what is gone through; counted on a thread of its own, to tell the time left.
    """

    def __init__(self, things: Iterable):
        self.total: int | None = None
        self.first: int | None = None  # What was done before.
        self.console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        threading.Thread(target=self._count, args=(things,), daemon=True).start()

    def _count(self, things: Iterable) -> None:
        self.total = sum(1 for _ in things)

    def __enter__(self):
        if self.console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("predicting", total=None, numbers="compiling")
            self._bar.start()
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, bad: int) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.started, self.said = done, now, now
            if done:
                say(self.console, f"going on after {done:,} files")
            return
        rate = (done - self.first) / max(now - self.started, 1e-6)
        numbers = f"{rate:,.0f} files/s" + (f"  {bad:,} skipped" if bad else "")
        if self.total is not None:
            seconds = round((self.total - done) / max(rate, 1e-6))
            numbers += f"  {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self.total, numbers=numbers)
        elif now - self.said >= EVERY:
            self.said = now
            of = "" if self.total is None else f" of {self.total:,}"
            say(self.console, f"{done:,}{of} files  {numbers}")
