"""From pictures to batches for `model.fit`, on any backend, decoded ahead of the step."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_mixer.data.images import Split
from keras_mixer.data.transforms import EVALUATION_CROPS, TRAINING_CROPS
from keras_mixer.preprocessing import preprocess_input

AHEAD = 2  # Batches that are being decoded while another one trains.


class _Batches(keras.utils.PyDataset):
    """Batches of `(images, labels)`; a batch is a function of its number alone.

    Images are float32, prepared for `weights`, `(batch, height, width, 3)` or channels first as
    Keras is configured; labels are one-hot float32 `(batch, classes)`.
    """

    def __init__(
        self,
        split: Split,
        classes: int,
        image_size: tuple[int, int],
        batch_size: int,
        weights=None,
    ):
        # One worker: with more, Keras' prefetching shifts the stream on JAX and PyTorch.
        super().__init__(workers=1)
        if len(split) == 0:
            raise ValueError("There are no images to make batches of.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
        self.split = split
        self.classes = classes
        self.image_size = image_size
        self.batch_size = batch_size
        self.weights = weights
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        self._pending: dict[int, list] = {}

    def _members(self, batch: int) -> list[tuple[int, int]]:
        """Pass over the data and index of each image of a batch."""
        raise NotImplementedError

    def _image(self, epoch: int, index: int) -> np.ndarray:
        """A uint8 image of `image_size`."""
        raise NotImplementedError

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        for ahead in range(batch, min(batch + 1 + AHEAD, len(self))):
            if ahead not in self._pending:
                self._pending[ahead] = [
                    self._pool.submit(self._image, *member) for member in self._members(ahead)
                ]
        images = np.stack([image.result() for image in self._pending[batch]])
        self._pending = {n: images for n, images in self._pending.items() if n > batch}
        labels = self.split.labels[[index for _, index in self._members(batch)]]
        x = preprocess_input(images, self.weights)
        if keras.config.image_data_format() == "channels_first":
            x = x.transpose(0, 3, 1, 2)  # b h w c -> b c h w
        return x, np.eye(self.classes, dtype="float32")[labels]


class TrainingBatches(_Batches):
    """The whole of a training run, batch by batch: one for each optimiser step.

    Images come in a new order in each pass, and a batch may reach over the end of one. Order,
    crops and flips are functions of (seed, pass, index) and nothing else, so a run can go on from
    any step and two backends see the same images. Pass `shuffle=False` to `model.fit`.

    Args:
        split: what to train on.
        classes: number of classes.
        image_size: height and width in pixels.
        batch_size: images in a batch.
        steps: number of batches.
        crop: a key of `TRAINING_CROPS`.
        flip: whether to mirror half of the images, left to right.
        seed: integer seed.
        weights: what the images are prepared for, as in `keras_mixer.preprocess_input`.

    Raises:
        ValueError: no images, a batch size below one, or an unknown crop.
    """

    def __init__(
        self,
        split,
        classes,
        image_size,
        batch_size,
        *,
        steps,
        crop="random_crop",
        flip=True,
        seed=0,
        weights=None,
    ):
        super().__init__(split, classes, image_size, batch_size, weights)
        self.steps = steps
        self.seed = seed
        self._crop = _choose(crop, TRAINING_CROPS)
        self._flip = flip
        self._order = functools.lru_cache(AHEAD)(self._shuffled)

    def __len__(self) -> int:
        return self.steps

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.split))

    def _members(self, batch: int) -> list[tuple[int, int]]:
        first = batch * self.batch_size
        places = (divmod(first + i, len(self.split)) for i in range(self.batch_size))
        return [(epoch, int(self._order(epoch)[place])) for epoch, place in places]

    def _image(self, epoch: int, index: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch, 1 + index])
        image = self._crop(self.split.image(index), self.image_size, rng)
        return image[:, ::-1] if self._flip and rng.random() < 0.5 else image


class EvaluationBatches(_Batches):
    """Every image once, in order; the last batch may be smaller.

    Args:
        split: what to judge on.
        classes: number of classes.
        image_size: height and width in pixels.
        batch_size: images in a batch.
        crop: a key of `EVALUATION_CROPS`.
        weights: what the images are prepared for, as in `keras_mixer.preprocess_input`.

    Raises:
        ValueError: no images, a batch size below one, or an unknown crop.
    """

    def __init__(self, split, classes, image_size, batch_size, *, crop="resize_crop", weights=None):
        super().__init__(split, classes, image_size, batch_size, weights)
        self._crop = _choose(crop, EVALUATION_CROPS)

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def _members(self, batch: int) -> list[tuple[int, int]]:
        first = batch * self.batch_size
        return [(0, i) for i in range(first, min(first + self.batch_size, len(self.split)))]

    def _image(self, epoch: int, index: int) -> np.ndarray:
        return self._crop(self.split.image(index), self.image_size)


def _choose(crop: str, crops: dict):
    if crop not in crops:
        raise ValueError(f"`crop` must be one of {', '.join(crops)}. Received: {crop!r}")
    return crops[crop]


def image_size(model: keras.Model) -> tuple[int, int]:
    """Height and width in pixels that a model of RGB images takes.

    Raises:
        ValueError: its input is not one RGB image of known size.
    """
    shape = model.input_shape
    known = isinstance(shape, tuple) and len(shape) == 4 and None not in shape[1:]
    if known and keras.config.image_data_format() == "channels_first":
        shape = (shape[0], *shape[2:], shape[1])
    if not known or shape[3] != 3:
        raise ValueError(
            f"{model.name} takes input of shape {shape}; the pictures here are RGB, so a model of "
            "(batch, height, width, 3) is needed, with a known height and width."
        )
    return shape[1], shape[2]
