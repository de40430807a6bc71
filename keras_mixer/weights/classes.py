"""Names of the classes of published heads, fetched and cached like the weights."""

import functools
import json
import pathlib
from collections.abc import Callable, Container

from keras_mixer.weights.fetch import fetch
from keras_mixer.weights.registry import STORAGE

# Keras' own list, the one that `keras.applications` reads.
_IMAGENET = f"{STORAGE}/download.tensorflow.org/data/imagenet_class_index.json"
# The lists beside Google's BiT models. Lists of 21,841 classes circulate too.
_IDS = f"{STORAGE}/bit_models/imagenet21k_wordnet_ids.txt"
_LEMMAS = f"{STORAGE}/bit_models/imagenet21k_wordnet_lemmas.txt"
# The classes of MIIL's ImageNet-21k-P, in order, as timm 1.0.20 ships them: 11,221 of those ids.
_MIIL = (
    "https://raw.githubusercontent.com/huggingface/pytorch-image-models/v1.0.20/timm/data/_info/"
    "imagenet21k_miil_synsets.txt"
)


def class_names(classes: int) -> tuple[tuple[str, str], ...]:
    """`(WordNet id, name)` of each class of a published head, in order.

    Args:
        classes: 1000 for ImageNet, 21843 for ImageNet-21k, 11221 for MIIL's ImageNet-21k-P.

    Raises:
        ValueError: there is no public list of that many classes, or a list is of another length.
        OSError: a list could not be fetched.
    """
    if classes not in _LISTS:
        raise ValueError(
            f"There is no public list of the names of {classes} classes; there are lists of "
            f"{', '.join(map(str, _LISTS))}."
        )
    return _LISTS[classes]()


@functools.cache
def _imagenet() -> tuple[tuple[str, str], ...]:
    def check(path: pathlib.Path) -> dict:
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a list of classes: {error}") from error
        if not isinstance(index, dict) or set(index) != {str(i) for i in range(1000)}:
            raise ValueError(f"{path} does not list the classes 0 to 999.")
        for row in index.values():
            if not isinstance(row, list) or [type(text) for text in row[:2]] != [str, str]:
                raise ValueError(f"{path} does not give each class its id and its name.")
        return index

    index = check(fetch(_IMAGENET, "imagenet_class_index.json", check=check))
    return tuple((index[str(i)][0], index[str(i)][1]) for i in range(1000))


@functools.cache
def _imagenet21k() -> tuple[tuple[str, str], ...]:
    ids, lemmas = (_lines(url, 21843) for url in (_IDS, _LEMMAS))
    return tuple(zip(ids, lemmas, strict=True))


@functools.cache
def _imagenet21k_miil() -> tuple[tuple[str, str], ...]:
    names = dict(_imagenet21k())
    return tuple((one, names[one]) for one in _lines(_MIIL, 11221, names))


def _lines(url: str, classes: int, known: Container[str] | None = None) -> list[str]:
    """The lines of a list, as many as there are classes; where some are known, these, once each."""

    def read(path: pathlib.Path) -> list[str]:
        found = path.read_text(encoding="utf-8").splitlines()
        if len(found) != classes:
            raise ValueError(
                f"{path} has {len(found)} lines; the head of these weights has {classes} classes."
            )
        if known is not None and not (len({*found}) == classes and all(i in known for i in found)):
            raise ValueError(f"{path} lists what is no class of ImageNet-21k, or a class twice.")
        return found

    return read(fetch(url, url.rsplit("/", 1)[1], check=read))


_LISTS: dict[int, Callable[[], tuple[tuple[str, str], ...]]] = {
    1000: _imagenet,
    11221: _imagenet21k_miil,
    21843: _imagenet21k,
}
