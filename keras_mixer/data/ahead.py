"""Batches whose pictures are decoded while the ones before them train."""

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from keras_mixer.arguments import pair, whole
from keras_mixer.data import mixing
from keras_mixer.data.images import Split
from keras_mixer.data.transforms import DEFAULT, Resampling
from keras_mixer.preprocessing import prepared, record_of, rule_of

AHEAD = 2  # Batches that are being decoded, and as many that wait, while another one trains.


class DecodedAhead(keras.utils.PyDataset):
    """Batches of `(images, labels)`; a batch is a function of its number alone.

    Images are float32, prepared for `weights`, `(batch, height, width, 3)` or channels first, as
    `layout_of` says; labels are one-hot float32 `(batch, classes)`.
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
        super().__init__(workers=1, max_queue_size=AHEAD)
        if len(split) == 0:
            raise ValueError("There are no images to make batches of.")
        self.split = split
        self.classes = whole(classes, "classes")
        self.image_size = pair(image_size, "image_size")
        self.batch_size = whole(batch_size, "batch_size")
        self.weights = weights
        self._how = resampling_of(weights)
        self._rule = rule_of(weights)
        self._decode = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        self._finish = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="finish")
        self._pending: dict[int, list] = {}
        self._lock = threading.Lock()  # Two iterators may live at once, each in its own thread.

    def _members(self, batch: int) -> list[tuple[int, int]]:
        """Pass over the data and index of each image of a batch; of the one before it, if mixed."""
        raise NotImplementedError

    def _picture(self, epoch: int, index: int):
        """An RGB picture of `image_size`, and its label."""
        raise NotImplementedError

    def _blend(self, batch: int) -> mixing.Blend | None:
        """What mixes the images of a batch."""
        return None

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        started = [future.result() for future in self._started(batch)]
        images, labels = [image for image, _ in started], [label for _, label in started]
        y = np.eye(self.classes, dtype="float32")[np.array(labels, int)]
        blend = self._blend(batch)
        before = 0 if blend is None else 1  # The first image is then only a partner.
        x = np.empty((len(images) - before, *self.image_size, 3), "float32")

        def finish(i: int) -> None:
            x[i] = prepared(images[before + i], self._rule)
            if blend is not None:
                x[i] = blend.images(x[i], prepared(images[i], self._rule))

        list(self._finish.map(finish, range(len(x))))
        if blend is not None:
            y = blend.labels(y[1:], y[:-1])
        return in_layout(x, self.weights), y

    def _started(self, batch: int) -> list[Future]:
        """The images of a batch, being decoded, as those of the next ones are from now on."""
        with self._lock:
            for ahead in range(batch, min(batch + 1 + AHEAD, len(self))):
                if ahead not in self._pending:
                    self._pending[ahead] = [
                        self._decode.submit(self._uint8, *member) for member in self._members(ahead)
                    ]
            images = self._pending[batch]
            ahead_of = range(batch + 1, batch + 1 + AHEAD)
            self._pending = {n: self._pending[n] for n in ahead_of if n in self._pending}
            return images

    def _uint8(self, epoch: int, index: int) -> tuple[np.ndarray, int]:
        picture, label = self._picture(epoch, index)
        if not 0 <= label < self.classes:
            raise ValueError(
                f"{self.split.names[index]} has the label {label}, and there are {self.classes} "
                "classes, numbered from 0."
            )
        return np.asarray(picture), label


def resampling_of(weights) -> Resampling:
    """How weights, as in `preprocess_input`, want pixels to be interpolated."""
    record = record_of(weights)
    return DEFAULT if record is None else Resampling(record.interpolation, record.antialias)


def layout_of(weights) -> str:
    """`"channels_last"` or `"channels_first"`: that of the RGB images that a model takes.

    A model keeps the layout that it was built in, however Keras is configured where it is used.

    Args:
        weights: as in `preprocess_input`; what is no model, or does not tell, has Keras' layout.
    """
    shape = getattr(weights, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 4 and (shape[1] == 3) is not (shape[3] == 3):
        return "channels_first" if shape[1] == 3 else "channels_last"
    return keras.config.image_data_format()


def in_layout(images: np.ndarray, weights) -> np.ndarray:
    """Images `(..., height, width, channels)` in the layout of a model, or that of Keras."""
    if layout_of(weights) == "channels_first":
        return np.moveaxis(images, -1, -3)  # ... h w c -> ... c h w
    return images
