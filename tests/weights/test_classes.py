"""Names of classes, from lists that were placed in the cache by hand."""

import json

import numpy as np
import pytest

from keras_mixer import decode_predictions, weights
from keras_mixer.weights import classes

pytestmark = pytest.mark.once

IMAGENET = {str(i): [f"n{i:08}", f"name {i}"] for i in range(1000)}


@pytest.fixture
def place():
    """Puts files into the cache; what was read of others is forgotten, before and after."""

    def put(**files):
        for name, text in files.items():
            path = weights.cache_dir() / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    for read in (classes._imagenet, classes._imagenet21k):
        read.cache_clear()
    yield put
    for read in (classes._imagenet, classes._imagenet21k):
        read.cache_clear()


def test_imagenet(place):
    place(imagenet_class_index__json=json.dumps(dict(reversed(IMAGENET.items()))))
    assert classes.class_names(1000) == tuple((f"n{i:08}", f"name {i}") for i in range(1000))
    scores = np.zeros((2, 1000))
    scores[0, 999], scores[1, 0] = 1, 1
    best = decode_predictions(scores, top=1, weights="imagenet")
    assert best == [[("n00000999", "name 999", 1.0)], [("n00000000", "name 0", 1.0)]]


def test_imagenet21k(place):
    ids, lemmas = ([f"{what} {i}" for i in range(21_843)] for what in ("id", "lemma"))
    place(
        imagenet21k_wordnet_ids__txt="\n".join(ids),
        imagenet21k_wordnet_lemmas__txt="\n".join(lemmas),
    )
    assert classes.class_names(21_843) == tuple(zip(ids, lemmas, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not a list of classes"),
        (json.dumps([]), "does not list the classes 0 to 999"),
        (json.dumps({k: IMAGENET[k] for k in list(IMAGENET)[:-1]}), "does not list the classes"),
        (json.dumps(IMAGENET | {"1000": ["n", "x"]}), "does not list the classes 0 to 999"),
        (json.dumps(IMAGENET | {"7": ["n"]}), "does not give each class its id and its name"),
        (json.dumps(IMAGENET | {"7": ["n", 7]}), "does not give each class its id and its name"),
        (json.dumps(IMAGENET | {"7": "nn"}), "does not give each class its id and its name"),
    ],
)
def test_a_damaged_list(place, text, message):
    place(imagenet_class_index__json=text)
    with pytest.raises(ValueError, match=message):
        classes.class_names(1000)


@pytest.mark.parametrize("lines", [0, 21_841, 21_844])
def test_a_list_of_another_length(place, lines):
    place(imagenet21k_wordnet_ids__txt="\n".join(["n"] * lines))
    with pytest.raises(ValueError, match=f"has {lines} lines; .* has 21843"):
        classes.class_names(21_843)
