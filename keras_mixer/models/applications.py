"""The constructors: build, then load."""

import contextlib
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec

import keras

from keras_mixer.arguments import rate, seed_or_none, whole
from keras_mixer.layers.initial import stored_weights_follow
from keras_mixer.models.mixer import build_mixer, image_input
from keras_mixer.preprocessing import scale_and_offset
from keras_mixer.specs import SPECS, MixerSpec
from keras_mixer.weights import Weights, assign, check_resolution, fit_to_image, open_weights

P = ParamSpec("P")


def Mixer(
    spec: MixerSpec,
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor=None,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    *,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    resolution: str = "expand",
    gelu_approximate: bool | None = None,
    epsilon: float = 1e-6,
    include_preprocessing: bool = False,
    seed: int | None = None,
    remat: bool = False,
    token_mixing: str = "shared",
    groups: int | None = None,
    pyramid: Mapping[int, int] | None = None,
) -> keras.Model:
    """Builds an MLP-Mixer of any architecture.

    MLP-Mixer, https://arxiv.org/abs/2105.01601. The arguments up to `name` are those of
    `keras.applications`, and mean the same but where said.

    Args:
        spec: the architecture, a row of `keras_mixer.SPECS` or a `keras_mixer.MixerSpec` of your
            own. The named constructors, `MixerB16` and so on, supply it.
        include_top: whether to end in the classification head.
        weights: the name of published weights, a row of `keras_mixer.weights.WEIGHTS`, fetched
            once; the path of a weight file: `.keras`, `.weights.h5`, Google's `.npz`, timm's
            `.safetensors` or `.pth`; or `None` for random initial weights, never chosen for you.
        input_tensor: a Keras tensor of images to build the model on.
        input_shape: `(height, width, channels)`, or `(channels, height, width)` under
            `"channels_first"`; by default the spec's size with 3 channels. Any height and width
            that are whole numbers of patches, and any number of channels.
        pooling: without the head, `None` for the tokens `(batch, tokens, hidden_size)`, `"avg"`
            or `"max"` for one vector `(batch, hidden_size)`.
        classes: number of classes of the head. `None` takes the weights' own number, or 1000
            without weights. Another number than the weights' own gives the pretrained body under
            a new head of zeros, which `model.load_report` says.
        classifier_activation: activation of the head; `None` for logits.
        name: name of the model.
        dropout: rate of dropout inside both MLPs of each layer.
        stochastic_depth: rate at the last MLP; it grows linearly from 0 at the first.
        resolution: how weights of another image size are brought to this one. `"expand"`, the
            paper's rule (appendix C), for a whole number of times the rows and columns of tokens:
            each tile of the image keeps its own copy of the token-mixing MLP, whose hidden width
            grows alike. `"interpolate"` resamples each token-mixing unit as a picture, for any
            size.
        gelu_approximate: `True` for the tanh form of GELU, `False` for the exact form. `None` takes
            the form that the weights were trained with, tanh where there are none or the file
            does not say; a file of timm must be told, for timm has models of both.
        epsilon: of every layer normalisation.
        include_preprocessing: whether the model itself takes pixels in [0, 255], of any type.
            Without it the model expects `keras_mixer.preprocess_input(pixels, weights=...)`, that
            is [-1, 1] but for MIIL's weights, and refuses integers.
        seed: integer seed of dropout and stochastic depth.
        remat: whether each layer's activations are computed again in the backward pass, for
            training in less memory; not with `dropout`.
        token_mixing: `"shared"`, one token-mixing MLP for all channels of a layer, or an ablation
            of the paper's appendix A.1: `"untied"`, one for each channel; `"grouped"`, one on
            `groups` neighbouring channels at once; `"views"`, the same on learned linear views of
            the channels. `keras_mixer.layers.TokenMixing` has the definitions.
        groups: number of channels that are mixed at once, G, for `"grouped"` and `"views"`.
        pyramid: `{4: 49}` has 49 tokens come out of the token mixing of `mixer_block_4`, fewer than
            go in, and stay from there on (appendix A.1, pyramid). There is no residual connection
            around such a token mixing, nor stochastic depth of it.

    Published weights are those of plain Mixers. A model with one of the last three arguments takes
    only the weights of a model like itself, of the same image size.

    Returns:
        A functional `keras.Model` from images `(batch, height, width, channels)` to class scores
        `(batch, classes)`, or to features. Its layers have stable names: `patches`, `stem`,
        `mixer_block_0` and so on, `pre_head_layer_norm`, `avg_pool`, `head`.

    Raises:
        ValueError: an argument is not as above, `groups` does not divide the channels, a layer of
            `pyramid` would not have fewer tokens, the weights were never published, or a file's
            contents do not fit; the message lists everything that does not.
        FileNotFoundError: `weights` names a file that does not exist.
        OSError: published weights could not be fetched; the message says where to place the file.

    Example:

    >>> model = keras_mixer.MixerB16(weights=None, input_shape=(224, 320, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    if pooling not in (None, "avg", "max"):
        raise ValueError(f'`pooling` must be None, "avg" or "max". Received: pooling={pooling!r}')
    classes = None if classes is None else whole(classes, "classes")
    dropout, seed = rate(dropout, "dropout"), seed_or_none(seed)
    stochastic_depth = rate(stochastic_depth, "stochastic_depth")
    check_resolution(resolution)
    images, (height, width, _) = image_input(spec, input_tensor, input_shape)

    opened = contextlib.nullcontext() if weights is None else open_weights(weights, spec)
    drawn = contextlib.nullcontext() if weights is None else stored_weights_follow()
    with opened as source, drawn:
        record = None
        if source is not None:
            if token_mixing == "shared" and not pyramid:
                source, spec = fit_to_image(source, spec, (height, width), resolution)
            else:
                _check_same_grid(source, spec.grid((height, width)))
            record = source.record
            if classes is None and include_top:
                classes = source.classes()
            if gelu_approximate is None:
                gelu_approximate = _gelu_of(source)
        model = build_mixer(
            spec,
            images=images,
            include_top=include_top,
            pooling=pooling,
            classes=classes or 1000,
            classifier_activation=classifier_activation,
            dropout=dropout,
            stochastic_depth=stochastic_depth,
            gelu_approximate=gelu_approximate is not False,
            epsilon=epsilon,
            preprocessing=scale_and_offset(record) if include_preprocessing else None,
            seed=seed,
            remat=remat,
            token_mixing=token_mixing,
            groups=groups,
            pyramid=pyramid,
            name=name,
        )
        if source is not None:
            model.load_report = assign(model, source)
            model.mixer_weights = record
    return model


def _gelu_of(source: Weights) -> bool:
    """The form of GELU that weights were trained with."""
    if source.gelu_approximate is None and not source.origin.endswith(".h5"):
        raise ValueError(
            f"{source.origin} is in timm's format, which does not say which form of GELU its "
            "weights were trained with. Pass `gelu_approximate=True` for Google's weights, "
            "`False` for MIIL's and those trained in timm."
        )
    return source.gelu_approximate is not False


def _check_same_grid(source: Weights, grid: tuple[int, int]) -> None:
    """Refuses weights for an ablation of token mixing that shapes alone might let through.

    Only Keras' files can hold those of an ablation; `.weights.h5` has no grid to compare.
    """
    if source.grid != grid and not source.origin.endswith(".h5"):
        raise ValueError(
            f"{source.origin} is not of a model on {grid[0]}x{grid[1]} tokens. With `token_mixing` "
            "or `pyramid`, `weights` takes the .keras or .weights.h5 file of a model like this "
            "one, of the same image size."
        )


def _constructor_of(
    build: Callable[Concatenate[MixerSpec, P], keras.Model],
) -> Callable[[Callable[..., keras.Model]], Callable[P, keras.Model]]:
    """Gives a constructor the signature of `Mixer` without its spec, for people and checkers."""
    signature = inspect.signature(build)
    parameters = list(signature.parameters.values())[1:]

    def decorate(constructor: Any) -> Callable[P, keras.Model]:
        constructor.__signature__ = signature.replace(parameters=parameters)
        constructor.__doc__ += (
            "\n\n    Takes the arguments of `keras_mixer.Mixer` after its spec.\n    "
        )
        return constructor

    return decorate


@_constructor_of(Mixer)
def MixerS32(*args, **kwargs) -> keras.Model:
    """Mixer-S/32: 8 layers of 512 channels on 32-pixel patches, 19M parameters."""
    return Mixer(SPECS["mixer_s32"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerS16(*args, **kwargs) -> keras.Model:
    """Mixer-S/16: 8 layers of 512 channels on 16-pixel patches, 18M parameters."""
    return Mixer(SPECS["mixer_s16"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerS8(*args, **kwargs) -> keras.Model:
    """Mixer-S/8: 8 layers of 512 channels on 8-pixel patches, 20M parameters."""
    return Mixer(SPECS["mixer_s8"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerB32(*args, **kwargs) -> keras.Model:
    """Mixer-B/32: 12 layers of 768 channels on 32-pixel patches, 60M parameters."""
    return Mixer(SPECS["mixer_b32"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerB16(*args, **kwargs) -> keras.Model:
    """Mixer-B/16: 12 layers of 768 channels on 16-pixel patches, 59M parameters."""
    return Mixer(SPECS["mixer_b16"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerL32(*args, **kwargs) -> keras.Model:
    """Mixer-L/32: 24 layers of 1024 channels on 32-pixel patches, 206M parameters."""
    return Mixer(SPECS["mixer_l32"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerL16(*args, **kwargs) -> keras.Model:
    """Mixer-L/16: 24 layers of 1024 channels on 16-pixel patches, 207M parameters."""
    return Mixer(SPECS["mixer_l16"], *args, **kwargs)


@_constructor_of(Mixer)
def MixerH14(*args, **kwargs) -> keras.Model:
    """Mixer-H/14: 32 layers of 1280 channels on 14-pixel patches, 431M parameters."""
    return Mixer(SPECS["mixer_h14"], *args, **kwargs)
