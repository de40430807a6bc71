"""A model that sees its images in disorder."""

import keras

from keras_mixer.layers import MixerLayer, Patches, ShufflePixels


def shuffled(
    model: keras.Model, how: str, patch_size: tuple[int, int] = (1, 1), seed: int = 0
) -> keras.Model:
    """The model behind a layer that puts the pixels of every image in another order.

    Args:
        model: any model of images of known size; it is part of the new model, and its weights are
            the same.
        how: `"patches"` or `"pixels"`, see `keras_mixer.layers.ShufflePixels`.
        patch_size: for `"patches"`: height and width in pixels.
        seed: integer seed of the orders.

    Raises:
        ValueError: as `ShufflePixels`, or the model takes pixels in [0, 255] itself.
    """
    if any(layer.name == "preprocessing" for layer in model.layers):
        raise ValueError(
            f"{model.name} prepares its pixels itself. Build it without `include_preprocessing`."
        )
    images = keras.Input(model.input_shape[1:])
    shuffle = ShufflePixels(how, patch_size, seed, name="shuffle")
    mixed = keras.Model(images, model(shuffle(images)), name=model.name)
    mixed.mixer_weights = getattr(model, "mixer_weights", None)  # How pixels are prepared.
    return mixed


def permute_weights(model: keras.Model, seed: int = 0) -> None:
    """Puts a Mixer's weights in the order in which `shuffled` would show it patches and pixels.

    Then `shuffled(model, "patches", patch_size, seed)` computes on an image what the model computed
    before, because nothing in a Mixer depends on the order of patches, or of the pixels within
    one, but the rows of its weights (https://arxiv.org/abs/2105.01601, section 3.4).

    Args:
        model: a Mixer of channels-last images; it is changed.
        seed: as in `shuffled`.

    Raises:
        ValueError: the model is no such Mixer.
    """
    patches = [layer for layer in model.layers if isinstance(layer, Patches)]
    mixers = [layer for layer in model.layers if isinstance(layer, MixerLayer)]
    if len(patches) != 1 or not mixers or not all(layer.plain for layer in mixers):
        raise ValueError(
            f"{model.name} is not a plain Mixer: no permutation of its weights undoes one of the "
            "patches. It takes one `Patches` layer and `MixerLayer`s with shared token mixing."
        )
    size, patch_size = tuple(model.input_shape[1:3]), patches[0].patch_size
    order, within = ShufflePixels("patches", patch_size, seed).orders(size)
    stem = model.get_layer("stem")
    kernel = stem.kernel.numpy()
    by_pixel = kernel.reshape(len(within), -1, kernel.shape[-1])  # (p q) c d -> pixel c d
    stem.kernel.assign(by_pixel[within].reshape(kernel.shape))
    for layer in mixers:
        mlp = layer.token_mixing
        mlp.dense_0.kernel.assign(mlp.dense_0.kernel.numpy()[order])
        mlp.dense_1.kernel.assign(mlp.dense_1.kernel.numpy()[:, order])
        mlp.dense_1.bias.assign(mlp.dense_1.bias.numpy()[order])
