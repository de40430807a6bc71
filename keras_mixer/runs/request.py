"""What a run is asked for, and where it is to be."""

import dataclasses
import os

import keras

import keras_mixer.data
from keras_mixer.data import ImageData
from keras_mixer.printable import without_secrets
from keras_mixer.specs import MixerSpec
from keras_mixer.training import Recipe, RunCallback, build_model
from keras_mixer.training.ranges import SEED, count


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for; two equal requests are one run.

    Args:
        data: name or path of a data set.
        model: the architecture, or the name of a model as in `keras_mixer.models.build_by_name`.
        recipe: how to train it.
        seed: of everything that is drawn.
        image_size: height and width in pixels.
        options: more arguments of `keras_mixer.Mixer`.
        sweep: whether to choose the learning rate on the dev split first.
        seeds: how many runs to take the mean of, this one included.
        cache: whether to keep the training images in memory, decoded.

    Raises:
        ValueError: one of the seeds is below 0 or above 2**31 - 1.
    """

    data: str
    model: MixerSpec | str
    recipe: Recipe
    seed: int = 0
    image_size: tuple[int, int] | None = None
    options: dict = dataclasses.field(default_factory=dict)
    sweep: bool = False
    seeds: int = 1
    cache: bool = False

    def __post_init__(self) -> None:
        for name, range_ in (("seed", SEED), ("seeds", count(1))):
            object.__setattr__(self, name, range_.check(name, getattr(self, name)))
        SEED.check("seed + seeds - 1", self.seed + self.seeds - 1)

    def build(self, recipe: Recipe, classes: int, seed: int) -> keras.Model:
        """The model that it begins with."""
        return build_model(
            self.model, recipe, classes, image_size=self.image_size, seed=seed, **self.options
        )

    @property
    def model_name(self) -> str:
        """What the model is called."""
        return self.model if isinstance(self.model, str) else self.model.name


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run is, and what is around it.

    Args:
        output: see `begin_run`.
        resume: see `begin_run`.
        new: see `begin_run`.
        data_dir: where TensorFlow Datasets keeps prepared data sets.
        command: what was typed, for `run.json`; logins and queries of addresses are left out.
        tensorboard: whether to write TensorBoard's logs to `tensorboard` in the run directory.
        max_bad_images: how many pictures of one's own may be left out because they cannot be read;
            `skipped.csv` in the run directory lists them, and a run goes on only without the same
            ones.
    """

    output: str | os.PathLike | None = None
    resume: bool = False
    new: bool = False
    data_dir: str | None = None
    command: str = ""
    tensorboard: bool = False
    max_bad_images: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", without_secrets(self.command))

    def load(self, name: str, callbacks=(), **options) -> ImageData:
        """A data set as in `keras_mixer.data.load`, without the pictures that may be left out.

        Raises:
            ValueError: `output`, by default `runs`, is inside of the folder of data; or as `load`.
        """
        keras_mixer.data.check_outside(self.output or "runs", name)
        heard = [callback for callback in callbacks if isinstance(callback, RunCallback)]

        def look(done: int, of: int, bad: int) -> None:
            for callback in heard:
                callback.on_look(done, of, bad)

        return keras_mixer.data.load(
            name, self.data_dir, max_bad_images=self.max_bad_images, look=look, **options
        )


ANYWHERE = Place()  # Below `runs`.
