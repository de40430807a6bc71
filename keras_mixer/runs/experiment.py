"""From a request to a finished run directory: train, judge, report."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_mixer import distribution, evaluation
from keras_mixer.data import ImageData
from keras_mixer.profiling import global_settings, this_machine
from keras_mixer.runs import directory
from keras_mixer.runs.begin import begun
from keras_mixer.runs.bookkeeper import Bookkeeper
from keras_mixer.runs.report import write_report
from keras_mixer.runs.request import ANYWHERE, Place, Request
from keras_mixer.runs.skipped import check_same_skipped, tell_skipped, write_skipped
from keras_mixer.runs.tensorboard import TensorBoard
from keras_mixer.runs.trials import choose_rate, repeat
from keras_mixer.training import Recipe, finetune
from keras_mixer.training.checkpoint import differences


def run(
    request: Request,
    place: Place = ANYWHERE,
    *,
    say: Callable[[str], None] = print,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> directory.Run:
    """Trains, judges on every test image, and leaves a run directory that explains itself.

    An unfinished run of the same request goes on where it stands. With several processes (see
    `keras_mixer.distribution.initialize`) this is for the chief, which alone writes and judges; the
    other ones `train_along`.

    Args:
        request: what to train, how, on what.
        place: where to.
        say: called with a line as each phase begins.
        callbacks: more Keras callbacks.

    Returns:
        The finished run.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, RunInUseError: see `begun`.
        keras_mixer.training.Interrupted: a signal ended it; it can go on.
    """
    here = distribution.current()
    here.refuse(sweep=request.sweep, seeds=request.seeds > 1)
    if not here.chief:
        raise ValueError(f"Process {here.process} writes no run; it goes by `train_along`.")
    if here.kind != "none":
        say(f"distribution: {here}")
    say(f"data: reading {request.data}")
    if place.max_bad_images:
        say(f"data: up to {place.max_bad_images:,} bad images are left out; going through all")
    data = place.load(request.data, callbacks)
    _tell_data(data, say)
    tell_skipped(data, say)
    recipe = request.recipe.for_images(len(data.train))
    asked = _asked(request)
    name = f"{recipe.name}-{request.model_name.replace(':', '.')}"
    with begun(place.output, name, asked, resume=place.resume, new=place.new) as (path, goes_on):
        config = _config(request, asked, place, data)
        if goes_on:
            say(f"run: going on with {path}")
            before = directory.read_config(path)
            check_same_skipped(path, data.skipped)
            config |= {key: before[key] for key in ("training_seconds", "round_seconds")}
            own = {key: config[key] for key in ("versions", "device", "settings") if key in before}
            for different in differences({key: before.get(key) for key in own}, own):
                say(f"run: {different}; what is left is computed with that")
        write_skipped(path, data.skipped)
        directory.write_config(path, config)
        if request.cache:
            data = dataclasses.replace(data, train=data.train.cached())
            size = sum(picture.nbytes for picture in data.train.pictures)
            say(f"cache: {len(data.train):,} images, {size / 2**20:,.1f} MiB in memory")
        _work(request, place, path, config, recipe, data, say, callbacks)
    return directory.load_run(path)


def train_along(request: Request, place: Place = ANYWHERE) -> None:
    """What a process does beside the chief's `run`: its part of each batch.

    Args:
        request: as in `run`.
        place: as in `run`; only `data_dir` and `max_bad_images` matter.

    Raises:
        ValueError: as `keras_mixer.finetune`.
    """
    data = place.load(request.data)
    recipe = request.recipe.for_images(len(data.train))
    if request.cache:
        data = dataclasses.replace(data, train=data.train.cached())
    model = request.build(recipe, data.classes, request.seed)
    finetune(model, data, recipe, seed=request.seed, verbose=0)


def _work(request, place, path, config, recipe, data, say, callbacks) -> None:
    """Fills the directory of a run: trainings, judgement, report."""
    watch: list[keras.callbacks.Callback] = [Bookkeeper(path, config, say)]
    if place.tensorboard:
        watch.append(TensorBoard(path / "tensorboard"))

    def train(recipe: Recipe, data: ImageData, seed: int, folder: pathlib.Path, watch=()):
        """A training with its state below `folder`."""
        say("model: building")
        model = request.build(recipe, data.classes, seed)
        config["weights"] = str(getattr(model, "load_report", None) or recipe.weights or "") or None
        say(f"weights: {config['weights'] or 'none (random initial weights)'}")
        return finetune(
            model,
            data,
            recipe,
            seed=seed,
            checkpoints=folder / "checkpoints",
            say=say,
            callbacks=[*watch, *callbacks],
            verbose=0,
        )

    if request.sweep:
        dev = place.load(request.data, callbacks, dev=True)
        if request.cache:
            dev = dataclasses.replace(dev, train=dev.train.cached())
        sweep = path / "sweep"
        recipe, config["sweep"] = choose_rate(sweep, recipe, dev, request.seed, train, say)
    config["recipe"] = dataclasses.asdict(recipe)
    model, columns = train(recipe, data, request.seed, path, watch)
    history = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    directory.write_history(path, history)  # The checkpoint knows it, whatever became of the file.
    say(f"judging: {len(data.test):,} test images")
    probabilities = evaluation.predict(model, data.test, crop=recipe.evaluation_crop, verbose=0)
    result = evaluation.score(probabilities, data.test.labels)
    if request.seeds > 1:
        seeds = range(request.seed, request.seed + request.seeds)
        config["seeds"] = repeat(path, recipe, data, seeds, result, train, say)
    config["metrics"] = {
        "top_1": result.top_1,
        "top_5": result.top_5,
        "loss": result.loss,
        "test_images": result.images,
        "training_seconds": config["training_seconds"],
    }
    say("report: drawing")
    write_report(path, config, history, data.test, probabilities, data.label_names)
    directory.finish_run(path, model, config, data.label_names)


def finished_run(request: Request, path: pathlib.Path) -> directory.Run | None:
    """The finished run of a request in a directory, or `None` where there is no finished one.

    Raises:
        ValueError: it is one of another request.
    """
    try:
        found = directory.load_run(path)
    except FileNotFoundError:
        return None
    asked = json.loads(json.dumps(_asked(request)))
    if different := list(differences(found.config["request"], asked)):
        raise ValueError(
            f"{path} holds a run of another request: {'; '.join(different)}. Give the same options "
            "to go on, or choose another --output."
        )
    return found


def _asked(request: Request) -> dict:
    return {**dataclasses.asdict(request), "backend": keras.backend.backend()}


def _tell_data(data: ImageData, say) -> None:
    say(
        f"data: {len(data.train):,} images to train on, {len(data.test):,} held out, "
        f"{data.classes} classes"
    )
    if not data.checked:
        say(
            "data: too many images to go through first; a bad one will stop the training by name. "
            "`keras-mixer datasets check` finds them all, and `--max-bad-images` leaves them out"
        )


def _config(request: Request, asked: dict, place: Place, data: ImageData) -> dict[str, Any]:
    """What `run.json` says from the beginning."""
    return {
        "finished": False,
        "command": place.command,
        "data": data.name,
        "model": request.model_name,
        "recipe": asked["recipe"],
        "seed": request.seed,
        "output": "logits",
        "training_seconds": 0.0,
        "round_seconds": {},  # By the step that a round ended at.
        "train_images": len(data.train),
        "train_fingerprint": data.train.fingerprint(),
        "test_fingerprint": data.test.fingerprint(),
        "skipped_images": len(data.skipped),
        **surroundings(),
        "request": asked,
    }


def surroundings() -> dict[str, Any]:
    """When, with what and on what something runs."""
    machine = this_machine()
    return {
        "started": machine.date,
        "versions": machine.versions,
        "device": f"{machine.device} ({machine.cpu})",
        "settings": global_settings(),
    }
