"""Models that a Mixer is compared with, from the libraries that keep them."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_mixer.arguments import pair, whole
from keras_mixer.models.applications import Mixer
from keras_mixer.specs import SPECS

NEEDS_HUB = 'comes from KerasHub. Run: pip install "keras-mixer[peers]"'


@dataclasses.dataclass(frozen=True)
class Peer:
    """A Vision Transformer or ResNet, without head.

    Args:
        name: what a user types.
        title: what it is called, and where its code comes from.
        image_size: height and width in pixels.
        features: called with a Keras tensor of images in [-1, 1], its shape and the name of the
            published weights or `None`; gives the features `(batch, width)`.
        weights: names of the published weights, and what the library calls them.
    """

    name: str
    title: str
    image_size: tuple[int, int]
    features: Callable[..., Any]
    weights: dict[str, str]


def _vit(**architecture):
    """A Vision Transformer of KerasHub; the features are those of its class token."""

    def features(images, weights):
        backbone = _keras_hub("A Vision Transformer").models.ViTBackbone
        shape = tuple(images.shape[1:])
        if weights is None:
            body = backbone(image_shape=shape, **architecture, name="vit")
        else:
            body = backbone.from_preset(weights, image_shape=shape)
        return body(images)[:, 0]

    return features


def _resnet(**architecture):
    """A ResNet of KerasHub; the features are the mean over its last map."""

    def features(images, weights):
        backbone = _keras_hub("A small ResNet").models.ResNetBackbone
        x = backbone(image_shape=tuple(images.shape[1:]), **architecture, name="resnet")(images)
        return keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)

    return features


def _resnet50(images, weights):
    """`keras.applications.ResNet50`, whose weights take pixels less ImageNet's means, as BGR."""
    x = images
    if weights is not None:
        last = keras.config.image_data_format() == "channels_last"
        means = keras.ops.reshape(
            [103.939, 116.779, 123.68], (1, 1, 1, 3) if last else (1, 3, 1, 1)
        )
        x = keras.ops.flip(x * 127.5 + 127.5, 3 if last else 1) - means
    shape = tuple(images.shape[1:])
    body = keras.applications.ResNet50(include_top=False, weights=weights, input_shape=shape)
    return keras.layers.GlobalAveragePooling2D(name="avg_pool")(body(x))


# vit_b16: Table 1 of https://arxiv.org/abs/2010.11929. vit_ti4 and resnet_ti4 have the resolution,
# the width and about the parameters and multiply-accumulates of mixer_ti4 in every layer.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "vit_b16",
            "Vision Transformer B/16, KerasHub",
            (224, 224),
            _vit(patch_size=16, num_layers=12, num_heads=12, hidden_dim=768, mlp_dim=3072),
            {
                "imagenet": "vit_base_patch16_224_imagenet",
                "imagenet21k": "vit_base_patch16_224_imagenet21k",
            },
        ),
        Peer(
            "resnet50",
            "ResNet-50, keras.applications",
            (224, 224),
            _resnet50,
            {"imagenet": "imagenet"},
        ),
        Peer(
            "vit_ti4",
            "isotropic Vision Transformer on 4-pixel patches, KerasHub",
            (32, 32),
            _vit(patch_size=4, num_layers=3, num_heads=4, hidden_dim=64, mlp_dim=256),
            {},
        ),
        Peer(
            "resnet_ti4",
            "isotropic ResNet at a quarter of the resolution, KerasHub",
            (32, 32),
            _resnet(
                input_conv_filters=[64],
                input_conv_kernel_sizes=[3],
                stackwise_num_filters=[64],
                stackwise_num_blocks=[2],
                stackwise_num_strides=[1],
                block_type="basic_block",
            ),
            {},
        ),
    )
}


def build_by_name(
    name: str,
    *,
    classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    weights: str | None = None,
    seed: int = 0,
) -> keras.Model:
    """A classifier that gives logits, of a Mixer or of what it is compared with.

    Args:
        name: a key of `SPECS` or of `PEERS`; or `"package.module:factory"`, a function that is
            called with `input_shape` and `classes`, and with `weights` and
            `classifier_activation=None` where it takes them, such as
            `"keras.applications:MobileNetV2"`, which is then given images in [-1, 1], too.
        classes: number of classes; by default that of the weights of a Mixer, else 1000.
        image_size: height and width in pixels, or one integer for both; by default the model's
            own, 224 for a factory.
        weights: what it begins from: published weights by name, or `None` for random ones.
        seed: of the random weights. It is set as Keras' global seed.

    Returns:
        A model from images in [-1, 1] to `(batch, classes)`.

    Raises:
        ValueError: an unknown name, weights that were never published for it, or a factory that
            gives something else.
        ModuleNotFoundError: KerasHub or the factory's module is not installed.
    """
    if problem := unknown_model(name):
        raise ValueError(problem)
    keras.utils.set_random_seed(whole(seed, "seed", least=0))
    known = SPECS.get(name) or PEERS.get(name)
    size = (known.image_size if known else (224, 224)) if image_size is None else image_size
    size = pair(size, "image_size")
    classes = None if classes is None else whole(classes, "classes")
    last = keras.config.image_data_format() == "channels_last"
    shape = (*size, 3) if last else (3, *size)
    if name in SPECS:
        return Mixer(
            SPECS[name],
            weights=weights,
            input_shape=shape,
            classes=classes,
            classifier_activation=None,
            seed=seed,
        )
    classes = classes or 1000
    if name in PEERS:
        return _with_head(PEERS[name], shape, classes, weights)
    return _by_import_path(name, shape, classes, weights)


def unknown_model(name: str) -> str | None:
    """What is wrong with the name of a model; `None` where `build_by_name` would look for it."""
    if name in SPECS or name in PEERS or ":" in name:
        return None
    return (
        f"Unknown model {name!r}. Choose one of: {', '.join([*SPECS, *PEERS])}; or give a factory "
        "as package.module:function."
    )


def _with_head(peer: Peer, shape, classes: int, weights: str | None) -> keras.Model:
    if weights is not None and weights not in peer.weights:
        known = ", ".join(peer.weights) or "none, so pass weights=None"
        raise ValueError(f"Unknown weights {weights!r} of {peer.name}. Choose one of: {known}.")
    images = keras.Input(shape)
    features = peer.features(images, None if weights is None else peer.weights[weights])
    scores = keras.layers.Dense(
        classes,
        kernel_initializer="zeros",
        dtype=keras.config.dtype_policy().variable_dtype,  # In full precision, as a Mixer's.
        name="head",
    )(features)
    return keras.Model(images, scores, name=peer.name)


def _by_import_path(path: str, shape, classes: int, weights: str | None) -> keras.Model:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"{path!r} is not package.module:function.")
    try:
        factory = getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ValueError(f"{path!r}: the module {module} has no {name!r}.") from error
    takes = inspect.signature(factory).parameters if inspect.isfunction(factory) else {}
    if not {"input_shape", "classes"} <= set(takes):
        raise ValueError(f"{path!r} is no function of `input_shape` and `classes`.")
    if weights is not None and "weights" not in takes:
        raise ValueError(f"{path} takes no `weights`. Received: weights={weights!r}")
    if weights is not None and module.startswith("keras.applications"):
        raise ValueError(
            f"The weights of {path} may take other pixels than [-1, 1]. Wrap it in a function of "
            "your own that prepares them, and give that."
        )
    optional = {"weights": weights, "classifier_activation": None}
    given = {key: value for key, value in optional.items() if key in takes}
    model = factory(input_shape=shape, classes=classes, **given)
    if not isinstance(model, keras.Model) or model.output_shape != (None, classes):
        found = getattr(model, "output_shape", type(model).__name__)
        raise ValueError(
            f"{path} must give a keras.Model with output (None, {classes}). It gave: {found}"
        )
    return model


def _keras_hub(what: str):
    try:
        import keras_hub
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{what} {NEEDS_HUB}") from error
    return keras_hub
