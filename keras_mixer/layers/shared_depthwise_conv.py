"""Token mixing as a convolution."""

import keras
from keras import ops

from keras_mixer.arguments import pair


@keras.saving.register_keras_serializable(package="keras_mixer")
class SharedDepthwiseConv2D(keras.layers.Layer):
    """A depthwise convolution of full receptive field whose kernel all channels share.

    The kernel is as large as the input's rows and columns, so a unit gives one number for each
    channel; the units are laid out as new rows and columns. It is what half of a token-mixing MLP
    is as a convolution (MLP-Mixer, https://arxiv.org/abs/2105.01601, section 1). One kernel is
    stored, `(rows, columns, 1, units)`, and repeated for all channels when the layer is called.

    Args:
        grid: rows and columns of the output; there are as many units.

    Input shape:
        `(batch, rows, columns, channels)`; rows and columns must be known.

    Output shape:
        `(batch, *grid, channels)`.

    Raises:
        ValueError: `grid` is not two positive integers, or rows or columns are unknown.
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**kwargs)
        self.grid = pair(grid, "grid")
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        _, rows, columns, _ = input_shape
        if rows is None or columns is None:
            raise ValueError(
                "A SharedDepthwiseConv2D needs a known number of rows and columns, the size of its "
                f"kernel. Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: rows, 2: columns})
        units = self.grid[0] * self.grid[1]
        # LeCun-normal for one channel's inputs: the axis of the channels is 1.
        self.kernel = self.add_weight(
            (rows, columns, 1, units), initializer="lecun_normal", name="kernel"
        )
        self.bias = self.add_weight((units,), initializer="zeros", name="bias")

    def call(self, inputs):
        channels = inputs.shape[-1]
        rows, columns, _, units = self.kernel.shape
        kernel = ops.broadcast_to(self.kernel, (rows, columns, channels, units))
        x = ops.depthwise_conv(inputs, kernel, data_format="channels_last")
        x = ops.reshape(x, (-1, channels, units)) + self.bias  # b 1 1 (c u) -> b c u
        x = ops.transpose(x, (0, 2, 1))  # b c u -> b u c
        return ops.reshape(x, (-1, *self.grid, channels))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.grid, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "grid": self.grid}
