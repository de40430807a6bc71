"""Trains into a directory that explains itself, and reads such directories."""

from keras_mixer.runs.directory import Run, RunInUseError, find_runs, load_run, read_config
from keras_mixer.runs.experiment import Place, Request, run

__all__ = [
    "Place",
    "Request",
    "Run",
    "RunInUseError",
    "find_runs",
    "load_run",
    "read_config",
    "run",
]
