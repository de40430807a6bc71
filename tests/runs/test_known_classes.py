import json
import sys
import zipfile

import h5py
import keras
import pytest

from keras_mixer import Mixer
from keras_mixer.runs.known_classes import check_classes

with h5py.File.in_memory() as file:
    file.flush()
    NO_WEIGHTS = file.id.get_file_image()


def write(path, config):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", NO_WEIGHTS)
    return path


def layer(name, module="keras.layers", **fields):
    return {"class_name": name, "module": module, "config": {}, "registered_name": None, **fields}


def test_models_of_known_classes_pass(tiny, tmp_path):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, activation=keras.activations.silu)(images)
    x = keras.layers.Normalization(mean=0.5, variance=2.0)(x)[:, 1:, ..., 0] * 2 + 1
    for model in (
        Mixer(tiny, weights=None, classes=2, include_preprocessing=True),
        keras.Model(images, keras.ops.mean(keras.ops.relu(x), axis=1)),
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "gelu")]),
    ):
        model.save(tmp_path / "m.keras")
        check_classes(tmp_path / "m.keras")
        keras.saving.load_model(tmp_path / "m.keras")


def test_code_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"m\.keras is refused: it has __lambda__, keras\.layers"):
        check_classes(tmp_path / "m.keras")


@pytest.mark.parametrize(
    "bad",
    [
        layer("TFSMLayer"),
        layer("TorchModuleWrapper"),
        layer("StringLookup"),
        layer("Thing", "os"),
        layer("system", "os", class_name="function", config="system"),
        layer("MixerLayer", "keras_mixer.layers.mixer_layer"),  # Not as it registers itself.
        layer("Dense", "kerasx.layers"),
        layer(["Lambda"]),
        layer("Wrapper", config={"layer": [{"deep": layer("Lambda")}]}),
    ],
    ids=str,
)
def test_what_is_strange_is_refused_and_not_imported(bad, tmp_path):
    modules = set(sys.modules)
    path = write(tmp_path / "m.keras", layer("Functional", "keras", config={"layers": [bad]}))
    with pytest.raises(ValueError, match="is refused: it has") as caught:
        check_classes(path)
    assert "\n" not in str(caught.value)
    assert not {"kerasx", "kerasx.layers"} & set(sys.modules)
    # Reading the first archive imports a table of letters.
    assert {name.partition(".")[0] for name in set(sys.modules) - modules} <= {"encodings"}


def test_classes_of_ones_own_pass_once_they_are_registered(tmp_path):
    @keras.saving.register_keras_serializable(package="test_known_classes")
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    keras.Sequential([keras.Input((4,)), Own()]).save(tmp_path / "m.keras")
    check_classes(tmp_path / "m.keras")
    del keras.saving.get_custom_objects()["test_known_classes>Own"]
    with pytest.raises(ValueError, match=r"test_known_classes\.Own.*Import what registers it"):
        check_classes(tmp_path / "m.keras")


def test_what_a_model_was_compiled_with_is_told_apart(tmp_path):
    def own_loss(y_true, y_pred):
        return y_pred

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("adam", own_loss)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"has function own_loss.*the model was compiled with"):
        check_classes(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)  # As the line says.
    again.save(tmp_path / "other.keras")
    check_classes(tmp_path / "other.keras")


@pytest.mark.parametrize("content", [b"", b"no archive", None, "[" * 100_000])
def test_what_is_no_model(content, tmp_path):
    path = tmp_path / "m.keras"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.json" if content is None else "config.json", content or "{}")
    with pytest.raises(ValueError, match="is no model that Keras has saved"):
        check_classes(path)
