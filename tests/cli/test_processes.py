"""The command as its own process: what it imports, its exit codes, the choice of a backend."""

import json
import os
import subprocess
import sys

import keras
import pytest

from keras_mixer_cli import backend as backends

BACKEND = keras.backend.backend()
OTHERS = [name for name in backends.BACKENDS if name != BACKEND]
RUN = "import sys, keras_mixer_cli as c; code = c.main(sys.argv[1:]); "


def python(code, *arguments, **variables):
    env = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize("arguments", [["--help"], ["finetune", "--help"], ["--version"]])
def test_help_imports_no_backend(arguments):
    code = (
        RUN + "print(sorted(set(sys.modules) & {'keras', 'tensorflow', 'jax', 'torch', 'numpy'}))"
    )
    done = python(code, *arguments)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert done.returncode == 0


def test_import_loads_no_other_backend():
    done = python(
        "import keras_mixer, sys, json; print(json.dumps(list(sys.modules)))", KERAS_BACKEND=BACKEND
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert BACKEND in loaded
    assert not loaded & set(OTHERS)


def test_import_registers_the_classes(tmp_path):
    import keras_mixer

    spec = keras_mixer.SPECS["mixer_ti4"]
    keras_mixer.Mixer(spec, weights=None).save(tmp_path / "m.keras")
    code = "import keras_mixer, keras, sys; print(keras.saving.load_model(sys.argv[1]).name)"
    done = python(code, str(tmp_path / "m.keras"), KERAS_BACKEND=BACKEND)
    assert done.stdout.splitlines()[-1] == "mixer_ti4", done.stderr


@pytest.mark.skipif(BACKEND == "tensorflow", reason="the one backend that others may lack")
def test_a_missing_backend_names_the_command_that_adds_it(tmp_path):
    done = python("import keras_mixer", KERAS_BACKEND="tensorflow")
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert 'pip install "keras-mixer[tensorflow]"' in message
    assert "KERAS_BACKEND" in message
    for way in ({}, {"KERAS_BACKEND": "tensorflow"}):
        arguments = [] if way else ["--backend", "tensorflow"]
        done = python(RUN + "sys.exit(code)", "models", *arguments, **way)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "Error: The Keras backend 'tensorflow' is not installed. Run: "
            'pip install "keras-mixer[tensorflow]". '
            f"Installed: {BACKEND} (KERAS_BACKEND or --backend chooses)."
        ]


def test_the_default_is_the_installed_backend_and_is_printed(tmp_path):
    done = python(RUN + "sys.exit(code)", "models", KERAS_HOME=str(tmp_path))
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == f"backend: {BACKEND} (the first installed)"


def test_order_of_the_choice(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "installed_backends", lambda: ("jax", "torch"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert backends.choose_backend("jax") == ("jax", "--backend")
    assert backends.choose_backend() == ("torch", "KERAS_BACKEND")
    monkeypatch.delenv("KERAS_BACKEND")
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert backends.choose_backend() == ("torch", "Keras' configuration file")
    # Keras writes this by itself, so it is no choice where TensorFlow is not installed.
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    assert backends.choose_backend() == ("jax", "the first installed")
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"keras-mixer\[tensorflow\]\""):
        backends.choose_backend("tensorflow")
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(ValueError, match="Unknown backend 'theano'"):
        backends.choose_backend()
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(backends, "installed_backends", tuple)
    with pytest.raises(ModuleNotFoundError, match="none is installed"):
        backends.choose_backend()
