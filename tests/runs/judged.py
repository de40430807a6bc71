"""What a model of some skill says about pictures made up for it."""

import numpy as np

from keras_mixer.data import Split

ROW = {"round": 1, "step": 66, "learning_rate": 0.004, "loss": 1.2, "top_1": 0.55}
HISTORY = [{**ROW, "step": 66 * i, "val_loss": 1 / i, "val_top_1": 1 - 1 / i} for i in (1, 2, 3)]
HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table></style><img src=http://evil onerror=x>",
    "\"double\" & 'single' &lt;",
    "$x^2$ and \\frac{1}{2} for $5",
    "日本語の名前",
    "שם בעברית",
    "turned \u202e around",
    "W" * 300,
    "😀 {0} %s",
    "lone \ud800 half",
    "",
)


def judged(rng, classes, images, skill=3.0):
    """Pictures of odd sizes, labels, and what a model of some skill says."""
    labels = rng.integers(0, classes, images)
    scores = rng.normal(size=(images, classes))
    scores[np.arange(images), labels] += skill
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    pictures = [np.full((1 + i % 50, 1 + i % 37, 3), i % 256, "uint8") for i in range(images)]
    return Split(pictures, labels, [f"{i}.png" for i in range(images)]), probabilities
