"""Trains into a directory that explains itself, and reads such directories; studies of many."""

from keras_mixer.runs.comparison import Compared, compare
from keras_mixer.runs.directory import Run, find_runs, load_run, read_config
from keras_mixer.runs.experiment import run, train_along
from keras_mixer.runs.known_classes import load_known_model
from keras_mixer.runs.request import Place, Request
from keras_mixer.runs.share import Pushed, push
from keras_mixer.runs.shuffle import Shuffled, shuffle_study
from keras_mixer.runs.suites import SUITES, Suite, SuiteResult, TaskResult, run_suite
from keras_mixer.writing import InUseError as RunInUseError

__all__ = [
    "SUITES",
    "Compared",
    "Place",
    "Pushed",
    "Request",
    "Run",
    "RunInUseError",
    "Shuffled",
    "Suite",
    "SuiteResult",
    "TaskResult",
    "compare",
    "find_runs",
    "load_known_model",
    "load_run",
    "push",
    "read_config",
    "run",
    "run_suite",
    "shuffle_study",
    "train_along",
]
