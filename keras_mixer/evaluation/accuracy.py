"""How often a model is right, from its probabilities alone: NumPy, the same on every backend."""

import dataclasses

import numpy as np

from keras_mixer.evaluation.calibration import Calibration


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What `score` found.

    Args:
        images: how many images were judged: all of the split.
        top_1: share whose highest score is their own class, in [0, 1].
        top_5: share whose own class is among the five highest, or `None` up to five classes.
        loss: mean cross-entropy in nats.
        per_class: top-1 of each class, NaN for a class without images, `(classes,)`.
        calibration: how far the confidence in the predicted class is from the accuracy.
        labels: class of each picture, `(n,)`.
        predicted: class predicted for each picture, as in `predicted_classes`, `(n,)`.
    """

    images: int
    top_1: float
    top_5: float | None
    loss: float
    per_class: np.ndarray
    calibration: Calibration
    labels: np.ndarray
    predicted: np.ndarray

    @property
    def confusion(self) -> np.ndarray:
        """Number of pictures of each class (row) taken for each class (column).

        `(classes, classes)`; made when it is asked for, as that of 21,843 classes takes 3.8 GB.
        """
        classes = len(self.per_class)
        counts = np.zeros((classes, classes), "int64")
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts


def score(probabilities: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Judges predictions.

    Args:
        probabilities: of each class for every picture, `(n, classes)`.
        labels: class of each picture, `(n,)`.
    """
    classes = probabilities.shape[1]
    predicted = predicted_classes(probabilities, labels)
    own, surety = (
        np.take_along_axis(probabilities, chosen[:, None], axis=1) for chosen in (labels, predicted)
    )
    right = predicted == labels
    # Ties count against the model here too, and so does what is not a number.
    rank = (~(probabilities < own)).sum(axis=1)
    counts = np.bincount(labels, minlength=classes)
    per_class = np.full(classes, np.nan)
    hits = np.bincount(labels, weights=right, minlength=classes)
    np.divide(hits, counts, out=per_class, where=counts > 0)
    tiny = np.finfo("float64").tiny
    return Accuracy(
        images=len(labels),
        top_1=float(right.mean()),
        top_5=float((rank <= 5).mean()) if classes > 5 else None,
        loss=float(-np.log(np.maximum(own.astype("float64"), tiny)).mean()),
        per_class=per_class,
        calibration=Calibration.of(surety[:, 0], right),
        labels=labels,
        predicted=predicted,
    )


def predicted_classes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class predicted for each picture, that of the highest score, `(n,)`.

    A tie counts against the model: the own class is predicted only where its score is above all
    others, so that constant scores earn nothing. Nor does what is not a number.

    Args:
        probabilities: of each class for every picture, `(n, classes)`.
        labels: class of each picture, `(n,)`.
    """
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    others = probabilities.copy()
    np.put_along_axis(others, labels[:, None], -np.inf, axis=1)
    return np.where(own > others.max(axis=1), labels, others.argmax(axis=1))
