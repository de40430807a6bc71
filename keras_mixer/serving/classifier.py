"""A model with the names of its classes and the way its pictures are prepared."""

import dataclasses
import os
import threading
from collections.abc import Sequence

import keras
import numpy as np

from keras_mixer.data import EVALUATION_CROPS
from keras_mixer.data.ahead import in_layout, resampling_of
from keras_mixer.data.images import open_rgb
from keras_mixer.data.pipeline import image_size
from keras_mixer.data.transforms import Resampling
from keras_mixer.evaluation import probabilities_of
from keras_mixer.preprocessing import preprocess_input
from keras_mixer.runs import load_run


class ModelError(RuntimeError):
    """The model failed on a picture that could be read."""


@dataclasses.dataclass(frozen=True)
class Ranked:
    """One class of a picture, and how sure the model is.

    Args:
        index: number of the class.
        label: its name.
        probability: in [0, 1].
    """

    index: int
    label: str
    probability: float


class Classifier:
    """Says what is on pictures: the probabilities of `keras_mixer.evaluation.predict`.

    Args:
        model: from RGB images to `(batch, classes)`, logits or probabilities.
        label_names: names of the classes, in order; by default their numbers.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        name: what to call it; by default the model's name.

    Raises:
        ValueError: an unknown crop, another number of names than classes, or a model that does
            not take RGB images.

    Example:
        `Classifier.of_run("runs/digits-mixer_ti4-1").classify([pixels], top=3)`
    """

    def __init__(
        self,
        model: keras.Model,
        label_names: Sequence[str] | None = None,
        *,
        crop: str = "resmall_crop",
        name: str | None = None,
    ):
        self.model: keras.Model | None = model
        self._describe(
            name or model.name,
            model.output_shape[-1],
            label_names,
            image_size(model),
            crop,
            resampling_of(model),
        )

    def _describe(
        self,
        name: str,
        classes: int,
        label_names: Sequence[str] | None,
        image_size: tuple[int, int],
        crop: str,
        resampling: Resampling,
    ) -> None:
        self.label_names = tuple(map(str, range(classes) if label_names is None else label_names))
        if len(self.label_names) != classes:
            raise ValueError(
                f"{name} has {classes} classes and there are {len(self.label_names)} names of "
                "classes."
            )
        if crop not in EVALUATION_CROPS:
            raise ValueError(
                f"`crop` must be one of {', '.join(EVALUATION_CROPS)}. Received: {crop!r}"
            )
        self.name = name
        self.crop = crop
        self.image_size = image_size
        self.lock = threading.Lock()  # A model is for one thread at a time.
        self._resampling = resampling

    @classmethod
    def of_run(cls, path: str | os.PathLike, *, crop: str | None = None) -> "Classifier":
        """The model of a finished run, its classes, and the crop that it was judged with.

        Raises:
            FileNotFoundError: it is no run, or has not finished.
            ValueError: its files cannot be read, or as in the constructor.
        """
        run = load_run(path)
        return cls(run.load_model(), run.label_names, crop=crop or run.crop, name=os.fspath(path))

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        """A picture as the model takes it: cropped, resized, scaled; float32.

        Args:
            picture: uint8 `(height, width, 3)`, as `read_upload` gives it.
        """
        return self.scale(self.see(picture))

    def see(self, picture: np.ndarray) -> np.ndarray:
        """A picture cropped and resized to what the model sees of it, uint8 RGB."""
        cropped = EVALUATION_CROPS[self.crop]
        return np.asarray(cropped(open_rgb(picture), self.image_size, self._resampling))

    def scale(self, seen: np.ndarray) -> np.ndarray:
        """What `see` gave, as numbers in the range and the layout that the model takes."""
        return in_layout(preprocess_input(seen, self.model), self.model)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of each class, `(n, classes)` in float64, of images that are prepared.

        Each number of images is a program of its own on JAX.
        """
        assert self.model is not None
        with self.lock:
            return probabilities_of(self.model, self.model.predict_on_batch(images))

    def rank(self, probabilities: np.ndarray, top: int = 3) -> list[Ranked]:
        """The classes of one picture with the highest probabilities, highest first.

        Args:
            probabilities: of each class, `(classes,)`.
            top: how many; all of them if there are fewer.

        Raises:
            ModelError: one of them is not a number.
        """
        if not np.isfinite(probabilities).all():
            raise ModelError(f"{self.name} gave scores that are not numbers.")
        best = np.argsort(-probabilities, kind="stable")[:top]
        return [Ranked(int(i), self.label_names[i], float(probabilities[i])) for i in best]

    def classify(self, pictures: Sequence[np.ndarray], top: int = 3) -> list[list[Ranked]]:
        """The classes with the highest probabilities of each picture, highest first.

        Args:
            pictures: uint8 `(height, width, 3)` each, of any size.
            top: how many; all of them if there are fewer.
        """
        if not pictures:
            return []
        images = np.stack([self.prepare(picture) for picture in pictures])
        return [self.rank(row, top) for row in self.probabilities(images)]
