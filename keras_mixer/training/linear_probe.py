"""A head in closed form: l2-regularised linear regression from frozen features."""

import keras
import numpy as np

from keras_mixer.data import EvaluationBatches, ImageData
from keras_mixer.data.pipeline import image_size
from keras_mixer.distribution import current
from keras_mixer.training.adapt import head_of


class Regression:
    """Linear regression of labels in {-1, 1} on features, in one pass and constant memory.

    The paper's few-shot protocol (https://arxiv.org/abs/2105.01601, section 3) with the details of
    google-research/big_vision (`fewshot_lsr`): features are whitened, a constant `bias` is
    appended to them, and the squared norm of all coefficients is penalised by `l2`.

    Args:
        features: number of features.
        classes: number of classes.
    """

    def __init__(self, features: int, classes: int):
        self.images = 0
        self._sum = np.zeros(features)
        self._products = np.zeros((features, features))
        self._targets = np.zeros((features, classes))
        self._counts = np.zeros(classes)

    def add(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Takes in images: features `(n, features)` and one-hot labels `(n, classes)`."""
        features, labels = np.asarray(features, "float64"), np.asarray(labels, "float64")
        self.images += len(features)
        self._sum += features.sum(axis=0)
        self._products += features.T @ features
        self._targets += features.T @ (2 * labels - 1)
        self._counts += (2 * labels - 1).sum(axis=0)

    def solve(self, l2: float = 1024.0, bias: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
        """Kernel `(features, classes)` and bias `(classes,)` that act on features as they are."""
        n, mean = self.images, self._sum / self.images
        variance = np.diag(self._products) / n - mean**2
        scale = 1 / (np.sqrt(np.maximum(variance, 0)) + 1e-5)
        # Products of the whitened features, and of the targets with them.
        products = (self._products - n * np.outer(mean, mean)) * np.outer(scale, scale)
        targets = (self._targets - np.outer(mean, self._counts)) * scale[:, None]
        # The constant meets whitened features, which sum to zero, so it stands for itself.
        kernel = np.linalg.solve(products + l2 * np.eye(len(mean)), targets)
        constant = bias**2 * self._counts / (n * bias**2 + l2)
        kernel = kernel * scale[:, None]
        return kernel, constant - mean @ kernel


def start_from_linear_probe(
    model: keras.Model, data: ImageData, *, crop: str, batch_size: int
) -> None:
    """Sets the head of a classifier to the regression on all of `data.train`.

    Args:
        model: ends in a dense layer on its features, without activation or with a softmax.
        data: the images; they are prepared as for evaluation.
        crop: a key of `EVALUATION_CROPS`.
        batch_size: images at a time.

    Raises:
        ValueError: the model has no such head.
    """
    head = head_of(model)
    if not isinstance(head, keras.layers.Dense):
        raise ValueError(
            f"`linear_probe` needs a head that is a Dense layer; {model.name} ends in "
            f"{type(head).__name__}."
        )
    body = keras.Model(model.input, head.input)
    regression = Regression(head.input.shape[-1], data.classes)
    batches = EvaluationBatches(
        data.train,
        data.classes,
        image_size(model),
        batch_size,
        crop=crop,
        weights=model,
        parts=current().replicas,
    )
    for number in range(len(batches)):
        x, y, *_ = batches[number]
        there = y.any(axis=1)  # The rest fills up the last batch.
        features = keras.ops.convert_to_numpy(body.predict_on_batch(x))
        regression.add(features[there], y[there])
    kernel, bias = regression.solve()
    head.kernel.assign(kernel.astype("float32"))
    head.bias.assign(bias.astype("float32"))
