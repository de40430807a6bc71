"""The model that a recipe asks for."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_mixer.arguments import pair, whole
from keras_mixer.distribution import current
from keras_mixer.layers import MixerLayer
from keras_mixer.models import Mixer, build_by_name
from keras_mixer.settings import pinned
from keras_mixer.specs import SPECS, MixerSpec
from keras_mixer.training.recipe import Recipe


def build_model(
    model: str | MixerSpec,
    recipe: Recipe,
    classes: int,
    *,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    **options: Any,
) -> keras.Model:
    """A model to train by a recipe, with the recipe's weights and precision; it gives logits.

    Args:
        model: a key of `SPECS`, a spec of your own, or the name of another model, as in
            `keras_mixer.models.build_by_name`.
        recipe: what it is trained by.
        classes: number of classes.
        image_size: height and width in pixels, or one integer for both; by default the model's
            own.
        seed: of the initial weights and of what is dropped. It is set as Keras' global seed.
        options: more arguments of `keras_mixer.Mixer`, such as `resolution`, `gelu_approximate`.

    Raises:
        ValueError: an unknown model, as `keras_mixer.Mixer` and `build_by_name`, or a model that
            lacks what the recipe asks for (see `check_model`).
    """
    classes, seed = whole(classes, "classes"), whole(seed, "seed", least=0)
    image_size = None if image_size is None else pair(image_size, "image_size")
    keras.utils.set_random_seed(seed)
    with pinned(), _policy(recipe.precision):
        if isinstance(model, str) and model not in SPECS:
            built = _other_model(model, recipe, classes, image_size, seed, options)
        else:
            spec = SPECS[model] if isinstance(model, str) else model
            built = _mixer(spec, recipe, classes, image_size or spec.image_size, seed, options)
    head = built.layers[-1]
    report = getattr(built, "load_report", None)
    if recipe.head_bias and (report is None or "head/bias" in report.fresh):
        head.bias.assign(keras.ops.full(head.bias.shape, recipe.head_bias))
    return built


@contextlib.contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _mixer(spec, recipe, classes, image_size, seed, options) -> keras.Model:
    current().check_widths(
        tokens_mlp_dim=spec.tokens_mlp_dim, channels_mlp_dim=spec.channels_mlp_dim
    )
    last = keras.config.image_data_format() == "channels_last"
    return Mixer(
        spec,
        weights=recipe.weights,
        input_shape=(*image_size, 3) if last else (3, *image_size),
        classes=classes,
        classifier_activation=None,
        dropout=recipe.dropout,
        stochastic_depth=recipe.stochastic_depth,
        remat=recipe.remat,
        seed=seed,
        **options,
    )


def _other_model(name, recipe, classes, image_size, seed, options) -> keras.Model:
    if options:
        raise ValueError(f"{name} is no Mixer and takes no {', '.join(options)}.")
    built = build_by_name(
        name, classes=classes, image_size=image_size, weights=recipe.weights, seed=seed
    )
    check_model(built, recipe.replace(head_bias=0.0), classes)
    return built


def check_model(model: keras.Model, recipe: Recipe, classes: int) -> None:
    """Raises unless a model that was built elsewhere is what the recipe asks for.

    Raises:
        ValueError: it has another number of classes, or lacks what the recipe asks of a model:
            dropout, stochastic depth, rematerialisation, a precision, the layers of a Mixer, the
            first bias of the head; or has batch normalisation where averages are asked for.
    """
    if model.output_shape != (None, classes):
        raise ValueError(
            f"{model.name} has output of shape {model.output_shape} and the data has {classes} "
            f"classes. Build it with `classes={classes}`."
        )
    blocks = [layer for layer in model.layers if isinstance(layer, MixerLayer)]
    last = blocks[-1] if blocks else None
    has = {
        "dropout": last.dropout if last else 0.0,
        "stochastic_depth": last.channel_depth.rate if last else 0.0,
        "remat": bool(last and last.remat),
        "layer_decay": recipe.layer_decay if last else 1.0,
        "lora_rank": recipe.lora_rank if last else 0,
        "precision": last.dtype_policy.name if last else _precision(model, recipe.precision),
    }
    for coarse in {"bfloat16", "float16"} & {has["precision"], model.dtype_policy.name}:
        raise ValueError(
            f"{model.name} holds its weights in {coarse}, too coarse for the steps of training. "
            "Build it under the policy float32 or mixed_bfloat16 (`keras.config.set_dtype_policy`)."
        )
    if recipe.ema is not None and _normalises_batches(model):
        raise ValueError(
            f"{model.name} has batch normalisation, whose statistics would not be those of the "
            f"averages that ema={recipe.ema!r} of the recipe {recipe.name} asks for. Use ema=None "
            "(--ema none)."
        )
    bias = getattr(model.layers[-1], "bias", None)
    if bias is not None and not keras.ops.convert_to_numpy(bias).any():  # A new head.
        has["head_bias"] = 0.0
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    for field, value in has.items():
        wanted = getattr(recipe, field)
        if wanted not in (value, defaults[field]):
            raise ValueError(
                f"The recipe {recipe.name} asks for {field}={wanted!r} and {model.name} has "
                f"{value!r}. Build it so, or use `recipe.replace({field}={value!r})`."
            )


def _precision(model: keras.Model, wanted: str) -> str:
    """What the layers with weights of a model of another kind compute in: `wanted`, if one does."""
    layers = [layer for layer in model._flatten_layers(include_self=False) if layer.weights]
    names = [layer.dtype_policy.name for layer in layers if not isinstance(layer, keras.Model)]
    return wanted if wanted in names or not names else names[0]


def _normalises_batches(model: keras.Model) -> bool:
    return any(
        isinstance(layer, keras.layers.BatchNormalization)
        or (isinstance(layer, keras.Model) and _normalises_batches(layer))
        for layer in model.layers
    )
