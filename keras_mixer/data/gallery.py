"""A picture of what a model is trained on: images of a batch with their labels."""

from typing import TYPE_CHECKING

import numpy as np

from keras_mixer.data.ahead import layout_of
from keras_mixer.preprocessing import preprocess_input

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN, LINE = 8, 14  # Pixels between images; of a line of text.


def gallery(batch, label_names, columns: int = 8, weights=None) -> "Image":
    """Draws a batch as a grid, the label under each image.

    Args:
        batch: `(images, labels)` as a `TrainingBatches` gives them.
        label_names: names of the classes, in order.
        columns: images in a row.
        weights: what the images were prepared for, as in `keras_mixer.preprocess_input`.

    Returns:
        An RGB image of PIL. An image that was mixed has a line for each of its labels, with the
        share of each.
    """
    from PIL import Image, ImageDraw, ImageFont

    x, y = batch
    if layout_of(weights) == "channels_first":
        x = np.transpose(x, (0, 2, 3, 1))  # b c h w -> b h w c
    black, white = preprocess_input(np.array([0.0, 255.0]), weights)
    pixels = np.rint((x - black) * (255 / (white - black))).clip(0, 255).astype("uint8")
    zoom = max(1, 96 // pixels.shape[2])  # Small pictures are enlarged to be seen.
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = pixels.shape[1:3]
    cell_width = max(width, 96) + MARGIN
    cell_height = height + 2 * LINE + MARGIN
    rows = -(-len(pixels) // columns)
    page = Image.new(
        "RGB", (columns * cell_width + MARGIN, rows * cell_height + MARGIN), (255, 255, 255)
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for i, (image, label) in enumerate(zip(pixels, y, strict=True)):
        left = MARGIN + i % columns * cell_width
        top = MARGIN + i // columns * cell_height
        page.paste(Image.fromarray(image), (left, top))
        for line, text in enumerate(captions(label, label_names)):
            while draw.textlength(text, font) > cell_width - MARGIN:
                text = text[:-2].rstrip("…") + "…"
            draw.text((left, top + height + line * LINE), text, (0, 0, 0), font)
    return page


def captions(label: np.ndarray, label_names) -> list[str]:
    """The names in a label, the largest share first, with shares where there are two."""
    parts = [i for i in np.argsort(-label, kind="stable")[:2] if label[i] > 0]
    if len(parts) == 1:
        return [label_names[parts[0]]]
    return [f"{label[i]:.0%} {label_names[i]}" for i in parts]
