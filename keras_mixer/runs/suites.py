"""Many data sets with one model, by the paper's protocol: VTAB-1k, and the mean of five."""

import dataclasses
import pathlib
import statistics
from collections.abc import Callable, Sequence

import keras

from keras_mixer.data import DATASETS
from keras_mixer.printable import print_line
from keras_mixer.runs.directory import STUDY, Run, write_config
from keras_mixer.runs.experiment import DamagedRunError, finished_run, run
from keras_mixer.runs.request import ANYWHERE, Place, Request
from keras_mixer.runs.study import study


@dataclasses.dataclass(frozen=True)
class Suite:
    """Data sets that are judged together.

    Args:
        name: what a user types.
        title: what it is called, and who says how it is done.
        groups: names of data sets by group.
        seeds: runs of each that the paper takes the mean of.
    """

    name: str
    title: str
    groups: dict[str, tuple[str, ...]]
    seeds: int

    def tasks(self) -> list[tuple[str, str]]:
        """Each data set and its group, in order."""
        return [(task, group) for group, tasks in self.groups.items() for task in tasks]


_VTAB = [row for row in DATASETS.values() if row.group]
SUITES = {
    suite.name: suite
    for suite in (
        # https://arxiv.org/abs/1910.04867; in the Mixer paper section 3 and Table 2.
        Suite(
            "vtab",
            "VTAB-1k: each learning rate on 800 images, judged on 200; the best one on all 1,000",
            {
                group: tuple(row.name for row in _VTAB if row.group == group)
                for group in ("natural", "specialised", "structured")
            },
            seeds=1,
        ),
        # "Avg 5" of Table 3; https://arxiv.org/abs/2010.11929, Table 4 and appendix B.1.1.
        Suite(
            "transfer",
            "Avg 5: each learning rate judged on the dev split; the best one on all images",
            {"avg_5": ("imagenet", "cifar10", "cifar100", "pets", "flowers102")},
            seeds=3,
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """What came out on one data set.

    Args:
        task: its name.
        group: its group.
        top_1: with each seed, in [0, 1]; empty where it was skipped.
        learning_rate: that was used.
        skipped: why it was not done, or `None`.
    """

    task: str
    group: str
    top_1: tuple[float, ...] = ()
    learning_rate: float | None = None
    skipped: str | None = None


@dataclasses.dataclass(frozen=True)
class SuiteResult:
    """What came out on all of them.

    Args:
        suite: key of `SUITES`.
        tasks: one for each data set of the suite.
    """

    suite: str
    tasks: tuple[TaskResult, ...]

    def done(self, group: str | None = None) -> list[TaskResult]:
        """The data sets of a group, or all, that were not skipped."""
        return [task for task in self.tasks if task.top_1 and group in (None, task.group)]

    def partial(self, group: str | None = None) -> bool:
        """Whether a data set of the group, or any, was skipped."""
        return any(task.skipped for task in self.tasks if group in (None, task.group))

    def mean(self, group: str | None = None) -> float | None:
        """Mean over the data sets of a group, or all, of the mean over seeds."""
        done = self.done(group)
        return statistics.fmean(statistics.fmean(t.top_1) for t in done) if done else None

    def deviation(self, group: str | None = None) -> float | None:
        """Sample deviation over the seeds of the mean over data sets; `None` for one seed."""
        seeds = zip(*(task.top_1 for task in self.done(group)), strict=True)
        by_seed = [statistics.fmean(of_one) for of_one in seeds]
        return statistics.stdev(by_seed) if len(by_seed) > 1 else None

    def summary(self) -> dict:
        """Mean, deviation and whether it is partial, for each group and overall, like JSON."""
        groups = [*dict.fromkeys(task.group for task in self.tasks), None]
        return {
            group or "overall": {
                "mean": self.mean(group),
                "deviation": self.deviation(group),
                "partial": self.partial(group),
            }
            for group in groups
        }


def run_suite(
    suite: Suite,
    request_of: Callable[[str], Request],
    place: Place = ANYWHERE,
    *,
    tasks: Sequence[str] | None = None,
    say: Callable[[str], None] = print_line,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[pathlib.Path, SuiteResult]:
    """Trains and judges a model on every data set of a suite, each in a run of its own.

    What cannot be had, because it is to be downloaded by hand, there is no network or the run that
    is there is damaged, is skipped, said, and marks the means as partial. A suite that was cut
    short goes on where it stands.

    Args:
        suite: a row of `SUITES`, or of your own.
        request_of: what to train on a data set, by its name.
        place: where to.
        tasks: names of some data sets of the suite; the others then are skipped. By default all.
        say: called with a line as each phase begins.
        callbacks: more Keras callbacks.

    Returns:
        The folder, with a run directory of each, and what came out.

    Raises:
        ValueError: nothing at all could be had, or as `run`.
    """
    known = [task for task, _ in suite.tasks()]
    if tasks is not None and (unknown := sorted(set(tasks) - set(known)) or not tasks):
        raise ValueError(f"{suite.name} has the tasks {', '.join(known)}. Received: {unknown}")
    requests = {task: request_of(task) for task in known if tasks is None or task in tasks}
    first = next(iter(requests.values()))
    asked = {task: dataclasses.asdict(request) for task, request in requests.items()}
    results: list[TaskResult] = []
    with study(place, f"{suite.name}-{first.model_name}", asked, say) as (path, config):
        complete = True
        for task, group in suite.tasks():
            if task not in requests:
                results.append(TaskResult(task, group, skipped="not asked for"))
                continue
            request, folder = requests[task], path / task.replace("/", "_").replace(":", ".")
            try:
                done = finished_run(request, folder)  # Its images need not be there any more.
                reason = None if done else _unavailable(request, place)
            except DamagedRunError as error:
                done, reason = None, str(error)
            if reason is not None:
                say(f"{suite.name}: SKIPPED {task}: {reason}")
                results.append(TaskResult(task, group, skipped=reason))
                complete = False  # It can be done later.
            else:
                say(f"{suite.name}: {task}")
                own = dataclasses.replace(place, output=folder, resume=False, new=False)
                done = done or run(request, own, say=say, callbacks=callbacks)
                results.append(_result(task, group, done))
            result = SuiteResult(suite.name, tuple(results))
            config["tasks"] = [dataclasses.asdict(one) for one in results]
            config["means"] = result.summary()
            write_config(path, config, STUDY)
        result = SuiteResult(suite.name, tuple(results))
        config["tasks"] = [dataclasses.asdict(one) for one in results]
        config["means"], config["complete"] = result.summary(), complete
        if not result.done():
            raise ValueError(
                f"None of the {len(requests)} data sets of {suite.name} could be had, such as "
                f"{first.data}: {next(t.skipped for t in results if t.task in requests)}"
            )
    return path, result


def _unavailable(request: Request, place: Place) -> str | None:
    """Why the images cannot be had, or `None`."""
    try:
        place.load(request.data)
    except (FileNotFoundError, ConnectionError) as error:
        return str(error)
    return None


def _result(task: str, group: str, run: Run) -> TaskResult:
    seeds = run.config.get("seeds")
    top_1 = tuple(seeds["top_1"].values()) if seeds else (run.config["metrics"]["top_1"],)
    return TaskResult(task, group, top_1, run.config["recipe"]["learning_rate"])
