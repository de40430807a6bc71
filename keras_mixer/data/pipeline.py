"""From pictures to batches for `model.fit`, on any backend, decoded ahead of the step.

Every number that is drawn is a function of (seed, pass, index) or of (seed, batch), and pictures
are decoded and changed by the same code on each backend: a run can go on from any step, and all
backends see the same images.
"""

import functools

import keras
import numpy as np

from keras_mixer.arguments import whole
from keras_mixer.data import mixing
from keras_mixer.data.ahead import AHEAD, DecodedAhead, in_layout, layout_of, resampling_of
from keras_mixer.data.images import open_rgb
from keras_mixer.data.randaugment import check_randaugment, randaugment
from keras_mixer.data.transforms import EVALUATION_CROPS, TRAINING_CROPS, flip
from keras_mixer.preprocessing import preprocess_input


class TrainingBatches(DecodedAhead):
    """The whole of a training run, batch by batch: one for each optimiser step.

    Images come in a new order in each pass, and a batch may reach over the end of one. Pass
    `shuffle=False` to `model.fit`.

    Args:
        split: what to train on.
        classes: number of classes.
        image_size: height and width in pixels.
        batch_size: images in a batch.
        steps: number of batches.
        crop: a key of `TRAINING_CROPS`.
        flip: whether to mirror half of the images, left to right.
        randaugment: layers and magnitude of RandAugment, see `keras_mixer.data.randaugment`.
        mixup: strength of mixup, 0 for none; see `keras_mixer.data.mixing`.
        cutmix: strength of CutMix, 0 for none. With both, each batch gets one of the two.
        seed: integer seed.
        weights: what the images are prepared for, as in `keras_mixer.preprocess_input`; how they
            are interpolated follows it too.
        shard: (number, count): this is part `number` of `count` equal parts of each batch, for
            training on several hosts. The parts together are the batch of one host.

    Raises:
        ValueError: no images, a batch size below one or not a multiple of the parts, an unknown
            crop, or a strength or magnitude out of range.
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
        randaugment=(0, 0.0),
        mixup=0.0,
        cutmix=0.0,
        seed=0,
        weights=None,
        shard=(0, 1),
    ):
        super().__init__(split, classes, image_size, batch_size, weights)
        if not (0 <= shard[0] < shard[1] and batch_size % shard[1] == 0):
            raise ValueError(
                f"`shard` must be (number, count), and `batch_size` = {batch_size} a multiple of "
                f"count. Received: {shard}"
            )
        for name, strength in (("mixup", mixup), ("cutmix", cutmix)):
            if strength < 0:
                raise ValueError(f"`{name}` must be at least 0. Received: {strength}")
        check_randaugment(*randaugment)
        self.steps = whole(steps, "steps")
        self.seed = whole(seed, "seed", least=0)
        self._crop = choose(crop, TRAINING_CROPS)
        self._flip = flip
        self._randaugment = randaugment
        self._mixing = mixup, cutmix
        self._shard = shard
        self._order = functools.lru_cache(AHEAD)(self._shuffled)

    def __len__(self) -> int:
        return self.steps

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.split))

    def _members(self, batch: int) -> list[tuple[int, int]]:
        number, count = self._shard
        part = self.batch_size // count
        own = list(range(number * part, (number + 1) * part))
        if any(self._mixing):
            own = [(own[0] - 1) % self.batch_size, *own]
        places = (divmod(batch * self.batch_size + i, len(self.split)) for i in own)
        return [(epoch, int(self._order(epoch)[place])) for epoch, place in places]

    def _picture(self, epoch: int, index: int):
        rng = np.random.default_rng([self.seed, epoch, 1 + index])
        picture, label = self.split[index]
        picture = self._crop(picture, self.image_size, rng, self._how)
        if self._flip and rng.random() < 0.5:
            picture = flip(picture)
        layers, magnitude = self._randaugment
        return randaugment(picture, layers, magnitude, rng), label

    def _blend(self, batch: int) -> mixing.Blend | None:
        rng = np.random.default_rng([self.seed, batch, 0, 1])
        return mixing.draw(*self._mixing, self.image_size, rng)


class EvaluationBatches(DecodedAhead):
    """Every image once, in order; the last batch may be smaller.

    Several devices need equal parts. With `parts` the last batch is filled up with zeros, whose
    labels are all zero and whose weights are; the items are then `(images, labels, weights)`. The
    weights of the other images are `rows / images`, so that a mean over all rows, as
    `model.evaluate` takes of the loss, is that over the images.

    Args:
        split: what to judge on.
        classes: number of classes.
        image_size: height and width in pixels.
        batch_size: images in a batch.
        crop: a key of `EVALUATION_CROPS`.
        weights: what the images are prepared for, as in `keras_mixer.preprocess_input`; how they
            are interpolated follows it too.
        parts: number that divides the rows of each batch, and so `batch_size`.
        shard: (number, count): this is part `number` of `count` equal parts of each batch, for
            judging on several hosts; count divides `parts`.

    Raises:
        ValueError: no images, a batch size below one or not a multiple of the parts, or an unknown
            crop.
    """

    def __init__(
        self,
        split,
        classes,
        image_size,
        batch_size,
        *,
        crop="resize_crop",
        weights=None,
        parts=1,
        shard=(0, 1),
    ):
        super().__init__(split, classes, image_size, batch_size, weights)
        if batch_size % parts or not 0 <= shard[0] < shard[1] or parts % shard[1]:
            raise ValueError(
                f"`batch_size` = {batch_size} must be a multiple of `parts` = {parts}, and that of "
                f"the count in `shard` = {shard}, (number, count)."
            )
        self._crop = choose(crop, EVALUATION_CROPS)
        self._parts = parts
        self._shard = shard

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def _rows(self, batch: int) -> range:
        """Numbers of the images in this part of a batch; those beyond the last are filling."""
        first = batch * self.batch_size
        size = min(self.batch_size, len(self.split) - first)
        number, count = self._shard
        part = _up_to(size, self._parts) // count
        return range(first + number * part, first + (number + 1) * part)

    def _members(self, batch: int) -> list[tuple[int, int]]:
        return [(0, i) for i in self._rows(batch) if i < len(self.split)]

    def __getitem__(self, batch: int):
        x, y = super().__getitem__(batch)
        if self._parts == 1:
            return x, y
        images, full = len(self.split), (len(self) - 1) * self.batch_size
        rows = full + _up_to(images - full, self._parts)
        weights = np.full(len(x), rows / images, "float32")
        more = len(self._rows(batch)) - len(x)
        return tuple(
            np.pad(array, [(0, more)] + [(0, 0)] * (array.ndim - 1)) for array in (x, y, weights)
        )

    def _picture(self, epoch: int, index: int):
        picture, label = self.split[index]
        return self._crop(picture, self.image_size, self._how), label


def evaluation_image(
    picture,
    image_size: tuple[int, int],
    crop: str = "resize_crop",
    weights=None,
    name: str | None = None,
) -> np.ndarray:
    """One picture as a row of `EvaluationBatches` has it, bit for bit.

    Args:
        picture: as in `keras_mixer.data.decode`.
        image_size: height and width in pixels.
        crop: a key of `EVALUATION_CROPS`.
        weights: what the image is prepared for, as in `keras_mixer.preprocess_input`.
        name: what to call it in a message; by default its path.

    Returns:
        float32 `(height, width, 3)`, or channels first, as `layout_of` says.

    Raises:
        UnreadableImageError: it cannot be decoded.
        ValueError: an unknown crop.
    """
    rgb = open_rgb(picture, name)
    image = choose(crop, EVALUATION_CROPS)(rgb, image_size, resampling_of(weights))
    return in_layout(preprocess_input(np.asarray(image), weights), weights)


def _up_to(number: int, multiple: int) -> int:
    """The least multiple that is no smaller."""
    return -(-number // multiple) * multiple


def choose(crop: str, crops: dict):
    """The crop of a name.

    Raises:
        ValueError: there is none.
    """
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
    if known and layout_of(model) == "channels_first":
        shape = (shape[0], *shape[2:], shape[1])
    if not known or shape[3] != 3:
        raise ValueError(
            f"{model.name} takes input of shape {shape}; the pictures here are RGB, so a model of "
            "(batch, height, width, 3) is needed, with a known height and width."
        )
    return shape[1], shape[2]
