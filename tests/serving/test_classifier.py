"""The classifier says what `evaluation.predict` says."""

import keras
import numpy as np
import pytest
from served import LABELS

from keras_mixer import data, evaluation, serving
from keras_mixer.runs.directory import finish_run


@pytest.fixture
def pictures(rng):
    sizes = [(20, 30), (8, 12), (31, 17), (9, 90)]
    return [rng.integers(0, 256, (*size, 3), dtype="uint8") for size in sizes]


def split_of(pictures):
    return data.Split(pictures, np.zeros(len(pictures), int), [str(i) for i in pictures])


@pytest.mark.parametrize("crop", ["resize", "resize_crop", "resmall_crop"])
def test_probabilities_and_names(model, pictures, crop):
    classifier = serving.Classifier(model, LABELS, crop=crop)
    expected = evaluation.predict(model, split_of(pictures), crop=crop, verbose=0)
    for row, ranked in zip(expected, classifier.classify(pictures, top=9), strict=True):
        assert [one.index for one in ranked] == np.argsort(-row).tolist()
        assert [one.label for one in ranked] == [LABELS[i] for i in np.argsort(-row)]
        np.testing.assert_allclose([one.probability for one in ranked], -np.sort(-row), atol=1e-6)
    assert [len(ranked) for ranked in classifier.classify(pictures[:2], top=2)] == [2, 2]
    assert classifier.classify([]) == []


@pytest.mark.parametrize("crop", ["resize", "resize_crop", "resmall_crop"])
@pytest.mark.parametrize("weights", [None, "imagenet21k_miil"])
def test_pictures_are_prepared_bit_for_bit(pictures, crop, weights):
    batches = data.EvaluationBatches(split_of(pictures), 5, (8, 12), 4, crop=crop, weights=weights)
    rows = [data.evaluation_image(one, (8, 12), crop, weights) for one in pictures]
    np.testing.assert_array_equal(batches[0][0], np.stack(rows))
    keras.config.set_image_data_format("channels_first")
    rows = [data.evaluation_image(one, (8, 12), crop, weights) for one in pictures]
    np.testing.assert_array_equal(batches[0][0], np.stack(rows))


def test_a_run_has_its_own_crop_and_names(model, pictures, tmp_path):
    finish_run(tmp_path, model, {"recipe": {"evaluation_crop": "resize"}}, LABELS)
    classifier = serving.Classifier.of_run(tmp_path)
    assert (classifier.crop, classifier.label_names) == ("resize", LABELS)
    expected = evaluation.predict(model, split_of(pictures), crop="resize", verbose=0)
    for row, ranked in zip(expected, classifier.classify(pictures, top=1), strict=True):
        assert ranked[0].probability == pytest.approx(row.max(), abs=1e-6)


def test_names_have_to_fit(model):
    with pytest.raises(ValueError, match="has 2 names and the model has 5 classes"):
        serving.Classifier(model, ["a", "b"])
    with pytest.raises(ValueError, match="must be one of resize, resize_crop, resmall_crop"):
        serving.Classifier(model, crop="middle")
    assert serving.Classifier(model).label_names == ("0", "1", "2", "3", "4")


def test_what_is_not_a_number_is_no_answer(classifier):
    with pytest.raises(serving.ModelError, match="scores that are not numbers"):
        classifier.rank(np.array([0.1, np.nan, 0.2, 0.3, 0.4]))
