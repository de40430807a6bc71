"""The layout of `--distribute model`: values, gradients and the compiled program's collectives.

Runs in a process of its own, which has four virtual devices.
"""

import json
import pathlib
import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="Keras splits models on JAX alone"
)

PROGRAM = pathlib.Path(__file__).with_name("split_mixer.py")


@pytest.fixture(scope="module")
def told():
    """What `split_mixer.py` prints, for two blocks of B/16's real shapes."""
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_logits_and_gradients_are_those_of_one_device(told):
    assert told["logits"] < 1e-4
    assert told["gradients"] < 1e-4


def test_the_weights_lie_as_promised(told):
    """Shapes on one of four devices; D_S = 384, D_C = 3072, S = 196, C = 768."""
    shapes = {path.partition("/")[2]: shape for path, shape in told["shapes"].items()}
    assert shapes["token_mixing/dense_0/kernel"] == [196, 96]
    assert shapes["token_mixing/dense_0/bias"] == [96]
    assert shapes["token_mixing/dense_1/kernel"] == [96, 196]
    assert shapes["token_mixing/dense_1/bias"] == [196]
    assert shapes["channel_mixing/dense_0/kernel"] == [768, 768]
    assert shapes["channel_mixing/dense_0/bias"] == [768]
    assert shapes["channel_mixing/dense_1/kernel"] == [768, 768]
    assert shapes["channel_mixing/dense_1/bias"] == [768]


def test_the_slots_of_the_optimiser_lie_with_their_weights(told):
    assert told["slots"] == told["weights"]


def test_collectives_are_two_all_reduces_a_block(told):
    blocks = told["blocks"]
    assert told["forward"] == {"all-reduce": 2 * blocks}
    # The forward pass again, and the gradient of what comes into each MLP.
    assert told["backward"] == {"all-reduce": 4 * blocks}
