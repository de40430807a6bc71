"""Arrays that stay in their file until they are asked for, so that a model is never held twice."""

import dataclasses
from collections.abc import Callable

import numpy as np

# What a weight may be stored as. bfloat16 goes by its own name where a format has it; NumPy's
# own files can only keep it as two bytes without a type.
_HALVES = ("float16", "bfloat16", "|V2")
STORED = ("float32", *_HALVES)


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """One array of a weight file.

    Args:
        shape: its shape, known before it is read.
        dtype: its type as the file has it, as NumPy prints it, or `"bfloat16"`.
        load: reads it.
    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]

    def read(self) -> np.ndarray:
        """The array; half types come as float32, in which they are exact."""
        array = np.asarray(self.load())
        if self.dtype == "|V2":  # The upper half of a float32.
            return (array.view("uint16").astype("uint32") << 16).view("float32")
        return array.astype("float32") if self.dtype in _HALVES else array

    def map(self, change: Callable[[np.ndarray], np.ndarray], shape) -> "StoredArray":
        """The same array changed when it is read, to one of `shape`."""
        # Whatever was half a float is a float32 from here on.
        dtype = "float32" if self.dtype in _HALVES else self.dtype
        return StoredArray(tuple(shape), dtype, lambda: change(self.read()))

    def reshape(self, *shape: int) -> "StoredArray":
        """The same numbers in another shape."""
        return self.map(lambda array: array.reshape(shape), shape)

    def transpose(self, *axes: int) -> "StoredArray":
        """The same array with its axes in another order; reversed by default."""
        axes = axes or tuple(reversed(range(len(self.shape))))
        return self.map(lambda array: array.transpose(axes), (self.shape[i] for i in axes))


def rename(
    arrays: dict[str, StoredArray], change: Callable[[str, StoredArray], tuple[str, StoredArray]]
) -> dict[str, StoredArray]:
    """Each array under the name, and in the shape, that `change` gives it.

    Raises:
        ValueError: two arrays get the same name.
    """
    result: dict[str, StoredArray] = {}
    for old, array in arrays.items():
        name, changed = change(old, array)
        if name in result:
            raise ValueError(f"Two arrays mean {name}; one of them is called {old}.")
        result[name] = changed
    return result


def stored(array: np.ndarray) -> StoredArray:
    """An array that is in memory already."""
    return StoredArray(array.shape, str(array.dtype), lambda: array)
