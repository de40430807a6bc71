"""Models side by side: accuracy, cost of training, throughput, on the same data by one recipe."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import keras

import keras_mixer.data
from keras_mixer import profiling
from keras_mixer.printable import print_line
from keras_mixer.profiling.profiles import POLICIES
from keras_mixer.runs.directory import Run, read_history
from keras_mixer.runs.experiment import finished_run, run
from keras_mixer.runs.figures import save
from keras_mixer.runs.request import ANYWHERE, Place, Request
from keras_mixer.runs.study import study
from keras_mixer.runs.study_figures import tradeoff


@dataclasses.dataclass(frozen=True)
class Compared:
    """The three quantities of one model, and what is behind them.

    Args:
        model: its name.
        weights: what it began from, or `None`.
        parameters: all of them.
        macs: multiply-accumulates of one image.
        top_1: on the test images, in [0, 1]; the mean over the seeds of its request.
        deviation: sample deviation over the seeds, or `None` for one.
        training_seconds: that its first training took, evaluations and compilation included.
        training_macs: multiply-accumulates of its training, three times those of inference for
            each image.
        inference: images a second at the best batch size; `None` where memory was short at all.
        training: the same, of training.
        history: `(training_seconds, held-out top-1)` after each round of training.
    """

    model: str
    weights: str | None
    parameters: int
    macs: int
    top_1: float
    deviation: float | None
    training_seconds: float
    training_macs: float
    inference: float | None
    training: float | None
    history: tuple[tuple[float, float], ...]


def compare(
    requests: Mapping[str, Request],
    place: Place = ANYWHERE,
    *,
    batch_sizes: Sequence[int] = (1, 8, 32),
    rounds: int = 5,
    say: Callable[[str], None] = print_line,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[pathlib.Path, tuple[Compared, ...]]:
    """Trains models in turn, then measures the throughput of all of them side by side.

    Leaves a folder with a run of each model, `study.json`, and the pictures `accuracy_cost.png` and
    `accuracy_throughput.png`: what the paper's Figures 2 and 3
    (https://arxiv.org/abs/2105.01601) show of its models. Goes on where it was cut short.

    Args:
        requests: what to train, by the name to show; all on the same data.
        place: where to.
        batch_sizes: to measure throughput at; the best one counts.
        rounds: timed calls at each.
        say: called with a line as each phase begins.
        callbacks: more Keras callbacks.

    Returns:
        The folder, and the quantities of each model.
    """
    first = next(iter(requests.values()))
    asked = {
        "requests": {name: dataclasses.asdict(request) for name, request in requests.items()},
        "batch_sizes": list(batch_sizes),
        "rounds": rounds,
    }
    with study(place, f"compare-{first.recipe.name}", asked, say) as (path, config):
        runs: dict[str, Run] = {}
        done = {name: finished_run(one, path / _file(name)) for name, one in requests.items()}
        _check_buildable(requests, place, say)
        for name, request in requests.items():
            say(f"compare: training {name}")
            own = dataclasses.replace(place, output=path / _file(name), resume=False, new=False)
            runs[name] = done[name] or run(request, own, say=say, callbacks=callbacks)
        _check_same_data(runs)
        say("compare: measuring throughput")
        factories = {name: runs[name].load_model for name in requests}
        precision = first.recipe.precision
        profiles = {
            profile.model: profile
            for profile in profiling.benchmark(
                factories,
                batch_sizes=batch_sizes,
                dtypes=[dtype for dtype, policy in POLICIES.items() if policy == precision],
                rounds=rounds,
                optimizer=first.recipe.optimizer,
                say=say,
            )
        }
        rows = tuple(
            _compared(name, requests[name], runs[name], profiles[name]) for name in requests
        )
        config["compared"] = [dataclasses.asdict(row) for row in rows]
        device = profiling.this_machine()
        where = f"{device.device}, {keras.backend.backend()}"
        data, images = first.data, runs[next(iter(runs))].config["metrics"]["test_images"]
        what = f"{data}: top-1 of {images:,} test images"
        if first.recipe.holds_out:
            what += "; lines: of a tenth of the training images"
        save(
            tradeoff(rows, "training_seconds", f"{what} against training time\n({where})"),
            path / "accuracy_cost.png",
        )
        save(
            tradeoff(rows, "inference", f"{what} against throughput\n({where})"),
            path / "accuracy_throughput.png",
        )
    return path, rows


def _check_buildable(requests: Mapping[str, Request], place: Place, say) -> None:
    """Builds each model once, for what is wrong with the last one is to show before the first."""
    for name, request in requests.items():
        say(f"compare: {name} can be built")
        classes = keras_mixer.data.load(request.data, place.data_dir, check=False).classes
        request.build(request.recipe, classes, request.seed)


def _check_same_data(runs: Mapping[str, Run]) -> None:
    (first, one), *others = runs.items()
    for name, other in others:
        for which in ("train_fingerprint", "test_fingerprint"):
            if other.config[which] != one.config[which]:
                raise ValueError(
                    f"{other.config['data']} has changed between the runs of {first} and {name}: "
                    "they cannot be compared. Begin anew: with another --output, or, where none is "
                    "given, with --new."
                )


def _file(name: str) -> str:
    return name.replace(":", ".").replace("/", "_")


def _compared(name: str, request: Request, done: Run, profile: profiling.Profile) -> Compared:
    metrics, history = done.config["metrics"], read_history(done.path)
    seconds = done.config["round_seconds"]
    seeds = done.config.get("seeds")
    images = history[-1]["step"] * done.config["recipe"]["batch_size"]
    assert profile.training is not None
    return Compared(
        model=name,
        weights=request.recipe.weights,
        parameters=profile.parameters,
        macs=profile.macs,
        top_1=seeds["mean"] if seeds else metrics["top_1"],
        deviation=seeds["deviation"] if seeds else None,
        training_seconds=metrics["training_seconds"],
        training_macs=3.0 * profile.macs * images,
        inference=best.images_per_second if (best := profile.inference.best) else None,
        training=best.images_per_second if (best := profile.training.best) else None,
        history=tuple(
            (seconds[str(row["step"])], row["val_top_1"])
            for row in history
            if str(row["step"]) in seconds  # A kill between two files may have lost it.
        ),
    )
