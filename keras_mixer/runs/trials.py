"""Trainings that leave their result alone: to choose a learning rate, to know a deviation."""

import dataclasses
import json
import pathlib
import shutil
import statistics
from collections.abc import Callable, Iterable

from keras_mixer import evaluation
from keras_mixer.data import ImageData
from keras_mixer.runs.directory import read_json
from keras_mixer.training import Recipe
from keras_mixer.training.checkpoint import differences
from keras_mixer.writing import make_folder, write_text

Say = Callable[[str], None]


def choose_rate(
    folder: pathlib.Path, recipe: Recipe, dev: ImageData, seed: int, train, say: Say
) -> tuple[Recipe, list[dict]]:
    """The recipe with the best of its `learning_rates`, and the top-1 of each.

    As in the paper (https://arxiv.org/abs/2105.01601, section 3): each is tried in full on the
    training images without the dev split, and judged on that. Of equals the lower one is taken.

    Args:
        folder: where the trials leave their results and their state.
        recipe: with its `steps`.
        dev: the dev split, in the place of the test images.
        seed: of each trial.
        train: called with a recipe, data, a seed and a folder; gives a
            `keras_mixer.training.Trained`.
        say: called with a line for each trial.
    """
    results = []
    for rate in sorted(recipe.learning_rates):
        say(f"sweep: learning rate {rate:g}, on {len(dev.train):,} images")
        tried = dataclasses.replace(recipe, learning_rate=rate)
        top_1 = trial(folder / f"rate_{rate:g}", tried, dev, seed, train)["top_1"]
        say(f"sweep: learning rate {rate:g}: {100 * top_1:.2f} % of {len(dev.test):,} dev images")
        results.append({"learning_rate": rate, "top_1": top_1})
    best = max(results, key=lambda result: result["top_1"])["learning_rate"]
    say(f"sweep: learning rate {best:g} it is")
    return dataclasses.replace(recipe, learning_rate=best), results


def repeat(
    path: pathlib.Path,
    recipe: Recipe,
    data: ImageData,
    seeds: Iterable[int],
    first: evaluation.Accuracy,
    train,
    say: Say,
) -> dict:
    """Top-1 of a training with each of several seeds, the mean, and the sample deviation.

    Args:
        path: the run directory.
        recipe: as in `choose_rate`.
        data: what to train and to judge on.
        seeds: at least two.
        first: what came out with the first one.
        train: as in `choose_rate`.
        say: as in `choose_rate`.
    """
    own, *others = seeds
    results = {str(own): first.top_1}
    for seed in others:
        say(f"seeds: seed {seed}")
        results[str(seed)] = trial(path / f"seed_{seed}", recipe, data, seed, train)["top_1"]
    values = list(results.values())
    return {
        "top_1": results,
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values),
    }


def trial(folder: pathlib.Path, recipe: Recipe, data: ImageData, seed: int, train) -> dict:
    """Top-1 and history of a training, from its result where it has been done already.

    Raises:
        ValueError: that is of another recipe, seed or data, or damaged.
    """
    result = folder / "result.json"
    made_of = {
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "train": data.train.fingerprint(),
        "test": data.test.fingerprint(),
    }
    made_of = json.loads(json.dumps(made_of))  # As it is read again.
    if result.is_file():
        try:
            content = read_json(result)
            float(content["top_1"]), content["made_of"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{result} is damaged: {error} Remove it, and this training is done again."
            ) from error
        if different := list(differences(content.get("made_of"), made_of)):
            raise ValueError(
                f"{result} is of another training: {'; '.join(different)}. Remove {folder}, or "
                "begin anew: with another --output, or, where none is given, with --new."
            )
    else:
        model, history = train(recipe, data, seed, folder)
        top_1 = evaluation.evaluate(model, data.test, crop=recipe.evaluation_crop, verbose=0).top_1
        make_folder(folder)
        content = {"top_1": top_1, "history": history, "made_of": made_of}
        write_text(result, json.dumps(content) + "\n")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return content
