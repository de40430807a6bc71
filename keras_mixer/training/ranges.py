"""Which numbers a training takes: what becomes a tensor or a C integer is checked before it does.

The options of the command have the same ranges, and a test compares them.
"""

import dataclasses
import operator
import struct
from typing import Any

from keras_mixer.arguments import plain

COUNT = 2**31 - 1  # Steps are counted, and seeds kept, in 32 bits on every backend.
LARGE = 1e38  # Just below the largest float32.


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers from `min` to `max`.

    Args:
        min: Number. The least one.
        max: Number. The greatest one.
        min_open: Boolean. Whether `min` itself is excluded. Defaults to `False`.
        max_open: Boolean. Whether `max` itself is excluded. Defaults to `False`.
        whole: Boolean. Whether only integers are in it. Other numbers have to be in it as float32,
            too, which is what a tensor makes of them. Defaults to `False`.
    """

    min: float
    max: float
    min_open: bool = False
    max_open: bool = False
    whole: bool = False

    def __contains__(self, value: Any) -> bool:
        if isinstance(plain(value), bool):
            return False
        try:
            if self.whole:
                return self.min <= operator.index(value) <= self.max
            (single,) = struct.unpack("f", struct.pack("f", value))
        except (TypeError, ValueError, OverflowError, struct.error):
            return False
        low = operator.lt if self.min_open else operator.le
        high = operator.lt if self.max_open else operator.le
        # Both, for 0.1 as float32 is above 0.1.
        return all(low(self.min, one) and high(one, self.max) for one in (value, single))

    def __str__(self) -> str:
        if self.whole:
            return f"a whole number from {self.min:,} to {self.max:,}"
        low = f"{'above' if self.min_open else 'at least'} {self.min:g}"
        return f"{low} and {'below' if self.max_open else 'at most'} {self.max:g}"

    def check(self, name: str, value: Any) -> Any:
        """The number as one of Python, which JSON and Keras know, where it is one of NumPy.

        Raises:
            ValueError: it is not in the range; the message has the name of the argument.
        """
        if value not in self:
            raise ValueError(f"`{name}` must be {self}. Received: {value!r}")
        return plain(value)


def count(least: int, most: int = COUNT) -> Range:
    """A whole number, at most what 32 bits hold."""
    return Range(least, most, whole=True)


POSITIVE = Range(0, LARGE, min_open=True)
NOT_NEGATIVE = Range(0, LARGE)
SHARE = Range(0, 1, max_open=True)
SEED = count(0)

# The fields of a recipe that are numbers; of `learning_rates`, each of them.
RANGES = {
    "learning_rate": POSITIVE,
    "learning_rates": POSITIVE,
    "batch_size": count(1, 2**20),
    "accumulation": count(1),
    "steps": count(1),
    "epochs": Range(0, COUNT, min_open=True),
    "warmup_steps": Range(0, COUNT),
    "clip_norm": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "layer_decay": Range(0, 1, min_open=True),
    "ema": Range(0, 1, min_open=True, max_open=True),
    "label_smoothing": SHARE,
    "head_bias": Range(-LARGE, LARGE),
    "head_steps": count(0),
    "lora_rank": count(0, 65_536),
    "dropout": SHARE,
    "stochastic_depth": SHARE,
    "randaugment_layers": count(0, 1000),
    "randaugment_magnitude": Range(0, 30),
    "mixup": NOT_NEGATIVE,
    "cutmix": NOT_NEGATIVE,
    "evaluations": count(1, 1_000_000),
    "early_stopping": count(0),
}
