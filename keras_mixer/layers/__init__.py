"""The layers a Mixer is computed with."""

from keras_mixer.layers.mixer_layer import MixerLayer
from keras_mixer.layers.mlp_block import MlpBlock
from keras_mixer.layers.patches import Patches
from keras_mixer.layers.shared_depthwise_conv import SharedDepthwiseConv2D
from keras_mixer.layers.shuffle_pixels import ShufflePixels
from keras_mixer.layers.stochastic_depth import StochasticDepth
from keras_mixer.layers.token_mixing import TokenMixing

__all__ = [
    "MixerLayer",
    "MlpBlock",
    "Patches",
    "SharedDepthwiseConv2D",
    "ShufflePixels",
    "StochasticDepth",
    "TokenMixing",
]
