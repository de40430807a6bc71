"""Published weights and weight files, exactly and all or nothing."""

from keras_mixer.printable import one_line
from keras_mixer.weights.arrays import StoredArray, stored
from keras_mixer.weights.assign import LoadReport, assign
from keras_mixer.weights.classes import class_names
from keras_mixer.weights.convert import convert
from keras_mixer.weights.fetch import cache_dir, fetch, is_cached, offline, read_record
from keras_mixer.weights.formats import Weights, check_file, open_file, open_weights, split_part
from keras_mixer.weights.hub_login import hub_place, hub_secrets
from keras_mixer.weights.keras_files import check_archive
from keras_mixer.weights.registry import WEIGHTS, WeightsRecord, find, records_named
from keras_mixer.weights.resolution import change_grid, check_resolution, fit_to_image

__all__ = [
    "WEIGHTS",
    "LoadReport",
    "StoredArray",
    "Weights",
    "WeightsRecord",
    "assign",
    "cache_dir",
    "change_grid",
    "check_archive",
    "check_file",
    "check_resolution",
    "class_names",
    "convert",
    "fetch",
    "find",
    "fit_to_image",
    "hub_place",
    "hub_secrets",
    "is_cached",
    "offline",
    "one_line",
    "open_file",
    "open_weights",
    "read_record",
    "records_named",
    "split_part",
    "stored",
]
