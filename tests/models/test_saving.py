"""Every way to save a model: it loads as it was, or it is refused in one line."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest

from keras_mixer import Mixer, MixerSpec, models
from keras_mixer.training import adapt
from keras_mixer.weights import WEIGHTS

pytestmark = pytest.mark.once

SPEC = MixerSpec("tiny", 4, 1, 4, 3, 6, (8, 12))
RECORD = next(iter(WEIGHTS["mixer_b16"].values()))


def plain(**options):
    return Mixer(SPEC, weights=None, classes=3, **options)


def with_record():
    model = plain()
    model.mixer_weights = RECORD
    return model


def with_adapters():
    model = plain()
    adapt.add_lora(model, 2)
    return model


MODELS = {
    "plain": plain,
    "pixels": lambda: plain(include_preprocessing=True),
    "features": lambda: plain(include_top=False, pooling="max"),
    "dropped": lambda: plain(dropout=0.1, stochastic_depth=0.1, seed=1),
    "grouped": lambda: plain(token_mixing="grouped", groups=2),
    "pyramid": lambda: plain(pyramid={0: 3}),
    "record": with_record,
    "adapters": with_adapters,
    "convnet": lambda: models.as_convnet(plain()),
    "shuffled": lambda: models.shuffled(plain(), "pixels"),
    "sequential": lambda: keras.Sequential([keras.Input((8, 12, 3)), plain()]),
    "cut": lambda: (lambda m: keras.Model(m.input, m.get_layer("stem").output))(plain()),
}


def by_file(ending):
    def road(model, folder):
        model.save(folder / f"m{ending}")
        return keras.models.load_model(folder / f"m{ending}")

    return road


def by_checkpoint(ending):
    def road(model, folder):
        x, y = images(), np.zeros((2, *model.output_shape[1:]), "float32")
        model.compile(keras.optimizers.SGD(0.0), keras.losses.MeanSquaredError())
        kept = keras.callbacks.ModelCheckpoint(folder / f"m{ending}")
        model.fit(x, y, callbacks=[kept], verbose=0)
        return keras.models.load_model(folder / f"m{ending}")

    return road


def by_folder(model, folder):
    model.save(folder / "m", zipped=False)
    return keras.models.load_model(folder / "m")


def by_weights(model, folder):
    model.save_weights(folder / "m.weights.h5")
    again = keras.models.clone_model(model)
    again.load_weights(folder / "m.weights.h5")
    return again


def by_json(model, folder):
    text = model.to_json()
    json.loads(text)
    again = keras.models.model_from_json(text)
    again.set_weights(model.get_weights())
    return again


def by_clone(model, folder):
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    return again


ROADS = {
    ".keras": by_file(".keras"),
    ".h5": by_file(".h5"),
    ".hdf5": by_file(".hdf5"),
    "checkpoint .keras": by_checkpoint(".keras"),
    "checkpoint .h5": by_checkpoint(".h5"),
    "folder": by_folder,
    "weights": by_weights,
    "JSON": by_json,
    "clone": by_clone,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "copy": lambda model, folder: copy.deepcopy(model),
}
# Adapters are no part of a configuration: only Keras' own files merge or hold them.
OLD = [road for road in ROADS if road.endswith(("h5", "hdf5"))]
CANNOT = {(name, road) for name in ("adapters", "convnet") for road in OLD}
CANNOT |= {("adapters", road) for road in ("JSON", "clone")}


def images():
    return np.random.default_rng(0).uniform(0, 1, (2, 8, 12, 3)).astype("float32")


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_loaded_as_it_was(name, road, tmp_path, randomize):
    model = randomize(MODELS[name]())
    expected = model.predict(images(), verbose=0)
    if (name, road) in CANNOT:
        with pytest.raises(ValueError, match=r"Save it as \.keras|with a weight list of length"):
            ROADS[road](model, tmp_path)
        assert not list(tmp_path.glob("*.h*5"))
        return
    again = ROADS[road](model, tmp_path)
    np.testing.assert_allclose(again.predict(images(), verbose=0), expected, atol=1e-5)
    assert type(again) is type(model)
    if name == "record":
        assert again.mixer_weights == RECORD


def test_an_h5_file_loads_with_what_was_compiled(tmp_path, randomize):
    from keras_mixer.training import SGD
    from keras_mixer.training.losses import SigmoidCrossentropy, Top1

    model = randomize(plain(classifier_activation=None))
    model.compile(SGD(0.1, momentum=0.9, nesterov=True), SigmoidCrossentropy(), metrics=[Top1()])
    y = np.eye(3)[:2]
    model.fit(images(), y, verbose=0)
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5")
    expected = model.evaluate(images(), y, return_dict=True, verbose=0)
    assert again.evaluate(images(), y, return_dict=True, verbose=0) == pytest.approx(expected)
    assert again.optimizer.nesterov
    assert type(again.optimizer) is SGD
