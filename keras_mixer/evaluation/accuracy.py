"""How often a model is right."""

import dataclasses

import keras
import numpy as np

from keras_mixer.data import EvaluationBatches, Split
from keras_mixer.data.pipeline import image_size
from keras_mixer.training.losses import gives_logits


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What `evaluate` found.

    Args:
        images: how many images were judged: all of the split.
        top_1: share whose highest score is their own class, in [0, 1].
        top_5: share whose own class is among the five highest, or `None` up to five classes.
        loss: mean cross-entropy in nats.
        per_class: top-1 of each class, NaN for a class without images, `(classes,)`.
    """

    images: int
    top_1: float
    top_5: float | None
    loss: float
    per_class: np.ndarray


def evaluate(
    model: keras.Model,
    split: Split,
    *,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    verbose="auto",
) -> Accuracy:
    """Judges a classifier on every picture of a split, a last partial batch included.

    Args:
        model: from RGB images to `(batch, classes)`, logits or probabilities; the images are
            prepared as its weights ask for, in [-1, 1] for a model of another kind.
        split: pictures with labels, numbered as the model's classes.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        batch_size: images at a time.
        verbose: as in `model.predict`.

    Raises:
        ValueError: a label is beyond the model's classes, or as in `predict`.
    """
    classes = model.output_shape[-1]
    if max(split.labels, default=0) >= classes:
        raise ValueError(f"A label is {max(split.labels)} and {model.name} has {classes} classes.")
    probabilities = predict(model, split, crop=crop, batch_size=batch_size, verbose=verbose)
    return score(probabilities, split.labels)


def score(probabilities: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Judges predictions.

    Args:
        probabilities: of each class for every picture, `(n, classes)`.
        labels: class of each picture, `(n,)`.
    """
    classes = probabilities.shape[1]
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    # Ties count against the model, so that constant scores earn nothing.
    rank = (probabilities >= own).sum(axis=1)
    right = rank == 1
    counts = np.bincount(labels, minlength=classes)
    per_class = np.full(classes, np.nan)
    hits = np.bincount(labels, weights=right, minlength=classes)
    np.divide(hits, counts, out=per_class, where=counts > 0)
    tiny = np.finfo("float64").tiny
    return Accuracy(
        images=len(labels),
        top_1=float(right.mean()),
        top_5=float((rank <= 5).mean()) if classes > 5 else None,
        loss=float(-np.log(np.maximum(own, tiny)).mean()),
        per_class=per_class,
    )


def predict(
    model: keras.Model,
    split: Split,
    *,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    verbose="auto",
) -> np.ndarray:
    """Probabilities of each class for every picture, `(n, classes)` in float64.

    Raises:
        ValueError: an unknown crop, no pictures, or a model that does not take RGB images.
    """
    batches = EvaluationBatches(
        split, model.output_shape[-1], image_size(model), batch_size, crop=crop, weights=model
    )
    scores = np.asarray(model.predict(batches, verbose=verbose), "float64")
    if not gives_logits(model):
        return scores
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
