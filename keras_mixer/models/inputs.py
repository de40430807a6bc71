"""What a model is handed: pixels of another type or size are refused before they are computed."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import keras

PREPARE = (
    "apply `keras_mixer.preprocess_input(x, weights=model)` first, or build it with "
    "`include_preprocessing=True`"
)


def check_images(model: keras.Model, inputs: Any) -> None:
    """Raises unless a model may be handed `inputs`, in whatever container.

    Keras on JAX checks no shapes within `fit`, `evaluate` and `predict`, and on no backend types.

    Args:
        model: a `MixerModel`.
        inputs: an array or a tensor, alone or in lists, tuples or dictionaries; anything else, such
            as a data set, is left to be seen batch by batch.

    Raises:
        ValueError: `inputs` are no floats where these are asked for, or of another size.
    """
    for x, declared in _pairs(model, inputs):
        kind = keras.backend.standardize_dtype(x.dtype)
        if declared is model.floats_in and "float" not in kind:
            raise ValueError(f"{model.name} received {kind} pixels. It expects floats: {PREPARE}.")
        if not _fits(tuple(x.shape), tuple(declared.shape)):
            raise ValueError(
                f"{model.name} received images of shape {tuple(x.shape)} and takes "
                f"{tuple(declared.shape)}. Resize or crop them, or build the model for their size "
                "(`input_shape`, `keras_mixer.change_resolution`)."
            )


def _pairs(model, inputs) -> list[tuple[Any, Any]]:
    """Each array in `inputs`, with what the model declares of it."""
    given = keras.tree.flatten(inputs)
    if isinstance(inputs, dict) and len(given) > 1:
        given = [inputs.get(declared.name) for declared in model.inputs]
    if len(given) != len(model.inputs):
        return []  # For Keras to refuse.
    return [(x, declared) for x, declared in zip(given, model.inputs, strict=True) if _is_image(x)]


def _is_image(x: Any) -> bool:
    shape = getattr(x, "shape", ())
    known = getattr(shape, "rank", 0) is not None  # TensorFlow may not know it.
    return known and hasattr(x, "dtype") and len(shape) > 1


def _fits(found: tuple, wanted: tuple) -> bool:
    if len(found) == len(wanted) + 1 and found[-1] == 1:  # Keras adds or takes such an axis.
        found = found[:-1]
    elif len(found) == len(wanted) - 1 and wanted[-1] == 1:
        found = (*found, 1)
    return len(found) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found[1:], wanted[1:], strict=True)
    )


def _warn_of_raw_pixels(model, inputs) -> None:
    """Warns where the first images in NumPy's arrays are whole numbers far above 1."""
    for x, declared in _pairs(model, inputs):
        if declared is model.floats_in and hasattr(x, "__array_interface__") and len(x):
            some = x[:2]
            if some.max() > 2.5 and some.min() >= 0 and (some == some.round()).all():
                warnings.warn(
                    f"{model.name} received whole numbers up to {some.max():g}, as raw pixels "
                    f"have, and expects floats in [-1, 1] or as its weights do: {PREPARE}.",
                    stacklevel=3,
                )


@contextlib.contextmanager
def _left_whole(model: keras.Model) -> Iterator[None]:
    """Lets a model go on where a call of Keras ends in an exception.

    On JAX Keras takes the variables out of a model whose compiled step has them, and when the first
    step raises something, nothing puts them back.
    """
    if keras.backend.backend() != "jax":
        try:
            yield
        except BaseException:
            # TensorFlow lets a function make variables in its first call only, even a failed one.
            model.train_function = model.test_function = model.predict_function = None
            raise
        return
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)  # As Keras is about to do.
    variables = [*model.variables, *getattr(optimizer, "variables", ())]
    before = [(variable, variable.value) for variable in variables]
    try:
        yield
    except BaseException as error:
        model.jax_state_sync()  # What the last step gave that was done.
        taken = [(variable, value) for variable, value in before if variable._value is None]
        for variable, value in taken:
            variable.assign(value)
        if any(variable._value is None for variable in model.metrics_variables):
            model.reset_metrics()
        if taken and isinstance(error, TypeError) and error.__context__ is not None:
            raise error.__context__ from None  # With averages Keras then fails at missing ones.
        raise


def guarded(method: Any) -> Any:
    """A method of `keras.Model` that looks at arrays first, and leaves the model whole."""

    @functools.wraps(method)
    def call(model, x=None, *args, **kwargs):
        check_images(model, x)
        if isinstance(validation := kwargs.get("validation_data"), tuple):
            check_images(model, validation[0])
        _warn_of_raw_pixels(model, x)
        with _left_whole(model):
            return method(model, x, *args, **kwargs)

    return call
