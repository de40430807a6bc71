"""Why a model says what it says of one picture, in numbers that a page can draw."""

import base64
import io

import keras
import numpy as np
from pydantic import BaseModel

from keras_mixer.layers import Patches
from keras_mixer.serving.classifier import Classifier
from keras_mixer.serving.service import Service
from keras_mixer.visualize import occlusion_of, token_mixing_units, unit_activity
from keras_mixer.visualize.units import mixer_blocks

WINDOWS = 16  # Of the picture along a side, at most; each of them costs a prediction.
WITHOUT_PATCHES = 8  # The same for a model whose patches are not known.
BLOCKS, UNITS = 3, 8  # Shown, as the paper's Figure 5 shows the first three blocks.


class Unit(BaseModel):
    """A token-mixing unit: its number, mean activation and weights over the tokens."""

    unit: int
    activity: float
    weights: list[list[float]]


class Block(BaseModel):
    """The units of a block that fired most, the strongest first."""

    block: int
    units: list[Unit]


class Explanation(BaseModel):
    """What a prediction rests on.

    `image` is the picture as the model sees it, a PNG as a `data:` URL; `drops`, `window` and
    `stride` are those of `keras_mixer.visualize.Occlusion`; `note` tells why there are no blocks.
    """

    image: str
    image_size: tuple[int, int]
    index: int
    label: str
    probability: float
    drops: list[list[float]]
    window: tuple[int, int]
    stride: tuple[int, int]
    blocks: list[Block]
    note: str | None


def explain(service: Service, seen: np.ndarray) -> Explanation:
    """What the first class of a picture rests on, and which units it makes fire.

    Args:
        service: its classifier answers, its queue is waited for.
        seen: the picture, as `Classifier.see` gives it.

    Example:
        `explain(service, service.classifier.see(read_upload(data))).drops`
    """
    classifier = service.classifier
    found = occlusion_of(service.probabilities, seen, window=window_of(classifier))
    blocks, note = _units(classifier, seen)
    return Explanation(
        image=_png(seen),
        image_size=classifier.image_size,
        index=found.label,
        label=classifier.label_names[found.label],
        probability=found.probability,
        drops=found.drops.tolist(),
        window=found.window,
        stride=found.stride,
        blocks=blocks,
        note=note,
    )


def window_of(classifier: Classifier) -> tuple[int, int]:
    """Height and width of what is covered at a time.

    A patch of the model, or several where there are more than `WINDOWS` along a side; an eighth of
    the side where patches are not known.
    """
    layers = [] if classifier.model is None else classifier.model.layers
    patches = [layer.patch_size for layer in layers if isinstance(layer, Patches)]
    tall, wide = classifier.image_size
    if len(patches) != 1:
        return -(-tall // WITHOUT_PATCHES), -(-wide // WITHOUT_PATCHES)
    height, width = patches[0]
    return height * -(-tall // (height * WINDOWS)), width * -(-wide // (width * WINDOWS))


def _units(classifier: Classifier, seen: np.ndarray) -> tuple[list[Block], str | None]:
    """The strongest units of the first blocks, or why there are none."""
    model = classifier.model
    if model is None:
        return [], "An exported file does not tell what its units do. Choose the run or the model."
    images = classifier.scale(seen)[None]
    try:
        with classifier.lock:
            blocks = range(min(BLOCKS, len(mixer_blocks(model))))
            return [_strongest(model, images, block) for block in blocks], None
    except ValueError as error:
        return [], f"No token-mixing units: {error}"


def _strongest(model: keras.Model, images: np.ndarray, block: int) -> Block:
    weights = token_mixing_units(model, block, sort=False)
    (activity,) = unit_activity(model, images, block)
    best = np.argsort(-activity, kind="stable")[:UNITS]
    return Block(
        block=block,
        units=[
            Unit(unit=int(i), activity=float(activity[i]), weights=weights[i].tolist())
            for i in best
        ],
    )


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
