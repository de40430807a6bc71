"""Memory that is known beforehand is found again."""

import sys

import keras
import numpy as np
import pytest

from keras_mixer.profiling import memory, peak_growth

MIB = 2**20


def test_growth_of_a_large_allocation():
    size = 64 * MIB

    def allocate():
        values = keras.ops.ones((size // 4,), dtype="float32") * 2.0
        return keras.ops.convert_to_numpy(values[:1])

    allocate()
    assert size * 0.95 < peak_growth(allocate) < 4 * size
    assert peak_growth(lambda: None) < 4 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_resident_memory(monkeypatch):
    for module in ("_jax", "_tensorflow", "_torch"):
        monkeypatch.setattr(memory, module, lambda: None)
    assert 63 * MIB < peak_growth(lambda: np.ones(64 * MIB, "uint8")) < 80 * MIB


def test_where_nothing_is_measured(monkeypatch):
    called = []
    monkeypatch.setattr(memory, "_counter", lambda: None)
    assert peak_growth(lambda: called.append(1)) is None
    assert called == [1]


def test_a_peak_that_cannot_be_reset(monkeypatch):
    """As that of JAX on a GPU."""
    state = {"held": 10, "peak": 50}
    counter = memory._Counter(lambda: state["held"], lambda: state["peak"], None)
    monkeypatch.setattr(memory, "_counter", lambda: counter)
    assert peak_growth(lambda: None) is None
    assert peak_growth(lambda: state.update(peak=70)) == 60


def test_bytes_of_variables():
    types = ("float32", "bfloat16", "int8", "bool")
    variables = [
        keras.Variable(keras.ops.zeros((3, 8), dtype), dtype=dtype, trainable=False)
        for dtype in types
    ]
    assert memory.state_bytes(variables) == 24 * (4 + 2 + 1 + 1)
