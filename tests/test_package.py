"""The package as a whole."""

import subprocess
import sys


def test_what_judges_and_measures_is_imported_late():
    program = "import sys, keras_mixer; print(*[m for m in sys.modules if m.startswith('keras_m')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {module.split(".")[1] for module in done.stdout.split() if "." in module}
    assert "models" in loaded
    assert not loaded & {"evaluation", "profiling", "runs", "visualize"}
