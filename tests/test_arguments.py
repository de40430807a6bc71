"""NumPy's numbers are taken wherever Python's are, and kept as Python's; booleans are none."""

import inspect
import json

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import Mixer, MixerSpec, Patches, data, layers, models, training
from keras_mixer.training.losses import SigmoidCrossentropy
from keras_mixer.training.schedules import WarmUp

pytestmark = pytest.mark.once

SPEC = MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
INT, FLOAT = np.int64, np.float32


def images(n=6):
    return data.Split(
        [np.zeros((8, 12, 3), "uint8")] * n, np.arange(n) % 3, [str(i) for i in range(n)]
    )


def small(**options):
    return Mixer(SPEC, weights=None, classes=3, **options)


# A constructor, arguments of Python, and which of them may be given as NumPy's.
CONSTRUCTORS = {
    "Patches": (Patches, {"patch_size": 4}),
    "Patches, pair": (Patches, {"patch_size": (4, 2)}),
    "MlpBlock": (layers.MlpBlock, {"mlp_dim": 8, "dropout": 0.5, "seed": 1}),
    "StochasticDepth": (layers.StochasticDepth, {"rate": 0.5, "seed": 1}),
    "TokenMixing": (layers.TokenMixing, {"mlp_dim": 8, "dropout": 0.5, "seed": 1, "tokens": 3}),
    "TokenMixing, groups": (layers.TokenMixing, {"mlp_dim": 8, "form": "grouped", "groups": 2}),
    "SharedDepthwiseConv2D": (layers.SharedDepthwiseConv2D, {"grid": (2, 3)}),
    "ShufflePixels": (layers.ShufflePixels, {"how": "patches", "patch_size": 2, "seed": 3}),
    "MixerLayer": (
        keras_mixer.MixerLayer,
        {
            "tokens_mlp_dim": 8,
            "channels_mlp_dim": 16,
            "stochastic_depth": 0.5,
            "epsilon": 0.5,
            "seed": 2,
        },
    ),
    "MixerLayer, pair": (
        keras_mixer.MixerLayer,
        {"tokens_mlp_dim": 8, "channels_mlp_dim": 16, "stochastic_depth": (0.0, 0.5), "tokens": 3},
    ),
    "MixerLayer, dropout": (
        keras_mixer.MixerLayer,
        {"tokens_mlp_dim": 8, "channels_mlp_dim": 16, "dropout": 0.5, "seed": 1},
    ),
    "SGD": (
        training.SGD,
        {"learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.25, "rates": {"a": 0.5}},
    ),
    "AdamW": (training.AdamW, {"learning_rate": 0.5, "weight_decay": 0.25, "epsilon": 0.5}),
    "SGD, steps": (
        training.SGD,
        {"learning_rate": 0.5, "clipnorm": 0.5, "gradient_accumulation_steps": 2},
    ),
    "SigmoidCrossentropy": (SigmoidCrossentropy, {"label_smoothing": 0.5}),
    "WarmUp": (WarmUp, {"peak": 0.5, "steps": 8, "warmup_steps": 2, "accumulation": 2}),
    "Mixer": (
        small,
        {"input_shape": (8, 16, 3), "dropout": 0.5, "stochastic_depth": 0.5, "seed": 3},
    ),
    "Mixer, pyramid": (small, {"pyramid": {0: 3}, "epsilon": 0.5}),
    "Mixer, groups": (small, {"token_mixing": "views", "groups": 2}),
}


def as_numpy(value, real=FLOAT):
    """The same with NumPy's numbers in place of Python's."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return INT(value)
    if isinstance(value, float):
        return real(value)
    if isinstance(value, tuple):
        return tuple(as_numpy(one, real) for one in value)
    if isinstance(value, dict):
        return {as_numpy(key, real): as_numpy(one, real) for key, one in value.items()}
    return value


def config_of(made):
    return json.dumps(made.get_config(), sort_keys=True)  # Of Python's own numbers alone.


@pytest.mark.parametrize("case", CONSTRUCTORS)
def test_numbers_of_numpy_are_kept_as_pythons(case):
    build, given = CONSTRUCTORS[case]
    name = {"name": "x"} if case not in ("WarmUp",) else {}
    expected = config_of(build(**given, **name))
    for real in (np.float32, np.float64, np.float16):
        keras.utils.clear_session()
        fresh = config_of(build(**given, **name))
        keras.utils.clear_session()
        found = build(**as_numpy(given, real), **name)
        assert config_of(found) == fresh
    assert expected


NUMBERS = [
    (case, key)
    for case, (build, given) in CONSTRUCTORS.items()
    for key, value in given.items()
    if type(value) is int and case not in ("SGD, steps", "WarmUp")
]


@pytest.mark.parametrize(("case", "key"), NUMBERS)
@pytest.mark.parametrize("wrong", [True, np.True_, 2.5, "2"])
def test_what_is_no_whole_number(case, key, wrong):
    build, given = CONSTRUCTORS[case]
    with pytest.raises(ValueError, match=f"`{key}` must be .*Received: "):
        build(**{**given, key: wrong})


@pytest.mark.parametrize("case", ["StochasticDepth", "MlpBlock", "Mixer", "SigmoidCrossentropy"])
@pytest.mark.parametrize("wrong", [True, np.True_, 1.0, -0.5, np.nan, "0.1"])
def test_what_is_no_rate(case, wrong):
    build, given = CONSTRUCTORS[case]
    key = next(key for key, value in given.items() if isinstance(value, float))
    with pytest.raises(ValueError, match=f"`{key}` must be at least 0 and below 1. Received: "):
        build(**{**given, key: wrong})


def test_every_layer_is_in_the_table():
    assert {case.partition(",")[0] for case in CONSTRUCTORS} >= {*layers.__all__}


def test_specs():
    numbers = MixerSpec("a", INT(4), INT(2), INT(8), INT(6), INT(16), (INT(8), np.int32(12)))
    assert numbers == MixerSpec("a", 4, 2, 8, 6, 16, (8, 12))
    assert type(numbers.patch_size[0]) is int
    assert type(numbers.num_layers) is int
    assert MixerSpec("a", np.array([4, 2]), 2, 8, 6, 16, 8).patch_size == (4, 2)
    assert numbers.grid(np.array([16, 8])) == (4, 2)
    assert numbers.tokens(INT(8)) == 4
    for field in ("patch_size", "num_layers", "hidden_size", "image_size"):
        for wrong in (True, 0, 4.0, "4", None, (4, 4, 4)):
            with pytest.raises(ValueError, match=f"`{field}` must be a positive integer"):
                MixerSpec(**{**vars(numbers), field: wrong})


def test_every_number_of_a_recipe():
    recipe = training.Recipe("mine", "a test", optimizer="adamw", weight_decay=0.5, ema=0.5)
    given = {key: as_numpy(value) for key, value in vars(recipe).items() if value is not None}
    found = training.Recipe(**{**given, "flip": np.True_, "learning_rates": np.array([0.5, 0.25])})
    assert found == recipe.replace(learning_rate=float(FLOAT(0.03)), learning_rates=(0.5, 0.25))
    json.dumps(vars(found))
    for key, value in vars(recipe).items():
        if type(value) not in (int, float):
            continue
        for wrong in (True, np.True_, "1", [1]):
            with pytest.raises(ValueError, match=f"`{key}` must be .*Received: "):
                recipe.replace(**{key: wrong})
        if inspect.get_annotations(training.Recipe)[key] is int:
            with pytest.raises(ValueError, match=f"`{key}` must be a whole number"):
                recipe.replace(**{key: 1.5})
            assert type(recipe.replace(**{key: value or 1}).batch_size) is int


def test_batches():
    made = data.TrainingBatches(
        images(), INT(3), np.array([8, 12]), INT(2), steps=INT(4), seed=INT(1)
    )
    same = data.TrainingBatches(images(), 3, (8, 12), 2, steps=4, seed=1)
    for found, expected in zip(made[0], same[0], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert data.EvaluationBatches(images(), 3, INT(8), INT(2))[0][0].shape == (2, 8, 8, 3)
    for key, wrong in {"batch_size": True, "classes": 3.0, "steps": True, "seed": -1}.items():
        good = {"classes": 3, "image_size": 8, "batch_size": 2, "steps": 4}
        with pytest.raises(ValueError, match=f"`{key}` must be .*Received: "):
            data.TrainingBatches(images(), **{**good, key: wrong})


def test_one_number_for_height_and_width():
    model = small()
    for size in (16, INT(16), (16, 16), np.array([16, 16])):
        assert models.change_resolution(model, size, "interpolate").input_shape == (None, 16, 16, 3)
    for wrong in (True, 16.0, (16,), None):
        with pytest.raises(ValueError, match="`image_size` must be a positive integer or a pair"):
            models.change_resolution(model, wrong, "interpolate")


def test_models_by_name():
    built = models.build_by_name("mixer_ti4", classes=INT(3), image_size=INT(16), seed=INT(1))
    assert built.input_shape == (None, 16, 16, 3)
    assert built.output_shape == (None, 3)
    recipe = training.Recipe("mine", "a test", weights=None)
    built = training.build_model(SPEC, recipe, INT(3), image_size=np.array([8, 8]), seed=INT(1))
    assert built.input_shape == (None, 8, 8, 3)


def test_predictions():
    found = keras_mixer.decode_predictions(np.eye(3), top=INT(2), weights=["a", "b", "c"])
    assert len(found[0]) == 2
    with pytest.raises(ValueError, match=r"`top` must be a positive integer\. Received: 0"):
        keras_mixer.decode_predictions(np.eye(3), top=0, weights=["a", "b", "c"])
