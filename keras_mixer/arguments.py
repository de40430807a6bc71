"""Numbers that callers give: NumPy's as well as Python's, kept as Python's, no booleans."""

import math
import numbers
from typing import Any


def plain(value: Any) -> Any:
    """A number of NumPy as Python's own, which JSON can hold; anything else as it is."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def whole(value: Any, name: str, least: int = 1) -> int:
    """A whole number that is at least `least`, 0 or 1.

    Raises:
        ValueError: it is none.
    """
    number = plain(value)
    if type(number) is not int or number < least:
        kind = "a positive integer" if least else "an integer of at least 0"
        raise ValueError(f"`{name}` must be {kind}. Received: {value!r}")
    return number


def pair(value: Any, name: str) -> tuple[int, int]:
    """Two positive whole numbers, such as a height and a width; one number stands for both.

    Raises:
        ValueError: it is neither.
    """
    one = isinstance(value, numbers.Integral)
    try:
        found = tuple(map(plain, (value, value) if one else value))
    except TypeError:
        found = ()
    if len(found) != 2 or not all(type(n) is int and n > 0 for n in found):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them. Received: {value!r}"
        )
    return found


def rate(value: Any, name: str) -> float:
    """A probability of at least 0 and below 1.

    Raises:
        ValueError: it is none.
    """
    number = plain(value)
    if type(number) not in (int, float) or not 0 <= number < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1. Received: {value!r}")
    return float(number)


def epsilon(value: Any, name: str = "epsilon") -> float:
    """A finite number of at least 0.

    Raises:
        ValueError: it is none.
    """
    number = plain(value)
    if type(number) not in (int, float) or not 0 <= number < math.inf:
        raise ValueError(f"`{name}` must be a finite number of at least 0. Received: {value!r}")
    return float(number)


def seed_or_none(value: Any, name: str = "seed") -> int | None:
    """An integer, or `None`.

    Raises:
        ValueError: it is neither.
    """
    number = plain(value)
    if number is not None and type(number) is not int:
        raise ValueError(f"`{name}` must be an integer or None. Received: {value!r}")
    return number
