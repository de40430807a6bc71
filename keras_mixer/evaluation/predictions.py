"""What a model says of every picture, in a file that is judged without the model."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from keras_mixer.data import EvaluationBatches, Split
from keras_mixer.data.pipeline import image_size
from keras_mixer.data.tfds import RecordSplit
from keras_mixer.distribution import current, on_this_process
from keras_mixer.evaluation.accuracy import Accuracy, score
from keras_mixer.settings import pinned
from keras_mixer.training.losses import gives_logits
from keras_mixer.writing import in_one_step

_KIND = "predictions of keras_mixer, 1"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Probabilities, what they should be, and what made them.

    Args:
        probabilities: of each class for every picture, `(n, classes)`, float32 or float64.
        labels: class of each picture, `(n,)`, integers in [0, classes).
        names: what each picture is called, as in `picture_names`.
        label_names: names of the classes, in order.
        data: name or path of the data set.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        model: what the model is called.
        backend: of Keras.

    Raises:
        ValueError: shapes, types or ranges that do not fit together.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    label_names: Sequence[str]
    data: str = ""
    crop: str = ""
    model: str = ""
    backend: str = ""

    def __post_init__(self) -> None:
        p, labels = self.probabilities, self.labels
        if p.ndim != 2 or p.dtype not in ("float32", "float64"):
            raise ValueError(
                "Probabilities must be float32 or float64 of shape (n, classes). Received: "
                f"{p.dtype} of shape {p.shape}"
            )
        if labels.dtype.kind != "i" or labels.shape != p.shape[:1]:
            raise ValueError(
                f"Labels must be integers of shape ({len(p)},). Received: {labels.dtype} of shape "
                f"{labels.shape}"
            )
        if (len(self.names), len(self.label_names)) != p.shape:
            raise ValueError(
                f"Probabilities of shape {p.shape} need as many names of pictures and of classes. "
                f"Received: {len(self.names)} and {len(self.label_names)}"
            )
        if len(p) == 0 or labels.min() < 0 or labels.max() >= p.shape[1]:
            raise ValueError(
                f"There must be pictures, with labels from 0 to {p.shape[1] - 1}. Received: "
                f"{sorted(set(labels.tolist()))[-5:]}"
            )
        if (p < 0).any() or (p > 1.001).any():  # Rounded sums; NaN passes, and earns nothing.
            raise ValueError(
                "Probabilities must be in [0, 1]. Received: values from "
                f"{np.nanmin(p):g} to {np.nanmax(p):g}"
            )

    @classmethod
    def of(
        cls,
        model: keras.Model,
        split: Split,
        *,
        crop: str = "resmall_crop",
        batch_size: int = 64,
        verbose="auto",
        label_names: Sequence[str] | None = None,
        data: str = "",
        name: str | None = None,
    ) -> "Predictions":
        """What a classifier says of every picture of a split, a last partial batch included.

        Args:
            model: as in `predict`.
            split: pictures with labels, numbered as the model's classes.
            crop: as in `predict`.
            batch_size: images at a time.
            verbose: as in `model.predict`.
            label_names: names of the classes; by default their numbers.
            data: name or path of the data set.
            name: what to call the model; by default its own name.

        Raises:
            ValueError: a label is not one of the model's classes, or as in `predict`.
        """
        classes = model.output_shape[-1]
        for label in (min(split.labels, default=0), max(split.labels, default=0)):
            if not 0 <= label < classes:
                raise ValueError(f"A label is {label} and {model.name} has {classes} classes.")
        return cls(
            predict(model, split, crop=crop, batch_size=batch_size, verbose=verbose),
            np.asarray(split.labels, "int64"),
            tuple(picture_names(split)),
            tuple(map(str, range(classes) if label_names is None else label_names)),
            data,
            crop,
            name or model.name,
            keras.backend.backend(),
        )

    def score(self) -> Accuracy:
        """Judges them."""
        return score(self.probabilities, self.labels)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` file without pickles, whole or not at all."""
        fields = dataclasses.fields(self)[2:]
        about = {"kind": _KIND, **{field.name: getattr(self, field.name) for field in fields}}
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_one_step(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                probabilities=self.probabilities,
                labels=self.labels,
                about=np.frombuffer(json.dumps(about).encode(), "uint8"),
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Predictions":
        """Reads a file that `save` wrote, on any backend.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is damaged, or another kind of file.
        """
        with open(path, "rb") as file:
            try:
                arrays = np.load(file, allow_pickle=False)
                about = json.loads(arrays["about"].tobytes())
                if about.pop("kind") != _KIND:
                    raise ValueError("of another kind")
                for name, value in about.items():
                    texts = value if name in ("names", "label_names") else [value]
                    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
                        raise ValueError(f"{name} is no text")
                return cls(arrays["probabilities"], arrays["labels"], **about)
            except Exception as error:  # NumPy and zipfile raise many kinds.
                raise ValueError(
                    f"{path} is not a file of predictions, or is damaged; write it again with "
                    f"keras-mixer evaluate --predictions ({' '.join(str(error).split())})"
                ) from error


def picture_names(split: Split) -> Sequence[str]:
    """Names of the files that the pictures of a split come from, as far as they are known."""
    return split.file_names if isinstance(split, RecordSplit) else split.names


class _Unlabelled(Split):
    """The pictures of a split, all with the label 0."""

    def __init__(self, split: Split):
        super().__init__(split.pictures, np.zeros(len(split), int), split.names)
        self._split = split

    def __getitem__(self, index: int) -> tuple:
        return self._split[index][0], 0


def predict(
    model: keras.Model,
    split: Split,
    *,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    verbose="auto",
) -> np.ndarray:
    """Probabilities of each class for every picture, `(n, classes)` in float64.

    Args:
        model: from RGB images to `(batch, classes)`, logits or probabilities; the images are
            prepared as its weights ask for, in [-1, 1] for a model of another kind.
        split: pictures; their labels are not looked at.
        crop: a key of `keras_mixer.data.EVALUATION_CROPS`.
        batch_size: images at a time.
        verbose: as in `model.predict`.

    Raises:
        ValueError: an unknown crop, no pictures, a model that does not take RGB images, or scores
            that are not finite.
    """
    parts = current().replicas
    batches = EvaluationBatches(
        _Unlabelled(split),
        model.output_shape[-1],
        image_size(model),
        -(-batch_size // parts) * parts,
        crop=crop,
        weights=model,
        parts=parts,
    )
    with pinned(), on_this_process(model) as model:
        # What fills up the last batch comes last.
        scores = model.predict(batches, verbose=verbose)[: len(split)]
    bad = np.flatnonzero(~np.isfinite(np.asarray(scores, "float64")).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{model.name} gives numbers that are not finite for {bad.size:,} of {len(split):,} "
            f"images, the first of them {split.names[bad[0]]}. Its weights may be damaged, or of a "
            "training that diverged: load them anew, or train with a lower rate."
        )
    return probabilities_of(model, scores)


def probabilities_of(model: keras.Model, scores: np.ndarray) -> np.ndarray:
    """What a classifier gave, `(n, classes)`, as probabilities in float64."""
    scores = np.asarray(scores, "float64")
    return softmax(scores) if gives_logits(model) else scores


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, `(n, classes)` both."""
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def evaluate(
    model: keras.Model,
    split: Split,
    *,
    crop: str = "resmall_crop",
    batch_size: int = 64,
    verbose="auto",
) -> Accuracy:
    """Judges a classifier on every picture of a split: `Predictions.of`, then their `score`.

    Raises:
        ValueError: as in `Predictions.of`.
    """
    return Predictions.of(model, split, crop=crop, batch_size=batch_size, verbose=verbose).score()
