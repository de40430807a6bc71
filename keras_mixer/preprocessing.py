"""From pixels to what a Mixer expects, and from what it says to names."""

import sys

import numpy as np

from keras_mixer.arguments import whole
from keras_mixer.weights import WeightsRecord, class_names, records_named


def preprocess_input(x, weights=None):
    """Maps pixels in [0, 255] to the floats that weights were trained on.

    That is `x / 127.5 - 1`, in [-1, 1], for Google's weights and for training of one's own, and
    `x / 255` for MIIL's.

    Works on NumPy arrays and on tensors of any framework, whatever the Keras backend, so also
    inside a `tf.data` pipeline under JAX or PyTorch. The input is never changed.

    Args:
        x: images of any shape with values in [0, 255], integer or floating, RGB where there are
            three channels; an array, a tensor or a Keras tensor.
        weights: the name of published weights, their `WeightsRecord`, or a model, which knows what
            it began from and whether it does this itself; `None` for [-1, 1].

    Returns:
        The same kind of array or tensor; float32 for integers, else of the input's own type.

    Raises:
        ValueError: `x` is neither an array nor a tensor, `weights` are unknown, or a model has
            parts that take other pixels.
    """
    return prepared(x, rule_of(weights))


def prepared(x, rule: tuple[float, float]):
    """What `preprocess_input` gives, by a rule that was found before, as for many pictures."""
    divisor, offset = rule
    if hasattr(x, "__array_interface__") or isinstance(x, list | tuple | int | float):
        x = np.asarray(x)
        return (x if x.dtype.kind == "f" else x.astype("float32")) / divisor + offset
    if not hasattr(x, "dtype"):
        raise ValueError(f"`x` must be an array or a tensor of pixels. Received: {type(x)!r}")
    if "float" not in str(x.dtype):
        x = _float32(x)
    return x / divisor + offset


def scale_and_offset(weights) -> tuple[float, float]:
    """What `preprocess_input` does for such weights, as `x * scale + offset`."""
    divisor, offset = rule_of(weights)
    return 1 / divisor, offset


def record_of(weights) -> WeightsRecord | None:
    """The record that says how pictures are prepared; `None` for weights of one's own.

    Args:
        weights: as in `preprocess_input`; of a model, the first one of it and its parts. Records of
            one name differ in architecture alone.
    """
    if hasattr(weights, "layers"):
        own = getattr(weights, "mixer_weights", None)
        return own or next((record for _, record in _readers(weights) if record), None)
    if weights is None or isinstance(weights, WeightsRecord):
        return weights
    if isinstance(weights, str):
        return records_named(weights)[0]
    raise ValueError(
        "`weights` must be the name of published weights, a WeightsRecord, a model or None. "
        f"Received: {type(weights)!r}"
    )


def _models(model, prepares=False):
    """A model and those within: layers, record, and whether it or one around it prepares pixels."""
    layers = [getattr(layer, "layer", layer) for layer in model.layers]  # What a wrapper holds.
    prepares = prepares or any(
        layer.name == "preprocessing" and type(layer).__name__ == "Rescaling" for layer in layers
    )
    yield layers, getattr(model, "mixer_weights", None), prepares
    for layer in layers:
        if hasattr(layer, "layers"):
            yield from _models(layer, prepares)


def _readers(model) -> list[tuple[bool, WeightsRecord | None]]:
    """Of each `Patches` in a model: whether its pixels come prepared, and its record.

    Where there is none, as in a Mixer that is a convolutional network, of each model within.
    """
    models = list(_models(model))
    found = [
        (prepares, layer.record)
        for layers, _, prepares in models
        for layer in layers
        if type(layer).__name__ == "Patches" and type(layer).__module__.startswith("keras_mixer.")
    ]
    try:
        read = [
            (prepares, None if fields is None else WeightsRecord(**fields))
            for prepares, fields in found
        ]
    except TypeError as error:
        raise ValueError(f"{model.name} does not say what its weights are: {error}") from error
    wholes = [(prepares, record) for _, record, prepares in models if record or prepares]
    return read or wholes


def rule_of(weights) -> tuple[float, float]:
    """The divisor of the pixels and what is then added, for weights as in `preprocess_input`."""
    readers = _readers(weights) if hasattr(weights, "layers") else [(False, record_of(weights))]
    rules = {(1.0, 0.0) if prepares else _numbers(record) for prepares, record in readers}
    if len(rules) > 1:
        raise ValueError(
            f"{weights.name} has parts that take other pixels: "
            f"{', '.join(f'x / {divisor:g} + {offset:g}' for divisor, offset in sorted(rules))}. "
            "Build each with `include_preprocessing=True`."
        )
    return rules.pop() if rules else _numbers(None)


def _numbers(record: WeightsRecord | None) -> tuple[float, float]:
    if record is None:
        return 127.5, -1.0
    return 255 * record.std, -record.mean / record.std


def _float32(x):
    """`x` cast by the framework that it belongs to."""
    framework = type(x).__module__.partition(".")[0]
    if framework == "tensorflow":
        return sys.modules["tensorflow"].cast(x, "float32")
    if framework == "torch":
        return x.float()
    if framework == "keras":
        return sys.modules["keras"].ops.cast(x, "float32")
    return x.astype("float32")


def decode_predictions(preds, top: int = 5, weights="imagenet"):
    """Names the classes with the highest scores, as `keras.applications` does.

    Args:
        preds: scores `(batch, classes)`, an array or a tensor.
        top: how many classes to name for each image.
        weights: whose classes they are: the name of published weights of 1000 or 21843 classes, a
            `WeightsRecord`, or a sequence of names, such as `load_run(path).label_names`.

    Returns:
        For each image a list of `(id, name, score)`, highest first; `id` is a WordNet id, or the
        number of the class where the names are your own.

    Raises:
        ValueError: there are more or fewer names than scores, `preds` is not two-dimensional, or
            no list of these classes is public, as for MIIL's 11221.
        OSError: the list of names could not be fetched.
    """
    top = whole(top, "top")
    scores = np.asarray(preds.detach().cpu() if hasattr(preds, "detach") else preds)
    if scores.ndim != 2:
        raise ValueError(f"`preds` must be (batch, classes). Received shape: {scores.shape}")
    if isinstance(weights, str | WeightsRecord):
        record = record_of(weights)
        assert record is not None
        wanted, names = record.classes, None
    else:
        names = tuple((str(i), str(name)) for i, name in enumerate(weights))
        wanted = len(names)
    if scores.shape[1] != wanted:
        raise ValueError(
            f"`preds` has {scores.shape[1]} scores an image and `weights` stands for {wanted} "
            "classes. Pass the `weights` that the scores are of, or a sequence of their names."
        )
    if names is None:
        names = class_names(wanted)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [(*names[i], float(row[i])) for i in order] for row, order in zip(scores, best, strict=True)
    ]
