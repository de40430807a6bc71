"""How much is tried: always the same few examples, or with FUZZ=slow other and many ones."""

import os
import tempfile

import pytest
from cli.conftest import run_command  # noqa: F401
from hypothesis import HealthCheck, configuration, settings

configuration.set_hypothesis_home_dir(tempfile.mkdtemp(prefix="hypothesis"))  # Not in the project.
COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": (HealthCheck.function_scoped_fixture, HealthCheck.too_slow),
}
settings.register_profile("quick", max_examples=20, derandomize=True, **COMMON)
settings.register_profile("slow", max_examples=1000, **COMMON)
settings.load_profile(os.environ.get("FUZZ", "quick"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all examples of a file's tests; `tmp_path` would be one for each test alone."""
    return tmp_path_factory.mktemp("fuzz")
