"""What a model loses when the pixels of all images are in disorder (Figure 4 of the paper)."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import keras

from keras_mixer.models import permute_weights, shuffled
from keras_mixer.printable import print_line
from keras_mixer.runs.figures import save
from keras_mixer.runs.request import ANYWHERE, Place
from keras_mixer.runs.skipped import tell_notes, tell_skipped, write_skipped
from keras_mixer.runs.study import study
from keras_mixer.runs.study_figures import disorder
from keras_mixer.runs.trials import trial
from keras_mixer.specs import SPECS
from keras_mixer.training import Recipe, build_model, finetune

# How the pixels are put in disorder, by what it is called in the picture.
ARMS = {
    "as they are": None,
    "patches, and pixels within them": "patches",
    "all pixels": "pixels",
}


# What a recipe asks of the layers of a Mixer, and where it does not.
_PLAIN = {
    "dropout": 0.0,
    "stochastic_depth": 0.0,
    "remat": False,
    "layer_decay": 1.0,
    "lora_rank": 0,
    "linear_probe": False,
}


@dataclasses.dataclass(frozen=True)
class Shuffled:
    """One curve.

    Args:
        model: name of the model.
        arm: key of `ARMS`.
        top_1: on the test images, in [0, 1].
        curve: `(step, held-out top-1)` after each round.
    """

    model: str
    arm: str
    top_1: float
    curve: tuple[tuple[int, float], ...]


def shuffle_study(
    data_name: str,
    models: Sequence[str],
    recipe: Recipe,
    place: Place = ANYWHERE,
    *,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    say: Callable[[str], None] = print_line,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[pathlib.Path, tuple[Shuffled, ...]]:
    """Trains models on images as they are, with patches shuffled, and with all pixels shuffled.

    MLP-Mixer, https://arxiv.org/abs/2105.01601, section 3.4: a Mixer does not see an order of the
    patches, or of the pixels within them, that is the same in all images. So its initial weights
    are permuted alike here, and the curve is that of the images as they are, up to rounding. The
    disorder is the last thing that happens to an image, after crops and flips. The curves are of
    the top-1 of this training; those of the paper are of 5-shot accuracy on ImageNet.

    Leaves a folder with a result for each curve, `study.json` and `shuffle.png`, and goes on where
    it was cut short.

    Args:
        data_name: name or path of a data set.
        models: names of models, as in `keras_mixer.models.build_by_name`; the first one is a
            Mixer, whose patches are shuffled for what is none, too.
        recipe: how each is trained.
        place: where to.
        seed: of weights, batches and the order of the pixels.
        image_size: height and width in pixels.
        say: called with a line as each phase begins.
        callbacks: more Keras callbacks.

    Returns:
        The folder and the curves.

    Raises:
        ValueError: the first model is no Mixer, the recipe asks for what is in the layers of a
            Mixer, or as `finetune`.
    """
    _check(models, recipe)
    data = place.load(data_name, callbacks)
    tell_notes(data, say)
    tell_skipped(data, say)
    asked = {
        "data": data_name,
        "models": list(models),
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "image_size": image_size,
    }

    recipe = recipe.for_images(len(data.train))
    rows = []
    with study(place, f"shuffle-{recipe.name}", asked, say) as (path, config):
        write_skipped(path, data.skipped)  # What is trained already says what it was trained on.
        for name in models:  # What is wrong with the last one is to show before the first.
            build_model(name, recipe, data.classes, image_size=image_size, seed=seed)
        for name in models:
            for arm, how in ARMS.items():

                def train(recipe, data, seed, folder, name=name, how=how):
                    model = build_model(
                        name, recipe, data.classes, image_size=image_size, seed=seed
                    )
                    return finetune(
                        *(_disordered(model, how, name, models[0], seed), data, recipe),
                        seed=seed,
                        checkpoints=folder / "checkpoints",
                        say=say,
                        callbacks=callbacks,
                        verbose=0,
                    )

                say(f"shuffle: {name}, {arm}")
                folder = path / f"{name.replace(':', '.')}-{how or 'as_is'}"
                result = trial(folder, recipe, data, seed, train)
                history = result["history"]
                curve = tuple(zip(history["step"], history["val_top_1"], strict=True))
                rows.append(Shuffled(name, arm, result["top_1"], curve))
        config["curves"] = [dataclasses.asdict(row) for row in rows]
        images = "a tenth of the training images, held out"
        if not recipe.holds_out:
            images = f"{len(data.test):,} held-out images"
        title = f"{data_name}: {images}, pixels in order and in disorder"
        curves = {(row.model, row.arm): row.curve for row in rows}
        save(disorder(curves, title), path / "shuffle.png")
    return path, tuple(rows)


def _disordered(
    model: keras.Model, how: str | None, name: str, mixer: str, seed: int
) -> keras.Model:
    """The model of an arm; patches are those of the model, or of the Mixer where it has none."""
    if how is None:
        return model
    if how == "patches" and name in SPECS:
        permute_weights(model, seed)
    return shuffled(model, how, SPECS.get(name, SPECS[mixer]).patch_size, seed)


def _check(models: Sequence[str], recipe: Recipe) -> None:
    if not models or models[0] not in SPECS:
        raise ValueError(
            f"The first model must be a Mixer, one of {', '.join(SPECS)}. Received: {list(models)}"
        )
    for field, plain in _PLAIN.items():
        if (value := getattr(recipe, field)) != plain:
            raise ValueError(
                f"The recipe {recipe.name} has {field}={value!r}, which a model behind a disorder "
                f"of pixels cannot follow. Use {field}={plain!r}."
            )
