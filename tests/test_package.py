"""The package as a whole."""

import subprocess
import sys


def test_what_judges_and_measures_is_imported_late():
    program = "import sys, keras_mixer; print(*[m for m in sys.modules if m.startswith('keras_m')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {module.split(".")[1] for module in done.stdout.split() if "." in module}
    assert "models" in loaded
    assert not loaded & {"evaluation", "export", "profiling", "runs", "serving", "visualize"}


def test_what_needs_an_extra_is_not_named_to_whoever_looks_around():
    import keras_mixer

    assert {"evaluation", "export", "runs"} <= set(dir(keras_mixer))
    assert "serving" not in {*dir(keras_mixer), *keras_mixer.__all__}
