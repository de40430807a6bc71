"""Few-shot accuracy: a linear regression on frozen features, in closed form."""

import dataclasses
import hashlib
import os
import pathlib
import statistics
from collections.abc import Sequence

import keras
import numpy as np

from keras_mixer.data import EvaluationBatches, ImageData, Split
from keras_mixer.data.pipeline import image_size
from keras_mixer.data.tfds import RecordSplit
from keras_mixer.evaluation.predictions import outputs_of
from keras_mixer.preprocessing import record_of
from keras_mixer.system_errors import raise_system_fault
from keras_mixer.training.linear_probe import Regression
from keras_mixer.training.ranges import POSITIVE
from keras_mixer.writing import in_one_step, make_folder

SHOTS = (1, 5, 10, 25)


@dataclasses.dataclass(frozen=True)
class FewShot:
    """What `fewshot` found.

    Args:
        top_1: for each number of shots the top-1 with each seed, in [0, 1].
        test_images: how many images were judged.
        features: width of the features.
    """

    top_1: dict[int, tuple[float, ...]]
    test_images: int
    features: int

    def mean(self, shots: int) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.top_1[shots])

    def deviation(self, shots: int) -> float | None:
        """Sample deviation over the seeds; `None` for a single one."""
        values = self.top_1[shots]
        return statistics.stdev(values) if len(values) > 1 else None


def fewshot(
    model: keras.Model,
    data: ImageData,
    *,
    shots: Sequence[int] = SHOTS,
    seeds: int = 3,
    l2: float = 1024.0,
    layer: str | None = None,
    crop: str = "resize_crop",
    batch_size: int = 64,
    cache: str | os.PathLike | None = None,
    verbose="auto",
) -> FewShot:
    """Few-shot top-1 of a model's frozen features.

    The paper's measure of a representation (https://arxiv.org/abs/2105.01601, section 3): an
    l2-regularised linear regression from features to labels in {-1, 1}, solved exactly, on a few
    images of each class; judged on every test image. The details are those of
    google-research/big_vision (`evaluators/fewshot_lsr.py`): features are whitened, a constant of
    100 is appended, and with seed s the images of each class are those first in
    `numpy.random.default_rng(s).permutation`, class after class; images are cropped as its
    configuration says (`configs/common_fewshot.py`).

    Args:
        model: from RGB images; any Keras model. They are prepared as its weights ask for, in
            [-1, 1] for a model of another kind.
        data: the images. The few are from `data.train`, and `data.test` is judged on.
        shots: images of each class.
        seeds: how many choices of the few.
        l2: weight of the squared norm of the coefficients.
        layer: name of the layer whose output `(batch, width)` are the features; by default the
            input of the last layer where that is `Dense`, a head, else the output of the model.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        batch_size: images at a time.
        cache: folder where features are kept, for the next call with the same images, weights and
            backend. Files are the same while their length and time of change are.
        verbose: as in `model.predict`.

    Raises:
        ValueError: a number out of range, a class with fewer images than `shots`, features that
            are not one vector an image, an unknown layer or crop, or a damaged file in `cache`.

    Example:

    >>> result = keras_mixer.evaluation.fewshot(model, data, shots=(5,))
    >>> result.mean(5)
    """
    shots = tuple(shots)
    if not shots or min(shots) < 1 or seeds < 1:
        raise ValueError(
            f"`shots` and `seeds` must be at least 1. Received: shots={shots}, seeds={seeds}"
        )
    POSITIVE.check("l2", l2)
    chosen = [_choose(data, max(shots), seed) for seed in range(seeds)]
    # Only the images that some seed chooses are ever computed, and each of them once.
    needed = np.unique(np.concatenate([np.concatenate(indices) for indices in chosen]))
    body = features_model(model, layer)

    def compute(split: Split) -> np.ndarray:
        batches = EvaluationBatches(
            split, data.classes, image_size(model), batch_size, crop=crop, weights=model
        )
        file = None if cache is None else _place(cache, model, body, split, crop)
        if file is None or not file.is_file():
            found = np.asarray(outputs_of(body, batches, verbose=verbose), "float32")
            if file is None:
                return found.astype("float64")
            _keep(file, found)
        return _kept(file, (len(split), body.output_shape[1]))

    train, test = compute(data.train.subset(needed.tolist())), compute(data.test)
    top_1: dict[int, list[float]] = {n: [] for n in shots}
    for indices in chosen:
        for n in shots:
            few = np.searchsorted(needed, np.concatenate([own[:n] for own in indices]))
            regression = Regression(train.shape[1], data.classes)
            labels = data.train.labels[needed[few]]
            regression.add(train[few], np.eye(data.classes)[labels])
            kernel, bias = regression.solve(l2)
            predicted = (test @ kernel + bias).argmax(axis=1)
            top_1[n].append(float((predicted == data.test.labels).mean()))
    return FewShot({n: tuple(values) for n, values in top_1.items()}, len(test), train.shape[1])


def features_model(model: keras.Model, layer: str | None = None) -> keras.Model:
    """The part of a model that gives features `(batch, width)`; see `fewshot`.

    Raises:
        ValueError: there is no such layer, or its output is of another shape.
    """
    head = model.layers[-1]
    output = None
    if layer is not None:
        output = model.get_layer(layer).output
    elif isinstance(head, keras.layers.Dense):
        output = head.input
    named = f"{model.name}_features"  # The same in each process, for `cache`.
    body = model if output is None else keras.Model(model.input, output, name=named)
    shape = body.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            f"The features of {model.name} have shape {shape} and must be (batch, width). Name the "
            "layer that gives such features, or build the model with a pooling."
        )
    return body


def _place(cache, model: keras.Model, body: keras.Model, split: Split, crop: str) -> pathlib.Path:
    """The file for the features of these pictures by these weights on this backend."""
    digest = hashlib.sha256()
    made_of = (
        keras.backend.backend(),
        keras.__version__,
        body.to_json(),
        record_of(model),
        split.fingerprint(),
        crop,
    )
    digest.update(repr(made_of).encode())
    _add_pictures(digest, split)
    for variable in body.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return pathlib.Path(cache) / f"{digest.hexdigest()[:32]}.npy"


def _add_pictures(digest, split: Split) -> None:
    """Adds to a hash what a fingerprint, which is of names and labels, does not say of pictures."""
    if isinstance(split, RecordSplit):
        return  # Its fingerprint is of the files of records, which nobody changes.
    for picture in split.pictures:
        if isinstance(picture, np.ndarray):
            digest.update(repr(picture.shape).encode())
            digest.update(np.ascontiguousarray(picture).data)
        elif isinstance(picture, bytes):
            digest.update(picture)
        else:
            about = os.stat(picture)
            digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())


def _keep(file: pathlib.Path, array: np.ndarray) -> None:
    make_folder(file.parent)
    with in_one_step(file) as temporary, open(temporary, "wb") as opened:
        np.save(opened, array)


def _kept(file: pathlib.Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)  # No more than the file holds.
        if (array.shape, str(array.dtype)) != (shape, "float32"):
            raise ValueError(f"{array.dtype} of shape {array.shape}, not float32 of {shape}")
    except Exception as error:  # NumPy raises many kinds.
        raise_system_fault(error, file)
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{file}, which keeps features, is damaged: {reason}. Remove it, and they are computed "
            "again."
        ) from error
    return array.astype("float64")


def _choose(data: ImageData, most: int, seed: int) -> list[np.ndarray]:
    """For each class the places of `most` training images."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(data.train.labels == label) for label in range(data.classes)]
    for name, own in zip(data.label_names, places, strict=True):
        if len(own) < most:
            raise ValueError(
                f"The class {name} of {data.name} has {len(own)} training images and {most} shots "
                f"are asked for. Ask for at most {min(map(len, places))}."
            )
    return [rng.permutation(own)[:most] for own in places]
