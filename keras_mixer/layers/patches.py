"""Cutting an image into patches."""

import keras
from keras import ops

from keras_mixer.arguments import pair


def data_format_of(given: str | None) -> str:
    """The layout of images that a layer is told, else Keras' own.

    Raises:
        ValueError: it is told another word.
    """
    if given not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f'`data_format` must be "channels_last" or "channels_first". Received: {given!r}'
        )
    return given or keras.config.image_data_format()


@keras.saving.register_keras_serializable(package="keras_mixer")
class Patches(keras.layers.Layer):
    """Cuts images into non-overlapping patches in raster order, each flattened to one vector.

    Tokens run row by row over the image. Inside a token the order is patch row, patch column,
    channel, whatever the data format, so that a `(P, P, c, C)` convolution kernel reshaped to
    `(P*P*c, C)` acts on it (MLP-Mixer, https://arxiv.org/abs/2105.01601, section 2).

    Args:
        patch_size: height and width of a patch in pixels, or one integer for both.
        data_format: `"channels_last"` or `"channels_first"`; by default
            `keras.config.image_data_format()`.
        record: fields of the published weights that a model began from, a
            `keras_mixer.weights.WeightsRecord`, which say how its pixels are prepared; so a model
            that is cut, cloned or part of another one knows it too.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `"channels_first"`. Height and width may be unknown until the call.

    Output shape:
        `(batch, tokens, patch_height * patch_width * channels)`.

    Raises:
        ValueError: `patch_size` or `data_format` is not as above, or the image is not a whole
            number of patches.

    Example:

    >>> keras_mixer.Patches(16)(np.zeros((2, 224, 224, 3))).shape
    (2, 196, 768)
    """

    def __init__(self, patch_size, data_format=None, record=None, **kwargs):
        super().__init__(**kwargs)
        self.record = record
        self.patch_size = pair(patch_size, "patch_size")
        self.data_format = data_format_of(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _split(self, shape):
        """`(height, width, channels)` of an image shape with its batch axis."""
        _, *rest = shape
        return rest if self.data_format == "channels_last" else (*rest[1:], rest[0])

    def _check(self, height, width):
        for pixels, patch in zip((height, width), self.patch_size, strict=True):
            if isinstance(pixels, int) and (pixels < patch or pixels % patch):
                raise ValueError(
                    f"An image of {height}x{width} pixels is not a whole number of "
                    f"{self.patch_size[0]}x{self.patch_size[1]} patches. Resize or crop it, or "
                    "choose a patch size that divides it."
                )

    def compute_output_shape(self, input_shape):
        height, width, channels = self._split(input_shape)
        self._check(height, width)
        rows, columns = self.patch_size
        tokens = None
        if height is not None and width is not None:
            tokens = (height // rows) * (width // columns)
        features = None if channels is None else rows * columns * channels
        return (input_shape[0], tokens, features)

    def __call__(self, images, *args, **kwargs):
        # Before Keras, which would make several lines of the message.
        shape = getattr(images, "shape", ())
        if getattr(shape, "rank", 0) is not None and len(shape) == 4:
            self._check(*self._split(shape)[:2])
        return super().__call__(images, *args, **kwargs)

    def call(self, images):
        if self.data_format == "channels_first":
            images = ops.transpose(images, (0, 2, 3, 1))  # b c h w -> b h w c
        _, height, width, channels = ops.shape(images)
        self._check(height, width)
        p, q = self.patch_size
        rows, columns = height // p, width // q
        x = ops.reshape(images, (-1, rows, p, columns, q, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # b rows p columns q c -> b rows columns p q c
        return ops.reshape(x, (-1, rows * columns, p * q * channels))

    def get_config(self):
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "data_format": self.data_format,
            **({} if self.record is None else {"record": dict(self.record)}),
        }
