"""A model in memory, brought to another size of image."""

import keras

from keras_mixer import weights as mixer_weights
from keras_mixer.arguments import pair
from keras_mixer.layers import MixerLayer, Patches
from keras_mixer.specs import grid_of


def change_resolution(
    model: keras.Model, image_size: int | tuple[int, int], resolution: str = "expand"
) -> keras.Model:
    """The same model for images of another size, with its weights; `model` itself stays.

    As the constructors do with weights from a file, for any functional model around a Mixer, one
    that was fine-tuned here too.

    Args:
        model: a functional model with one input, one `Patches` and its `MixerLayer`s.
        image_size: height and width in pixels, or one integer for both.
        resolution: `"expand"`, the paper's rule (https://arxiv.org/abs/2105.01601, appendix C), for
            a whole number of times the rows and columns of tokens; `"interpolate"` for any size.

    Returns:
        A new model of the same class, compiled if `model` is, with a fresh optimiser.

    Raises:
        ValueError: `model` is no such model or has an ablation of token mixing, the image is not a
            whole number of patches, `"expand"` cannot reach the size, or another weight depends on
            the size.

    Example:

    >>> large = keras_mixer.change_resolution(model, (448, 448))
    """
    mixer_weights.check_resolution(resolution)
    patches = [layer for layer in model.layers if isinstance(layer, Patches)]
    if len(patches) != 1 or len(model.inputs) != 1:
        raise ValueError(
            f"{model.name} has {len(model.inputs)} inputs and {len(patches)} `Patches` layers. "
            "`change_resolution` takes a functional model with one of each."
        )
    for layer in model.layers:
        if isinstance(layer, MixerLayer) and not layer.plain:
            raise ValueError(
                f"{layer.name} of {model.name} has an ablation of token mixing, for which there is "
                "no rule of another image size. Build the model at that size."
            )
    height, width = pair(image_size, "image_size")
    last = patches[0].data_format == "channels_last"
    shape = patches[0].input.shape
    was = shape[1:3] if last else shape[2:4]
    old, new = (grid_of(size, patches[0].patch_size) for size in (was, (height, width)))
    arrays = mixer_weights.change_grid(
        {v.path: mixer_weights.stored(v.numpy()) for v in model.weights},
        old,
        new,
        resolution,
        model.name,
    )

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, MixerLayer):
            hidden = arrays[f"{layer.name}/token_mixing/dense_0/kernel"].shape[1]
            config["tokens_mlp_dim"] = hidden
        return type(layer).from_config(config)

    before = model.inputs[0]
    size = (height, width, before.shape[3]) if last else (before.shape[1], height, width)
    name = next(x.name for x in model.layers if isinstance(x, keras.layers.InputLayer))
    images = keras.Input(shape=size, dtype=before.dtype, name=name)
    larger = keras.models.clone_model(model, input_tensors=images, clone_function=clone)
    for variable in larger.weights:
        array = arrays[variable.path]
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"{variable.path} of {model.name} has shape {array.shape} at {was[0]}x{was[1]} "
                f"pixels and would have {tuple(variable.shape)} at {height}x{width}; only "
                "token-mixing weights can follow the size of the image."
            )
        variable.assign(array.read())
    if hasattr(model, "mixer_weights"):
        larger.mixer_weights = model.mixer_weights
    return larger
