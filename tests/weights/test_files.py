"""Loading is all or nothing, and says what it did."""

import json
import zipfile

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import Mixer, MixerSpec, weights
from keras_mixer.layers.initial import stored_weights_follow


@pytest.fixture
def trained(tiny, randomize, tmp_path):
    model = randomize(Mixer(tiny, weights=None, classes=5))
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    return model


def test_canonical_names_are_the_paths_of_the_variables(trained, tiny, tmp_path):
    for file in ("m.keras", "m.weights.h5"):
        with weights.open_file(tmp_path / file) as opened:
            assert set(opened.arrays) == {v.path for v in trained.trainable_variables}
            for v in trained.trainable_variables:
                assert opened.arrays[v.path].shape == tuple(v.shape)
                np.testing.assert_array_equal(opened.arrays[v.path].read(), v.numpy())


def test_another_head_keeps_the_body_and_says_so(trained, tiny, tmp_path):
    model = Mixer(tiny, weights=tmp_path / "m.keras", classes=7)
    assert model.output_shape == (None, 7)
    assert not model.get_layer("head").kernel.numpy().any()
    np.testing.assert_array_equal(
        model.get_layer("stem").kernel.numpy(), trained.get_layer("stem").kernel.numpy()
    )
    assert model.load_report.fresh == ("head/kernel", "head/bias")
    assert model.load_report.unused == ("head/kernel", "head/bias")
    assert "new, at their initial values: head/kernel" in str(model.load_report)


def test_nothing_is_drawn_where_stored_weights_follow(trained, tiny, tmp_path):
    def kernel_of(model):
        return model.get_layer("mixer_block_0").channel_mixing.dense_0

    with stored_weights_follow():
        assert not kernel_of(Mixer(tiny, weights=None)).kernel.numpy().any()
    assert kernel_of(Mixer(tiny, weights=None)).kernel.numpy().all()
    loaded = Mixer(tiny, weights=tmp_path / "m.weights.h5")
    for own, its in zip(trained.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), its.numpy(), err_msg=own.path)
    # Whoever draws a layer anew gets what a new layer begins with.
    drawn = keras.ops.convert_to_numpy(kernel_of(loaded).kernel_initializer((400, 300)))
    assert drawn.std() == pytest.approx(1 / np.sqrt(400), rel=0.02)


def test_no_head(trained, tiny, tmp_path):
    model = Mixer(tiny, weights=tmp_path / "m.weights.h5", include_top=False)
    assert model.load_report.fresh == ()
    assert model.load_report.unused == ("head/kernel", "head/bias")
    model.save_weights(tmp_path / "body.weights.h5")
    with pytest.raises(ValueError, match=r"has no classification head\. Pass `classes=`"):
        Mixer(tiny, weights=tmp_path / "body.weights.h5")
    assert Mixer(tiny, weights=tmp_path / "body.weights.h5", classes=2).output_shape == (None, 2)


def test_everything_wrong_is_in_one_error_and_nothing_is_assigned(trained, tiny):
    model = Mixer(tiny, weights=None, classes=5)
    arrays = {v.path: np.array(v.numpy()) for v in trained.trainable_variables}
    del arrays["stem/bias"]
    arrays["mixer_block_9/layer_norm_0/gamma"] = np.ones(8, "float32")
    arrays["stem/kernel"] = np.ones((3, 3), "float32")
    arrays["head/bias"] = np.full(5, np.nan, "float32")
    arrays["head/kernel"] = arrays["head/kernel"].astype("float64")
    arrays = {name: weights.stored(array) for name, array in arrays.items()}
    before = model.get_weights()
    with pytest.raises(ValueError, match="do not fit tiny") as error:
        weights.assign(model, weights.Weights("a file", arrays))
    for part in (
        "missing: stem/bias",
        "not in the model: mixer_block_9/layer_norm_0/gamma",
        "stem/kernel has shape (3, 3) where the model has (48, 8)",
        "head/bias holds values that are not finite",
        "head/kernel is float64, which is none of float32, float16, bfloat16",
    ):
        assert part in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_architecture(trained, tmp_path):
    deeper = MixerSpec("deeper", 4, 3, 8, 6, 16, (8, 12))
    with pytest.raises(ValueError, match="missing: mixer_block_2/"):
        Mixer(deeper, weights=tmp_path / "m.keras")


def test_files_that_are_no_weights(tiny, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist: .*none\.weights\.h5"):
        Mixer(tiny, weights=tmp_path / "none.weights.h5")
    for name in ("text.keras", "text.weights.h5"):
        (tmp_path / name).write_text("not weights")
        with pytest.raises(ValueError, match="is not a readable Keras weights file"):
            Mixer(tiny, weights=tmp_path / name)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({}))
    with pytest.raises(ValueError, match="is not a readable Keras weights file"):
        Mixer(tiny, weights=tmp_path / "empty.keras")
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2, name="other")(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"weights of a Mixer; its layers are: \w*other\b"):
        Mixer(tiny, weights=tmp_path / "other.keras")


def test_a_renamed_model_still_loads(tiny, randomize, tmp_path):
    randomize(Mixer(tiny, weights=None, classes=5, name="mine")).save(tmp_path / "mine.keras")
    assert Mixer(tiny, weights=tmp_path / "mine.keras").name == "tiny"


def test_a_file_of_a_larger_image_loads_at_that_size(tiny, randomize, tmp_path, rng):
    larger = keras_mixer.change_resolution(randomize(Mixer(tiny, weights=None)), (16, 24))
    larger.save(tmp_path / "larger.keras")
    again = Mixer(tiny, weights=tmp_path / "larger.keras", input_shape=(16, 24, 3))
    x = rng.uniform(-1, 1, (2, 16, 24, 3)).astype("float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), larger.predict(x, verbose=0))
