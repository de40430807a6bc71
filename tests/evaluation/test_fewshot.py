"""Few-shot against the regression written anew from big_vision's description."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_mixer import Mixer, data, evaluation, preprocess_input
from keras_mixer.training.linear_probe import Regression


def ridge(features, labels, classes, l2=1024.0):
    """Coefficients of the appended design matrix: whiten, append 100, solve in the dual form."""
    mean, std = features.mean(0), features.std(0) + 1e-5
    design = np.hstack([(features - mean) / std, np.full((len(features), 1), 100.0)])
    targets = np.where(np.arange(classes) == labels[:, None], 1.0, -1.0)
    gram = design @ design.T + l2 * np.eye(len(design))
    coefficients = design.T @ np.linalg.inv(gram) @ targets

    def scores(x):
        return np.hstack([(x - mean) / std, np.full((len(x), 1), 100.0)]) @ coefficients

    return scores


@pytest.fixture
def pictures(rng):
    """42 training and 30 test images of three colours, with much noise."""

    def draw(n):
        labels = np.arange(n) % 3
        colour = 100 * np.eye(3)[labels][:, None, None]
        images = np.clip(80 + colour + rng.normal(0, 60, (n, 8, 12, 3)), 0, 255)
        return images.astype("uint8"), labels

    return data.from_arrays(draw(42), draw(30), name="colours")


@pytest.fixture
def model(tiny, randomize):
    return randomize(Mixer(tiny, weights=None, classes=7))


@pytest.mark.parametrize("images", [6, 40])
def test_regression_equals_the_design_matrix_to_1e_6(rng, images):
    """With fewer images than features, and with more."""
    features = rng.normal(2, 3, (images, 12)) @ rng.normal(0, 1, (12, 12))
    features[:, 4] *= 1e-6  # Where the constant in the deviation shows.
    labels = np.arange(images) % 3
    regression = Regression(12, 3)
    regression.add(features, np.eye(3)[labels])
    kernel, bias = regression.solve()
    unseen = rng.normal(2, 3, (9, 12))
    unseen[:, 4] *= 1e-6
    expected = ridge(features, labels, 3)(unseen)
    np.testing.assert_allclose(unseen @ kernel + bias, expected, rtol=1e-6, atol=1e-6)


def test_fewshot(model, pictures):
    result = evaluation.fewshot(
        model, pictures, shots=(1, 5), seeds=2, crop="resize", batch_size=16, verbose=0
    )
    body = keras.Model(model.input, model.get_layer("avg_pool").output)

    def features(split):
        return body.predict(preprocess_input(np.stack(split.pictures)), verbose=0).astype("float64")

    train, test = features(pictures.train), features(pictures.test)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        order = [rng.permutation(np.where(pictures.train.labels == label)[0]) for label in range(3)]
        for shots in (1, 5):
            few = np.concatenate([own[:shots] for own in order])
            scores = ridge(train[few], pictures.train.labels[few], 3)(test)
            expected = (scores.argmax(1) == pictures.test.labels).mean()
            assert result.top_1[shots][seed] == pytest.approx(expected)
    assert (result.test_images, result.features) == (30, 8)
    assert result.mean(5) == pytest.approx(np.mean(result.top_1[5]))
    assert result.deviation(5) == pytest.approx(np.std(result.top_1[5], ddof=1))
    assert result.mean(5) > 0.5  # Chance is a third.


def test_features_are_computed_once(model, pictures, tmp_path, monkeypatch):
    few = {"shots": (2,), "crop": "resize", "verbose": 0, "cache": tmp_path}
    first = evaluation.fewshot(model, pictures, **few)
    assert len(list(tmp_path.iterdir())) == 2
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "predict", None)  # Would fail.
        assert evaluation.fewshot(model, pictures, **few) == first
    model.get_layer("stem").bias.assign(np.ones(8))
    evaluation.fewshot(model, pictures, **few)
    assert len(list(tmp_path.iterdir())) == 4
    evaluation.fewshot(model, pictures, **{**few, "crop": "resize_crop"})
    assert len(list(tmp_path.iterdir())) == 6


def test_other_pictures_of_the_same_names_are_computed(model, pictures, rng, tmp_path):
    few = {"shots": (2,), "crop": "resize", "verbose": 0}
    arrays = [(rng.integers(0, 256, (30, 8, 12, 3), dtype="uint8"), np.arange(30) % 3)] * 2
    for split in ("train", "test"):
        for label in range(3):
            (tmp_path / split / str(label)).mkdir(parents=True)
    for shift in (0, 100):  # The files are overwritten.
        others = [(images + np.uint8(shift), labels) for images, labels in arrays]
        for split, (images, labels) in zip(("train", "test"), others, strict=True):
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                Image.fromarray(image).save(tmp_path / split / str(label) / f"{i:02}.bmp")
        for loaded in (data.from_arrays(*others), data.load(str(tmp_path))):
            cached = evaluation.fewshot(model, loaded, cache=tmp_path / "cache", **few)
            assert cached == evaluation.fewshot(model, loaded, **few)
    assert len(list((tmp_path / "cache").iterdir())) == 8


def test_any_model_and_any_layer(pictures):
    inputs = keras.Input((8, 12, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    plain = keras.Model(inputs, x)
    headed = keras.Model(inputs, keras.layers.Dense(3)(x))
    few = {"shots": (5,), "crop": "resize", "verbose": 0}
    result = evaluation.fewshot(plain, pictures, **few)
    assert evaluation.fewshot(headed, pictures, **few) == result
    assert evaluation.fewshot(headed, pictures, layer="pool", **few) == result
    with pytest.raises(ValueError, match=r"have shape \(None, 6, 10, 4\) and must be"):
        evaluation.fewshot(headed, pictures, layer="conv", **few)


def test_wrong_arguments(model, pictures):
    with pytest.raises(ValueError, match=r"class 0 of colours has 14 training images and 15 shots"):
        evaluation.fewshot(model, pictures, shots=(1, 15), verbose=0)
    with pytest.raises(ValueError, match=r"must be at least 1\. Received: shots=\(0,\), seeds=3"):
        evaluation.fewshot(model, pictures, shots=(0,))
