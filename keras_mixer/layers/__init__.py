"""The layers a Mixer is computed with."""

from keras_mixer.layers.mixer_layer import MixerLayer
from keras_mixer.layers.mlp_block import MlpBlock
from keras_mixer.layers.patches import Patches
from keras_mixer.layers.stochastic_depth import StochasticDepth

__all__ = ["MixerLayer", "MlpBlock", "Patches", "StochasticDepth"]
