"""What a launch needs is loaded here, once, by the process that launches are forked from.

Nothing is computed there.
"""

import filelock  # noqa: F401
import matplotlib.backends.backend_agg  # noqa: F401
import safetensors.numpy  # noqa: F401
import sklearn.datasets  # noqa: F401
import tensorboardX  # noqa: F401
from faults.harness import TINY

import keras_mixer_cli.progress  # noqa: F401
from keras_mixer import runs, specs  # noqa: F401

specs.SPECS[TINY.name] = TINY
