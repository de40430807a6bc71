"""The types of options that are numbers; each of them has a range.

What is out of it is refused while the command line is read, before a backend is imported. A test
holds every option to these types, and those of a recipe to `keras_mixer.training.ranges`.
"""

import operator
import struct

import click

COUNT = 2**31 - 1
LARGE = 1e38
SHOWN = 40  # Characters of what was given.


class _Number(click.ParamType):
    min: float
    max: float
    min_open = max_open = False

    def convert(self, value, param, ctx):
        number = self.read(value)
        low = operator.lt if self.min_open else operator.le
        high = operator.lt if self.max_open else operator.le
        if number is None or not all(low(self.min, n) and high(n, self.max) for n in number):
            given = str(value) if len(str(value)) <= SHOWN else f"{str(value)[:SHOWN]}..."
            self.fail(f"It must be {self}. Received: {given!r}", param, ctx)
        return number[0]

    def read(self, value) -> tuple | None:
        """A number, with what a tensor makes of it; `None` where it is none."""
        raise NotImplementedError


class Whole(_Number):
    """A whole number; by default from 1 to the greatest that 32 bits hold."""

    name = "integer"

    def __init__(self, min: int = 1, max: int = COUNT):
        self.min, self.max = min, max

    def read(self, value):
        try:
            return (int(value),)
        except ValueError:
            return None

    def __str__(self):
        return f"a whole number from {self.min:,} to {self.max:,}"


class Real(_Number):
    """A number that is in its range as float32, too; by default one above 0."""

    name = "float"

    def __init__(
        self, min: float = 0, max: float = LARGE, *, min_open: bool = False, max_open: bool = False
    ):
        self.min, self.max, self.min_open, self.max_open = min, max, min_open, max_open

    def read(self, value):
        try:
            number = float(value)
            return (number, *struct.unpack("f", struct.pack("f", number)))
        except (ValueError, OverflowError):
            return None

    def __str__(self):
        low = f"{'above' if self.min_open else 'at least'} {self.min:g}"
        return f"{low} and {'below' if self.max_open else 'at most'} {self.max:g}"


class Size(click.ParamType):
    """`224` or `224x320` as (height, width)."""

    name = "PIXELS"
    side = Whole(1, 65_536)

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        sides = value.lower().split("x")
        if len(sides) not in (1, 2):
            self.fail(f"{value!r} is neither PIXELS nor HEIGHTxWIDTH, such as 224.", param, ctx)
        numbers = [self.side.convert(text, param, ctx) for text in sides]
        return numbers[0], numbers[-1]
