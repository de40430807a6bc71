"""Pictures of weights and of what a prediction rests on."""

from keras_mixer.visualize.activity import unit_activity
from keras_mixer.visualize.figures import occlusion_figure, stem_figure, units_figure
from keras_mixer.visualize.occlusion import Occlusion, occlusion, occlusion_of
from keras_mixer.visualize.order import mean_frequency, sort_units
from keras_mixer.visualize.units import stem_units, token_mixing_units

__all__ = [
    "Occlusion",
    "mean_frequency",
    "occlusion",
    "occlusion_figure",
    "occlusion_of",
    "sort_units",
    "stem_figure",
    "stem_units",
    "token_mixing_units",
    "unit_activity",
    "units_figure",
]
