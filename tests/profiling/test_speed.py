"""What is measured, and that it is; how fast anything is, no test says."""

import dataclasses
import functools
import json
import math

import keras
import numpy as np
import pytest
from keras import layers

from keras_mixer.profiling import benchmark, matmul_ceiling, throughput
from keras_mixer.profiling.speed import Point, Sweep, Task, is_out_of_memory, sweep

BACKEND = keras.backend.backend()


MACS, PARAMETERS = 4 * 4 * 3 * 5, (4 * 4 * 3 + 1) * 5


@pytest.fixture(autouse=True)
def small_products(monkeypatch):
    quick = functools.partial(matmul_ceiling, size=64)
    monkeypatch.setattr("keras_mixer.profiling.profiles.matmul_ceiling", quick)


def small():
    """The least model; what Mixers take, other tests say."""
    return keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(5)])


def test_benchmark():
    said, policies = [], []

    def build():
        policies.append(keras.config.dtype_policy().name)
        return small()

    profiles = benchmark(
        {"one": build, "two": small},
        batch_sizes=(3, 1, 3),
        dtypes=("float32", "bfloat16"),
        rounds=2,
        say=said.append,
    )
    assert policies == ["float32", "mixed_bfloat16"]
    assert keras.config.dtype_policy().name == "float32"
    assert [(p.model, p.dtype) for p in profiles] == [
        *(("one", "float32"), ("two", "float32")),
        *(("one", "bfloat16"), ("two", "bfloat16")),
    ]
    assert said.count("training: batch size 3") == 1
    for profile in profiles:
        assert profile.parameters == profile.trainable_parameters == PARAMETERS
        assert profile.macs == MACS
        for found, times in ((profile.inference, 2), (profile.training, 6)):
            assert [point.batch_size for point in found.points] == [1, 3]
            assert found.out_of_memory is None
            for point in found.points:
                assert 0 < point.images_per_second < math.inf
                assert 0 < point.first_call < math.inf
                assert point.flops == pytest.approx(point.images_per_second * times * profile.macs)
                # Weights, and in training a gradient's two moments, are always there.
                assert point.peak_bytes >= 4 * profile.parameters * times / 2
        share = profile.inference.best.flops / profile.ceiling
        assert profile.inference_share == pytest.approx(share)
    content = json.loads(json.dumps([dataclasses.asdict(profile) for profile in profiles]))
    assert content[0]["training"]["best"] in content[0]["training"]["points"]
    assert content[0]["training_share"] > 0


def test_training_is_left_out_on_request():
    (profile,) = benchmark(
        {"one": small}, batch_sizes=(2,), rounds=1, training=False, say=lambda _: None
    )
    assert profile.training is None
    assert profile.training_share is None


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_of_training_changes_the_weights(optimizer):
    model = small()
    task = Task(model, 1, optimizer)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    state = task.state_bytes()
    loss = task.call(4)()
    assert np.isfinite(loss)
    after = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    moments = {"sgd": 1, "adamw": 2}[optimizer]
    assert task.state_bytes() - state >= 4 * moments * model.count_params()


def test_the_best_batch_size():
    points = [Point(size, rate, 1.0, 1.0, None) for size, rate in ((1, 5.0), (8, 9.0), (32, 7.0))]
    assert Sweep(tuple(points)).best == points[1]
    assert Sweep((), out_of_memory=1).best is None


class Full:
    """A task that needs more memory than there is from a batch size on."""

    def __init__(self, limit, error, calls):
        self.limit, self.error, self.calls, self.done = limit, error, calls, 0
        self.flops = 1

    def call(self, batch_size):
        def work():
            self.done += 1
            if batch_size >= self.limit and self.done > self.calls:
                raise self.error

        return work

    def state_bytes(self):
        return 0


def errors():
    """What Python and the backend raise."""
    yield MemoryError()
    if BACKEND == "torch":
        import torch

        yield torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        with pytest.raises(RuntimeError) as caught:
            torch.empty(2**55)
        yield caught.value
    elif BACKEND == "jax":
        import jax

        yield jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 64 bytes.")
        with pytest.raises(jax.errors.JaxRuntimeError) as caught:
            jax.numpy.zeros(2**45).block_until_ready()
        yield caught.value
    else:
        import tensorflow as tf

        yield tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


@pytest.mark.parametrize("calls", [0, 5])  # Before the first call, and in the middle of a round.
def test_out_of_memory_ends_a_sweep_and_is_said(calls, monkeypatch):
    monkeypatch.setattr("keras_mixer.profiling.speed.peak_growth", lambda call: call())
    for error in errors():
        said = []
        tasks = {
            ("large", "float32"): Full(4, error, calls),
            "small": Full(100, error, 0),
        }
        found = sweep(tasks, (1, 4, 8), rounds=2, say=said.append)
        assert [p.batch_size for p in found["large", "float32"].points] == [1]
        assert found["large", "float32"].out_of_memory == 4
        assert [p.batch_size for p in found["small"].points] == [1, 4, 8]
        assert "large float32: out of memory at batch size 4" in said


def test_a_sweep_where_nothing_fits():
    found = sweep({"large": Full(1, MemoryError(), 0)}, (1, 4), say=lambda _: None)
    assert found == {"large": Sweep((), 1)}


def test_other_errors_are_errors():
    with pytest.raises(ZeroDivisionError):
        sweep({"large": Full(1, ZeroDivisionError(), 0)}, (1,), say=lambda _: None)
    assert not is_out_of_memory(ValueError("shapes do not fit"))


def test_bad_requests():
    for sizes, rounds in (((), 1), ((0, 1), 1), ((1,), 0)):
        with pytest.raises(ValueError, match=r"positive integers.* Received: batch_sizes="):
            sweep({}, sizes, rounds=rounds)
    with pytest.raises(ValueError, match=r"Unknown \['float16'\]. Choose of: float32, bfloat16"):
        benchmark({"one": small}, dtypes=("float16",))
    with pytest.raises(ValueError, match=r"Unknown \['adam'\]. Choose of: sgd, adamw"):
        benchmark({"one": small}, optimizer="adam")
    with pytest.raises(ValueError, match="nothing to measure"):
        benchmark({})
    with pytest.raises(ValueError, match=r"at least 1. Received: size=0"):
        matmul_ceiling(size=0)
    with pytest.raises(ValueError, match="nothing to draw"):
        throughput((), "CPU")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rate_of_matrix_products(dtype):
    assert 1e6 < matmul_ceiling(dtype, size=64, rounds=3) < 1e16


def test_figure():
    profiles = benchmark({"one": small}, batch_sizes=(1, 2), rounds=1, say=lambda _: None)
    figure = throughput(profiles, "a machine")
    assert figure.get_suptitle() == "Images a second by batch size\na machine"
    for axes, phase in zip(figure.axes, ("inference", "training"), strict=True):
        assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
            phase,
            "batch size (images)",
            "images/s",
        )
        (line,) = axes.lines
        points = getattr(profiles[0], phase).points
        assert list(line.get_ydata()) == [point.images_per_second for point in points]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2"]
