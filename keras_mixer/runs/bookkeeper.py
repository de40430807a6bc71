"""What a run writes down while it trains."""

import pathlib
import time
from collections.abc import Callable

from keras_mixer.runs import directory
from keras_mixer.training import RunCallback, adapt


class Bookkeeper(RunCallback):
    """Keeps `history.csv`, `last.keras` and the time in `run.json`, and says how a run begins.

    Args:
        path: directory of the run.
        config: contents of `run.json`, which are changed.
        say: called with a line as the run begins.
    """

    def __init__(self, path: pathlib.Path, config: dict, say: Callable[[str], None]):
        super().__init__()
        self._path, self._config, self._say = path, config, say
        self._counts: tuple[int, int] | None = None

    def on_train_begin(self, logs=None):
        # Once for the head alone, where that is trained first, and once for everything.
        if (counts := adapt.parameter_counts(self.model)) != self._counts:
            self._say(f"model: {counts[1]:,} parameters, {counts[0]:,} of them trained")
        self._counts = counts

    def on_run_begin(self, recipe, model, step):
        self._best = recipe.keep_best
        if step:
            self._say(f"run: {step} of {recipe.steps} steps are done")
        # With what earlier sessions took up to their last evaluation.
        self._start = time.perf_counter() - self._config["training_seconds"]

    def on_round_end(self, history):
        directory.write_history(self._path, history)
        seconds = round(time.perf_counter() - self._start, 1)
        self._config["training_seconds"] = seconds
        self._config["round_seconds"][str(history[-1]["step"])] = seconds
        directory.write_config(self._path, self._config)

    def on_run_end(self, model):
        if self._best:
            directory.save_model(self._path / "last.keras", model)
