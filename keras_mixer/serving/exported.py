"""An exported file as a classifier, run by its own runtime, without Keras."""

import os

import numpy as np

from keras_mixer import export
from keras_mixer.data.transforms import Resampling
from keras_mixer.evaluation.predictions import softmax
from keras_mixer.export import metadata
from keras_mixer.serving.classifier import Classifier


class ExportedClassifier(Classifier):
    """What `keras_mixer.export` wrote, with the names and the crop that lie beside it.

    Args:
        path: of the file or the SavedModel; its description, `PATH.json`, lies beside it.
        name: what to call it; by default the model's name.

    Raises:
        FileNotFoundError: it, or its description, is not there.
        ModuleNotFoundError: its runtime is not installed.
        ValueError: its description is damaged or of another file, or as in `Classifier`.

    Example:
        `ExportedClassifier("model.onnx").classify([pixels], top=3)`
    """

    def __init__(self, path: str | os.PathLike, *, name: str | None = None):
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no {path}.")
        about = metadata.read(path)
        taken, given = about["input"], about["output"]
        self._channels_last = taken["layout"] == "NHWC"
        shape = taken["shape"][1:]
        height, width = shape[:2] if self._channels_last else shape[1:]
        self._taken = taken
        self._logits = given["values"] == "logits"
        try:
            self._run = export.load(path, about["format"])
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"{os.path.basename(path)} needs {error.name}, which is not installed. Run: "
                f'pip install "keras-mixer[{export.FORMATS[about["format"]].extra}]"',
                name=error.name,
            ) from error
        self.model = None
        self._describe(
            name or about["model"],
            given["shape"][-1],
            about.get("labels"),
            (height, width),
            taken["crop"],
            Resampling(taken["interpolation"], taken.get("antialias") is not False),
        )
        self._check_scores(path)

    def _check_scores(self, path) -> None:
        """Runs the file once: it may be another one than that which its description tells of."""
        black = self.prepare(np.zeros((*self.image_size, 3), "uint8"))[None]
        try:
            shape = self.probabilities(black).shape
        except Exception as error:  # Each runtime has its own kinds.
            first = (str(error).strip().splitlines() or [""])[0]
            raise ValueError(
                f"{path} does not take what {metadata.path_of(path).name} beside it says: "
                f"{type(error).__name__}: {first[:300]}"
            ) from error
        if shape != (1, len(self.label_names)):
            raise ValueError(
                f"{path} gives scores of shape {shape} for an image, and {metadata.path_of(path)} "
                f"tells of {len(self.label_names)} classes; the two do not belong together."
            )

    def scale(self, seen: np.ndarray) -> np.ndarray:
        """See `Classifier.scale`."""
        image = seen.astype("float32") * self._taken["scale"] + self._taken["offset"]
        image = image.astype("float32")
        return image if self._channels_last else np.moveaxis(image, -1, 0)  # h w c -> c h w

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """See `Classifier.probabilities`."""
        images = np.ascontiguousarray(images.astype(self._taken["dtype"]))
        with self.lock:
            scores = np.asarray(self._run(images), "float64")
        return softmax(scores) if self._logits else scores
