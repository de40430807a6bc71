"""Whether a file computes what the Keras model does, on pictures."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_mixer.data import EvaluationBatches, Split
from keras_mixer.data.pipeline import image_size
from keras_mixer.evaluation import probabilities_of
from keras_mixer.export.graph import pixels_to_input
from keras_mixer.export.runtimes import Runner

TOLERANCE = 1e-4  # float32 leaves some 1e-6; a wrong GELU or range of pixels 1e-3 and more.
INT8_LOSS = 0.01  # Of the top-1, or of the agreement where there are no labels.
SIZES = (1, 3, 8)  # Numbers of images in a batch that are tried besides.
ROUNDS = 20


class MismatchError(ValueError):
    """A written file gives other results than the Keras model; it is kept."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A file beside the Keras model that it was written from.

    Args:
        images: how many pictures both have seen.
        difference: the largest, as a share of the largest output of the model or of 1 where that
            is less.
        agreement: share of the pictures whose highest score is of the same class, in [0, 1].
        keras_top_1: share of the pictures that the model names rightly; `None` without labels.
        top_1: the same of the file.
        keras_seconds: of the model on one picture, the median of calls in turn with the file's.
        seconds: of the file on one picture.
    """

    images: int
    difference: float
    agreement: float
    keras_top_1: float | None
    top_1: float | None
    keras_seconds: float
    seconds: float

    def problem(self, quantize: str = "none", tolerance: float = TOLERANCE) -> str | None:
        """What is wrong with the file, or `None`.

        A file in float32 must differ by no more than `tolerance` and agree on every picture. One
        of int8 may lose up to a hundredth of the top-1 or, without labels, of the agreement.
        """
        found = f"on {self.images:,} images"
        if quantize == "none":
            if not self.difference <= tolerance:  # NaN, too.
                return f"differs by {self.difference:.2g} {found}; {tolerance:g} is allowed"
            if self.agreement < 1:
                return f"names the same class for {self.agreement:.2%} {found}; 100 % are needed"
        elif self.top_1 is not None and self.keras_top_1 is not None:
            # Floating point has 0.29 - 0.28 below 0.01.
            if round(self.keras_top_1 - self.top_1, 9) >= INT8_LOSS:
                return (
                    f"has a top-1 of {self.top_1:.2%} {found}, the model {self.keras_top_1:.2%}; "
                    f"less than {100 * INT8_LOSS:g} points may be lost"
                )
        elif not 1 - self.agreement < INT8_LOSS:
            return (
                f"names the same class for {self.agreement:.2%} {found}; more than "
                f"{1 - INT8_LOSS:.0%} are needed"
            )
        return None


def compare(
    model: keras.Model,
    run: Runner,
    split: Split,
    *,
    preprocessing: bool = False,
    crop: str = "resmall_crop",
    labelled: bool = True,
    batch_size: int = 64,
) -> Comparison:
    """Runs a file and the Keras model on the same pictures, in batches of several sizes.

    Args:
        model: that the file was written from, in float32.
        run: the file, as `load` gives it.
        split: pictures.
        preprocessing: whether the file takes pixels and gives probabilities.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        labelled: whether the labels of `split` are the model's.
        batch_size: images at a time.

    Raises:
        ValueError: no pictures, or an unknown crop.
    """
    classes = model.output_shape[-1]
    batches = EvaluationBatches(
        split, classes, image_size(model), batch_size, crop=crop, weights=model
    )
    scale, offset = pixels_to_input(model)

    def wanted(images: np.ndarray) -> np.ndarray:
        scores = keras.ops.convert_to_numpy(model.predict_on_batch(images)).astype("float64")
        return probabilities_of(model, scores) if preprocessing else scores

    def taken(images: np.ndarray) -> np.ndarray:
        """What the file takes. Pixels were whole numbers before they were prepared."""
        if not preprocessing:
            return np.ascontiguousarray(images)
        pixels = np.rint((images - offset) / scale)
        return np.ascontiguousarray(pixels.astype("uint8"))

    expected, found, first = [], [], None
    for i in range(len(batches)):
        images, _ = batches[i]
        expected.append(wanted(images))
        found.append(run(taken(images)))
        first = images if first is None else first
    assert first is not None
    whole = np.concatenate(expected)
    pairs = [(np.concatenate(found), whole)]
    for size in [size for size in SIZES if size <= len(first)]:
        pairs.append((run(taken(first[:size])), whole[:size]))
    largest = max(1.0, float(np.abs(whole).max()))
    difference = max(float(_distance(got, right)) for got, right in pairs) / largest
    named, right = pairs[0][0].argmax(axis=1), whole.argmax(axis=1)
    labels = np.asarray(split.labels)
    image, same = first[:1], taken(first[:1])
    seconds = _in_turn(lambda: wanted(image), lambda: run(same))
    return Comparison(
        len(whole),
        difference,
        float(np.mean(named == right)),
        float(np.mean(right == labels)) if labelled else None,
        float(np.mean(named == labels)) if labelled else None,
        *seconds,
    )


def _distance(got: np.ndarray, right: np.ndarray) -> float:
    if got.shape != right.shape:
        raise MismatchError(f"The file gives scores of shape {got.shape}, the model {right.shape}.")
    return np.abs(got - right).max()


def _in_turn(*calls: Callable[[], Any]) -> Sequence[float]:
    """The median seconds of each call, all in turn, after three that do not count."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(3 + ROUNDS):
        for each, call in zip(taken, calls, strict=True):
            begun = time.perf_counter()
            call()
            each.append(time.perf_counter() - begun)
    return [statistics.median(each[3:]) for each in taken]
