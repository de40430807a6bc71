"""How a training tells of itself: a live bar, a line for each evaluation, JSON, or nothing.

Imports Keras, so the commands import it in their bodies.
"""

import time
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from keras_mixer.training import RunCallback
from keras_mixer_cli.counting import EVERY, looked
from keras_mixer_cli.printing import echo, echo_json
from keras_mixer_cli.tables import percent, say, show


def choose_progress(*, quiet: bool, json_lines: bool) -> "Lines":
    """The way that was asked for; else a bar on a terminal, and lines elsewhere."""
    if quiet and json_lines:
        raise click.UsageError("--quiet and --json-lines exclude each other.")
    if json_lines:
        return JsonLines()
    if quiet:
        return Quiet()
    return Bar() if Console().is_terminal else Lines()


class Lines(RunCallback):
    """A line as each phase begins, and one for each evaluation."""

    async_safe = True  # With this, Keras on JAX need not wait for each step.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def say(self, text: str) -> None:
        """Shows a line."""
        echo(text)

    def on_look(self, done: int, of: int, bad: int) -> None:
        now = time.monotonic()
        if done == 1:
            self.looked = now
        if now - self.looked >= EVERY:
            self.looked = now
            self.say(looked(done, of, bad))

    def on_run_begin(self, recipe, model, step):
        self.recipe, self.first = recipe, step
        passes = f"{recipe.steps} steps of {recipe.batch_size} images"
        parts = f" in {recipe.accumulation} parts" if recipe.accumulation > 1 else ""
        self.say(
            f"recipe: {recipe.name}, {passes}{parts}; judged after every {recipe.rounds()[0]} steps"
        )
        self.started: float | None = None
        if step < recipe.steps:
            self.say("compiling: the first step takes longer")

    def on_epoch_begin(self, epoch, logs=None):
        start = self.recipe.rounds()[epoch - 1] if epoch else 0
        self.begin = max(start, self.first)
        self.round_started, self.round_first = time.monotonic(), self.begin

    def on_train_batch_end(self, batch, logs=None):
        done = self.begin + (batch + 1) / self.recipe.accumulation
        if self.started is None:
            self.say(f"training: the first step took {time.monotonic() - self.round_started:.1f} s")
            self.started, self.started_at = time.monotonic(), done
            self.round_started, self.round_first = self.started, done
        self.on_step(done, logs or {})

    def on_step(self, done: float, logs: dict) -> None:
        """Called after each step, or part of one, with the steps that are done."""
        self.images_a_second = self._rate(done, self.round_first, self.round_started)

    def _rate(self, done: float, first: float, since: float) -> float:
        return (done - first) * self.recipe.batch_size / max(time.monotonic() - since, 1e-6)

    def left(self, done: float) -> str:
        """Time left as text, from the pace so far."""
        if self.started is None or done <= self.started_at:
            return "?"
        seconds = (time.monotonic() - self.started) / (done - self.started_at)
        seconds = round(seconds * (self.recipe.steps - done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def on_round_end(self, history):
        row = history[-1]
        self.say(
            f"step {row['step']} of {self.recipe.steps}: loss {row['loss']:.4f}, "
            f"top-1 {percent(row['top_1'])}; held out: loss {row['val_loss']:.4f}, "
            f"top-1 {percent(row['val_top_1'])}; rate {row['learning_rate']:.2e}, "
            f"{self.images_a_second:,.0f} images/s, {self.left(row['step'])} left"
        )

    def result(self, run) -> None:
        """Shows what came out."""
        metrics = run.config["metrics"]
        rows: list[tuple[Any, ...]] = [
            ("top-1", percent(metrics["top_1"])),
            ("top-5", percent(metrics["top_5"])),
            ("loss", f"{metrics['loss']:.4f}"),
            ("images", metrics["test_images"]),
            ("training", f"{metrics['training_seconds']:.0f} s"),
        ]
        if seeds := run.config.get("seeds"):
            text = f"{100 * seeds['mean']:.2f} ± {100 * seeds['deviation']:.2f} %"
            rows.insert(1, (f"mean of {len(seeds['top_1'])} seeds", text))
        request = run.config["request"]
        title = f"{run.config['data']} with {run.config['model']} on {request['backend']}"
        if skipped := run.config["skipped_images"]:
            rows.append(("left out", f"{skipped:,} unreadable"))
        show(title, {"": "left", "held out": "right"}, rows)
        echo(f"saved: {run.path}; {run.path / 'report.html'} shows it")


class Bar(Lines):
    """A live bar: steps, images a second, loss, accuracy, learning rate, time left."""

    REFRESH = 0.2  # Seconds; to show it costs time.
    looking: Any = None

    def __enter__(self):
        self.console = Console(highlight=False)
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            transient=True,
        )
        self.progress.start()
        self.task: Any = None
        self.shown = 0.0
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def say(self, text):
        say(self.progress.console, text)

    def on_look(self, done: int, of: int, bad: int) -> None:
        now = time.monotonic()
        if done == 1:
            self.looked = now + 1  # What takes less needs no bar.
        if self.looking is None and now >= self.looked:
            self.looking = self.progress.add_task("looking at images", total=of, numbers="")
        if self.looking is not None and (done == of or now - self.looked >= self.REFRESH):
            self.looked = now
            self.progress.update(self.looking, completed=done)
            if done == of:
                self.progress.remove_task(self.looking)
                self.looking = None

    def on_run_begin(self, recipe, model, step):
        super().on_run_begin(recipe, model, step)
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(
            "compiling", total=recipe.steps, completed=step, numbers=""
        )

    def on_step(self, done, logs):
        super().on_step(done, logs)
        now = time.monotonic()
        if now - self.shown < self.REFRESH:
            return
        self.shown = now
        numbers = (
            f"{self.images_a_second:,.0f} images/s  loss {float(logs.get('loss', 0)):.4f}  "
            f"top-1 {percent(float(logs.get('top_1', 0)))}  "
            f"rate {self.recipe.rate(max(0, int(done) - 1)):.2e}  {self.left(done)} left"
        )
        self.progress.update(
            self.task, description="training", completed=int(done), numbers=numbers
        )

    def on_test_begin(self, logs=None):
        if self.task is not None:
            self.progress.update(self.task, description="judging")

    def on_test_end(self, logs=None):
        if self.task is not None:
            self.progress.update(self.task, description="training")


class JsonLines(Lines):
    """A line of JSON for each event: `say`, `begin`, `round`, `result`."""

    def _print(self, event: str, **fields) -> None:
        echo_json({"event": event, **fields})

    def say(self, text):
        self._print("say", text=text)

    def on_run_begin(self, recipe, model, step):
        super().on_run_begin(recipe, model, step)
        self._print("begin", recipe=recipe.name, step=step, steps=recipe.steps)

    def on_round_end(self, history):
        self._print("round", images_a_second=round(self.images_a_second, 1), **history[-1])

    def result(self, run):
        seeds = run.config.get("seeds")
        skipped = run.config["skipped_images"]
        self._print(
            "result",
            path=str(run.path),
            seeds=seeds,
            skipped_images=skipped,
            **run.config["metrics"],
        )


class Quiet(Lines):
    """Nothing."""

    def say(self, text):
        pass

    def result(self, run):
        pass
