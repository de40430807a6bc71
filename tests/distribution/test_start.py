"""What is refused, each in one line."""

import dataclasses
import importlib

import keras
import pytest

from keras_mixer.distribution import Distribution, initialize, on_torch
from keras_mixer.distribution.start import versions

BACKEND = keras.backend.backend()


def test_unknown_kind():
    with pytest.raises(ValueError, match="one of auto, data, model"):
        initialize("mirrored")


@pytest.mark.parametrize(
    "options",
    [
        {"processes": 2},
        {"process": 0},
        {"coordinator": "127.0.0.1:4000"},
        {"processes": 1, "process": 0, "coordinator": "127.0.0.1:4000"},
    ],
)
def test_half_of_the_options(options):
    with pytest.raises(ValueError, match="Several processes need all of"):
        initialize("data", **options)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="refused before it asks")
@pytest.mark.parametrize("address", ["node0", ":4000", "node0:", "node0:http", "node0:70000"])
def test_an_address_that_is_none(address):
    with pytest.raises(ValueError, match="host:port"):
        initialize("data", processes=2, process=1, coordinator=address)


def test_split_is_for_the_model():
    with pytest.raises(ValueError, match="--split"):
        initialize("data", split=2)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX does it")
def test_the_model_cannot_be_split_elsewhere():
    with pytest.raises(ValueError, match="no model parallelism on"):
        initialize("model")


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_pytorch_has_a_process_for_each_device():
    with pytest.raises(ValueError, match="torchrun"):
        initialize("data")


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_auto_does_not_leave_devices_out(monkeypatch):
    monkeypatch.setattr(on_torch, "_gpus", lambda: 2)  # As on a machine that has them.
    with pytest.raises(ValueError, match="torchrun"):
        initialize("auto")


def test_versions_are_those_of_the_packages():
    found = versions()
    for name in ("keras", "numpy", BACKEND):
        assert found[name] == importlib.import_module(name).__version__


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        pytest.param(
            "data",
            "fit does not work under MultiWorkerMirroredStrategy",
            marks=pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow"),
        ),
        pytest.param(
            "model",
            "Model parallelism is for the devices of one process",
            marks=pytest.mark.skipif(BACKEND != "jax", reason="of JAX"),
        ),
    ],
)
def test_several_processes_where_keras_cannot(kind, told):
    with pytest.raises(ValueError, match=told):
        initialize(kind, processes=2, process=1, coordinator="127.0.0.1:9")


@pytest.mark.skipif(BACKEND == "tensorflow", reason="refused before it asks")
def test_nobody_at_the_coordinator_s_address():
    with pytest.raises(TimeoutError, match=r"did not answer at 127\.0\.0\.1:9 within 0\.5 s"):
        initialize("data", processes=2, process=1, coordinator="127.0.0.1:9", wait=0.5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow")
def test_accumulation_on_several_devices():
    place = Distribution("data", replicas=2)
    place.check_accumulation(1)
    with pytest.raises(ValueError, match="cannot accumulate gradients under MirroredStrategy"):
        place.check_accumulation(2)


def test_a_batch_that_does_not_fall_into_equal_parts():
    place = Distribution("data", replicas=4)
    place.check_batch(8)
    with pytest.raises(ValueError, match="10 images at once cannot be shared by 4 devices"):
        place.check_batch(10)


def test_widths_that_cannot_be_split():
    place = Distribution("model", split=3)
    place.check_widths(tokens_mlp_dim=384)
    with pytest.raises(ValueError, match="`channels_mlp_dim` = 16 cannot be split over 3"):
        place.check_widths(tokens_mlp_dim=384, channels_mlp_dim=16)


def test_what_goes_with_one_process_alone():
    place = Distribution("data", processes=2)
    place.refuse(sweep=False, augment=None)
    with pytest.raises(ValueError, match="`sweep` goes with one process"):
        place.refuse(sweep=True)
    dataclasses.replace(place, processes=1).refuse(sweep=True)
