"""One backend a run: a test fails as soon as another one is imported by accident."""

import signal
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_mixer

BACKEND = keras.backend.backend()
FOREIGN = {"tensorflow", "jax", "torch"} - {BACKEND}

# A shell script starts what it puts in the background with SIGINT ignored, and so would be all
# commands that are tried here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_backend(request):
    yield
    # PyTorch and TensorFlow load the others themselves where all three are installed.
    if not any(request.node.get_closest_marker(mark) for mark in ("cross", "faults")):
        assert not FOREIGN & set(sys.modules), "another backend was imported"


@pytest.fixture(autouse=True)
def float32():
    """A test may change Keras' precision and image layout; the next one starts afresh."""
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path_factory):
    """No test reaches for the network, or for what this computer has in its cache."""
    monkeypatch.setenv("KERAS_MIXER_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras_home")))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def tiny():
    """An architecture that builds and runs in milliseconds."""
    return keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))


@pytest.fixture
def randomize(rng):
    """Gives every weight of a model a random value: a fresh head of zeros would hide errors."""

    def fill(model):
        for variable in model.trainable_variables:
            scale = 2 / np.sqrt(variable.shape[0]) if len(variable.shape) == 2 else 0.2
            value = rng.normal(0, scale, variable.shape)
            variable.assign(value + 1 if variable.name == "gamma" else value)
        return model

    return fill


@pytest.fixture
def image_folder(tmp_path, rng):
    """Ten pictures of each of two classes, told apart by colour, of odd sizes and formats."""
    root = tmp_path / "pictures"
    for label, channel in (("blue", 2), ("red", 0)):
        (root / label).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 60, (20 + i, 25, 3), dtype="uint8")
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(root / label / f"{i}.{'png' if i % 2 else 'jpg'}")
    return root


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on loopback, a login for it, and an empty cache; large files go the plain way."""
    import huggingface_hub
    from hub import TOKEN, Hub
    from huggingface_hub import constants, utils

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no login"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("KERAS_MIXER_OFFLINE")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    utils.disable_progress_bars()
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
        huggingface_hub.close_session()
    utils.enable_progress_bars()
