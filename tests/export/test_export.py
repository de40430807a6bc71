"""Files in every format that the backend writes itself, run by their own runtimes on digits."""

import json

import keras
import numpy as np
import pytest

import keras_mixer
from keras_mixer import data, export

BACKEND = keras.backend.backend()
OWN = [name for name, row in export.FORMATS.items() if BACKEND in row.writers]
INT8 = [name for name, row in export.FORMATS.items() if BACKEND in row.int8_writers]
SPEC = keras_mixer.MixerSpec("tiny", 4, 2, 16, 8, 32, (16, 16))
on_a_writer = pytest.mark.skipif(not OWN, reason="writes nothing itself")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").test


@pytest.fixture
def model(randomize):
    """With the exact GELU, whose ONNX file tf2onnx alone writes wrongly, without an error."""
    return randomize(
        keras_mixer.Mixer(
            SPEC,
            weights=None,
            classes=10,
            classifier_activation=None,
            gelu_approximate=False,
        )
    )


def pixels_of(split, size):
    """Pictures as the crop `resize` makes them, by Pillow alone."""
    from PIL import Image

    how = Image.Resampling.BILINEAR
    return np.stack([np.asarray(split[i][0].resize(size, how)) for i in range(len(split))])


@on_a_writer
@pytest.mark.parametrize("preprocessing", [True, False], ids=["pixels", "floats"])
@pytest.mark.parametrize("name", OWN)
def test_round_trip(name, preprocessing, model, digits, tmp_path):
    """The same classes and, within 1e-5, scores of 200 digits, in batches of any size."""
    split = digits.subset(range(200))
    path = tmp_path / f"model{export.FORMATS[name].suffix}"
    names = [f"digit {i}" for i in range(10)]
    done = export.export(
        *(model, path, split),
        format=name,
        preprocessing=preprocessing,
        crop="resize",
        label_names=names,
        say=pytest.fail,
    )
    assert done.path == path
    assert done.comparison.images == 200
    assert done.comparison.agreement == 1
    assert done.comparison.difference < 1e-5
    assert done.comparison.top_1 == done.comparison.keras_top_1
    run = export.load(path, name)
    pixels = pixels_of(split, (16, 16))
    floats = keras_mixer.preprocess_input(pixels)
    expected = model.predict(floats, verbose=0).astype("float64")
    if preprocessing:
        expected = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
    images = pixels if preprocessing else floats
    atol = 1e-5 * max(1, np.abs(expected).max())
    for size in (1, 3, 8, 200):
        np.testing.assert_allclose(run(images[:size]), expected[:size], rtol=0, atol=atol)
    np.testing.assert_array_equal(run(images).argmax(axis=1), expected.argmax(axis=1))

    about = json.loads((tmp_path / f"{path.name}.json").read_text())
    assert about["labels"] == names
    assert about["input"]["shape"] == ["batch", 16, 16, 3]
    assert about["input"]["layout"] == "NHWC"
    assert about["input"]["crop"] == "resize"
    assert about["input"]["dtype"] == ("uint8" if preprocessing else "float32")
    assert about["input"]["range"] == ([0, 255] if preprocessing else [-1, 1])
    assert about["output"]["values"] == ("probabilities" if preprocessing else "logits")
    if name == "onnx":
        import onnxruntime

        stored = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert json.loads(stored["labels"]) == names
        assert json.loads(stored["input"]) == about["input"]
    more = {"model.bin"} if name == "openvino" else set()
    assert {p.name for p in tmp_path.iterdir()} == {path.name, f"{path.name}.json"} | more


@pytest.mark.skipif(not INT8, reason="writes nothing in int8")
def test_int8_loses_less_than_a_point(digits, tmp_path):
    """Of the top-1 of a model that was trained a little; the weights take less room."""
    train = data.load("digits").train
    model = keras_mixer.Mixer(
        keras_mixer.SPECS["mixer_ti4"],
        weights=None,
        input_shape=(8, 8, 3),
        classes=10,
        classifier_activation=None,
        seed=0,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    floats = keras_mixer.preprocess_input(pixels_of(train, (8, 8)))
    model.fit(floats, train.labels, epochs=10, verbose=0)
    for name in INT8:
        done = export.export(
            *(model, tmp_path / f"int8{export.FORMATS[name].suffix}", digits),
            format=name,
            quantize="int8",
            crop="resize",
            preprocessing=True,
        )
        assert done.comparison.keras_top_1 > 0.85
        assert done.comparison.keras_top_1 - done.comparison.top_1 < 0.01
        assert 1e-5 < done.comparison.difference < 0.2  # It is another model.
        if name != "tf_saved_model":  # Which holds the graph several times.
            assert done.size < 0.7 * 4 * model.count_params()


@on_a_writer
def test_mixed_precision_and_own_preprocessing(randomize, digits, tmp_path):
    """Written and compared in float32, which is said; pixels are prepared once."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomize(keras_mixer.Mixer(SPEC, weights=None, classes=10, include_preprocessing=True))
    said: list[str] = []
    done = export.export(
        *(model, tmp_path / "model.onnx", digits.subset(range(50))),
        crop="resize",
        preprocessing=True,
        say=said.append,
    )
    assert done.comparison.agreement == 1
    assert said == ["precision: written in float32; the model computes in mixed_bfloat16"]


@on_a_writer
def test_nothing_is_overwritten(model, digits, tmp_path):
    for name in ("model.onnx", "model.onnx.json"):
        there = tmp_path / name
        there.write_text("mine")
        with pytest.raises(FileExistsError, match=f"{name} exists already"):
            export.export(model, tmp_path / "model.onnx", digits)
        assert there.read_text() == "mine"
        assert list(tmp_path.iterdir()) == [there]
        there.unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "caffe"}, "`format` must be one of onnx, tf_saved_model"),
        ({"quantize": "int4"}, "`quantize` must be one of none, int8. Received: 'int4'"),
        ({"format": "openvino", "quantize": "int8"}, "OpenVINO is not written in int8: .*NNCF"),
        ({"format": "torch", "quantize": "int8"}, "torch.export is not written in int8: .*torchao"),
        ({"format": "litert"}, r"The name of a LiteRT must end in .tflite. Received: .*model.onnx"),
    ],
)
def test_refused(arguments, message, model, digits, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        export.export(model, tmp_path / "model.onnx", digits, **arguments)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", list(export.FORMATS))
def test_what_is_missing_is_said(name, model, digits, tmp_path):
    """In one line, with the command that installs it."""
    from keras_mixer.export.another_backend import check_installed, writer_of

    row = export.FORMATS[name]
    try:
        check_installed(row)
        writer_of(row, "none")
    except ModuleNotFoundError:
        pass
    else:
        pytest.skip("everything is installed")
    with pytest.raises(
        ModuleNotFoundError, match=r'Run: pip install "keras-mixer\[\w+\]"'
    ) as error:
        export.export(model, tmp_path / f"model{row.suffix}", digits, format=name)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
