"""What has been trained on or predicted is let go of: images, threads, batches."""

import gc
import threading
import weakref

import pytest

from keras_mixer import Mixer, data, evaluation, finetune
from keras_mixer.data.ahead import DecodedAhead
from keras_mixer.training import Recipe


def _predict(model, split, tmp_path):
    evaluation.predict(model, split.test, verbose=0)


def _evaluate(model, split, tmp_path):
    evaluation.evaluate(model, split.test, verbose=0)


def _fewshot(model, split, tmp_path):
    evaluation.fewshot(model, split, shots=(1,), seeds=1, verbose=0)


def _finetune(model, split, tmp_path):
    recipe = Recipe(
        "test", "tiny", steps=2, warmup_steps=1, batch_size=4, evaluations=2, learning_rate=0.1
    )
    finetune(model, split, recipe, checkpoints=tmp_path / "checkpoints", verbose=0)


@pytest.mark.parametrize("work", [_predict, _evaluate, _fewshot, _finetune])
def test_nothing_is_kept(work, rng, tiny, tmp_path):
    model = Mixer(tiny, weights=None, classes=2, classifier_activation=None)

    def once():
        images = rng.integers(0, 256, (8, 8, 12, 3), dtype="uint8")
        labels = rng.permutation(8) % 2
        split = data.from_arrays((images, labels), (images, labels), name="arrays")
        work(model, split, tmp_path / str(len(seen)))
        seen.append(weakref.ref(split.train))
        seen.append(weakref.ref(split.test))

    seen: list[weakref.ref] = []
    before = [one for one in gc.get_objects() if issubclass(type(one), DecodedAhead)]
    once()
    gc.collect()
    threads = threading.active_count()
    for _ in range(3):
        once()
    gc.collect()
    decoders = [one for one in gc.get_objects() if issubclass(type(one), DecodedAhead)]
    assert {*map(id, decoders)} <= {*map(id, before)}  # Other tests may keep theirs.
    assert not [one for one in seen if one() is not None]
    assert threading.active_count() <= threads
