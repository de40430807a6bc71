"""A fixed disorder of the pixels of an image."""

import keras
import numpy as np
from keras import ops

from keras_mixer.arguments import pair, whole
from keras_mixer.layers.patches import data_format_of
from keras_mixer.specs import grid_of


@keras.saving.register_keras_serializable(package="keras_mixer")
class ShufflePixels(keras.layers.Layer):
    """Puts the pixels of every image in another order, the same one for all.

    The disorders of MLP-Mixer, https://arxiv.org/abs/2105.01601, section 3.4 and Figure 4: the
    patches among each other, together with the pixels within every patch; or all pixels of the
    image.

    Args:
        how: `"patches"`, one order for the patches and one for the pixels within a patch; or
            `"pixels"`, one order for all pixels.
        patch_size: height and width in pixels of a patch; for `"patches"`.
        seed: integer seed of the orders, at least 0.
        data_format: `"channels_last"` or `"channels_first"`; by default
            `keras.config.image_data_format()`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `"channels_first"`; height and width known.

    Output shape:
        Same as the input.

    Raises:
        ValueError: `how` is neither, or the image is not a whole number of patches.
    """

    def __init__(self, how, patch_size=(1, 1), seed=0, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if how not in ("patches", "pixels"):
            raise ValueError(f'`how` must be "patches" or "pixels". Received: {how!r}')
        self.how = how
        self.patch_size = pair(patch_size, "patch_size")
        self.seed = whole(seed, "seed", least=0)
        self.data_format = data_format_of(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def orders(self, image_size):
        """What comes from where: orders of the patches and of the pixels within a patch.

        Place i of the result is taken from place `order[i]`, in raster order. With `"pixels"` the
        whole image is one patch.
        """
        patch = self.patch_size if self.how == "patches" else image_size
        rows, columns = grid_of(image_size, patch)
        rng = np.random.default_rng(self.seed)
        return rng.permutation(rows * columns), rng.permutation(patch[0] * patch[1])

    def build(self, input_shape):
        last = self.data_format == "channels_last"
        size = tuple(input_shape[1:3] if last else input_shape[2:4])
        patches, pixels = self.orders(size)
        axes = dict(zip((1, 2) if last else (2, 3), size, strict=True))
        self.input_spec = keras.layers.InputSpec(ndim=4, axes=axes)
        tall, wide = self.patch_size if self.how == "patches" else size
        rows, columns = size[0] // tall, size[1] // wide
        raster = np.arange(size[0] * size[1]).reshape(rows, tall, columns, wide)
        by_patch = raster.transpose(0, 2, 1, 3).reshape(rows * columns, tall * wide)
        mixed = by_patch[patches][:, pixels].reshape(rows, columns, tall, wide)
        self._places = mixed.transpose(0, 2, 1, 3).reshape(-1)  # In raster order of the image.

    def call(self, inputs):
        shape = tuple(inputs.shape[1:])
        last = self.data_format == "channels_last"
        flat = (-1, shape[0] * shape[1], shape[2]) if last else (-1, shape[0], shape[1] * shape[2])
        x = ops.take(ops.reshape(inputs, flat), self._places, axis=1 if last else 2)
        return ops.reshape(x, (-1, *shape))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "how": self.how,
            "patch_size": self.patch_size,
            "seed": self.seed,
            "data_format": self.data_format,
        }
