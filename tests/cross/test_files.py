"""Files that one backend wrote give the same logits on the others; tf.data feeds each."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.cross
BACKENDS = ("tensorflow", "jax", "torch")

WRITE = """
import sys, keras, numpy as np, keras_mixer
folder, backend = sys.argv[1:]
assert keras.backend.backend() == backend
spec = keras_mixer.SPECS["mixer_ti4"]
model = keras_mixer.Mixer(spec, weights=None, classes=10, classifier_activation=None)
rng = np.random.default_rng(1)
for v in model.trainable_variables:
    v.assign(v + rng.normal(0, 0.1, v.shape).astype("float32"))
x = rng.uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
model.compile("adam", "mse")
model.train_on_batch(x, np.ones((4, 10), "float32"))
model.save(f"{folder}/{backend}.keras")
model.save_weights(f"{folder}/{backend}.weights.h5")
np.savez(f"{folder}/{backend}.npz", x=x, logits=model.predict(x, verbose=0))
"""
READ = """
import sys, keras, numpy as np, keras_mixer
folder, source = sys.argv[1:]
spec = keras_mixer.SPECS["mixer_ti4"]
x = np.load(f"{folder}/{source}.npz")["x"]
models = {
    "keras": keras.saving.load_model(f"{folder}/{source}.keras", compile=False),
    "weights": keras_mixer.Mixer(
        spec, weights=f"{folder}/{source}.weights.h5", classifier_activation=None
    ),
    "constructor": keras_mixer.Mixer(
        spec, weights=f"{folder}/{source}.keras", classifier_activation=None
    ),
}
logits = {name: model.predict(x, verbose=0) for name, model in models.items()}
np.savez(f"{folder}/{source}-on-{keras.backend.backend()}.npz", **logits)
"""
TF_DATA = """
import sys, keras, numpy as np, keras_mixer, tensorflow as tf
policy, eager = sys.argv[1:]
keras.utils.set_random_seed(0)
keras.config.set_dtype_policy(policy)
rng = np.random.default_rng(0)
labels = np.arange(32) % 2
pixels = (rng.integers(0, 60, (32, 8, 12, 3)) + 180 * labels[:, None, None, None]).astype("uint8")
images = tf.data.Dataset.from_tensor_slices((pixels, labels))
images = images.map(lambda x, y: (keras_mixer.preprocess_input(x), y)).batch(8).prefetch(1)
spec = keras_mixer.MixerSpec("tiny", 4, 2, 8, 6, 16, (8, 12))
model = keras_mixer.Mixer(spec, weights=None, classes=2)
model.compile(
    keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"],
    run_eagerly=eager == "eager",
)
model.fit(images, epochs=6, verbose=0)
print("accuracy", model.evaluate(images, verbose=0)[1])
"""


def python(code, backend, *arguments):
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for backend in BACKENDS:
        python(WRITE, backend, folder, backend)
    return folder


@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("source", BACKENDS)
def test_same_logits(source, target, written):
    python(READ, target, written, source)
    expected = np.load(written / f"{source}.npz")["logits"]
    read = np.load(written / f"{source}-on-{target}.npz")
    assert len(read.files) == 3
    assert np.abs(expected).max() > 0.1
    for name in read.files:
        assert np.abs(read[name] - expected).max() < 1e-4, name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("mode", ["compiled", "eager"])
def test_fit_on_tf_data(backend, policy, mode):
    assert python(TF_DATA, backend, policy, mode).split()[-2:] == ["accuracy", "1.0"]
