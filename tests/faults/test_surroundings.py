"""What lies around a training: clocks, homes, names of files, terminals."""

import os
import subprocess
import sys
import time

import keras
import pytest
from faults.harness import TINY, Ended, launch, train
from faults.program import Fault

import keras_mixer_cli
from keras_mixer import runs, specs

pytestmark = pytest.mark.faults

NOTHING = "nothing"
SHORT = (
    *("finetune", "digits", "--model", "tiny", "--image-size", "16"),
    *("--steps", "2", "--batch-size", "32", "--evaluations", "1"),
)
# These are of the command and the system, and start an interpreter each.
on_one_backend = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="depends on no backend, tried on PyTorch"
)
PROGRAM = "import sys, faults.ready, keras_mixer_cli; sys.exit(keras_mixer_cli.main(sys.argv[1:]))"


def start(*arguments, unset=(), cwd=None, stdin=subprocess.DEVNULL, **environment):
    """The command in an interpreter of its own, with its streams as they are asked for."""
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-c", PROGRAM, *map(os.fsencode, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=env, cwd=cwd, stdin=stdin, **pipes)


def ended(process) -> Ended:
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


NAMES = {
    "spaces, quotes and signs": "a b 'c' \"d\" $e `f` {g} [h] %i \\j",
    "a line feed": "two\nlines",
    "letters of other scripts": "Käse-сыр-チーズ-🧀",
    "bytes that are not UTF-8": os.fsdecode(b"caf\xe9"),
    "a dash at the beginning": "-x",
}


@on_one_backend
@pytest.mark.parametrize("kind", NAMES)
def test_names(tmp_path, monkeypatch, record_fault, kind):
    record_fault(f"a directory named with {kind}", NOTHING)
    output = tmp_path / NAMES[kind] / "run"
    done = launch(*SHORT, f"--output={output}")
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert runs.load_run(output).config["finished"]
    again = launch(*SHORT, f"--output={output}")
    assert (again.code, "holds a finished run" in again.err) == (1, True)


@pytest.fixture
def refused(monkeypatch, capsys):
    """Called with arguments; the line that the command is refused with."""
    monkeypatch.setitem(specs.SPECS, TINY.name, TINY)

    def call(*arguments):
        code = keras_mixer_cli.main([*map(str, arguments)])
        assert code != 0
        return capsys.readouterr().err.splitlines()[-1]

    return call


def test_names_that_no_file_can_have(tmp_path, refused, record_fault):
    record_fault("a name that is too long", NOTHING, tried=2)
    for output in (tmp_path / ("x" * 300), tmp_path.joinpath(*["y" * 200] * 30)):
        message = refused(*SHORT, "--output", output)
        assert message.startswith("Error: Cannot write "), message
        assert message.endswith("File name too long. Choose another place to write to.")


def test_an_output_that_is_a_file(tmp_path, refused, record_fault):
    record_fault("an output that is a file, or below one", NOTHING, tried=2)
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refused(*SHORT, "--output", tmp_path / "file")
    message = refused(*SHORT, "--output", tmp_path / "file" / "run")
    assert message.endswith("Not a directory. Choose another place to write to.")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_nobody_may_write(refused, record_fault):
    record_fault("an output where nothing can be made", NOTHING)
    message = refused(*SHORT, "--output", "/proc/run")  # Holds for root, too.
    assert message.startswith("Error: Cannot write /proc/run: ")
    assert message.endswith("Choose another place to write to.")


def test_a_missing_parent(tmp_path, record_fault):
    record_fault("an output whose parents are missing", "nothing; they are made")
    assert launch(*SHORT, "--output", tmp_path / "a" / "b" / "run").code == 0


@pytest.mark.parametrize("days", [-4000, 4000])
def test_clock(tmp_path, undisturbed, record_fault, days):
    record_fault("the clock jumps by eleven years in a step", NOTHING)
    done = train(tmp_path / "run", faults=[Fault("train", 9, f"clock {days * 86400}")])
    assert done.code == 0, done.err
    assert runs.load_run(tmp_path / "run").config["metrics"]["training_seconds"] < 86400
    history = [(run / "history.csv").read_text() for run in (undisturbed, tmp_path / "run")]
    assert history[0] == history[1]


def test_files_from_the_future(tmp_path, undisturbed, record_fault):
    record_fault("files of a time that is yet to come", NOTHING)
    run = tmp_path / "run"
    train(run, faults=[Fault("rename run.json.tmp", 4)])
    for number, path in enumerate(sorted(run.rglob("*"))):
        os.utime(path, (time.time() + 1e8 - 1e5 * number,) * 2)
    done = train(run)
    assert (done.code, done.went_on_from() > 0) == (0, True)
    assert (run / "history.csv").read_text() == (undisturbed / "history.csv").read_text()


@on_one_backend
@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_no_home(tmp_path, record_fault, home):
    """No home, no folder for temporary files or caches, a strange place to stand."""
    record_fault("HOME unset, or a folder that is not there; no cache, no TMPDIR", NOTHING)
    missing = dict.fromkeys(("TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR"), "/proc/nothing")
    missing |= {"HOME": home} if home else {}
    done = ended(
        start(
            *(*SHORT, "--output", tmp_path / "run"),
            unset=("KERAS_HOME", "HOME"),
            cwd="/",
            **missing,
        )
    )
    assert (done.code, "Traceback" in done.err) == (0, False), done.err


@on_one_backend
def test_locale(tmp_path, record_fault):
    record_fault("the locale C, 20 columns, and no input", NOTHING)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "20"}
    output = tmp_path / NAMES["letters of other scripts"]
    done = ended(start(*SHORT, "--output", output, **plain))
    assert (done.code, "Traceback" in done.err) == (0, False), done.err
    assert runs.load_run(output).config["finished"]


@on_one_backend
def test_nobody_reads(tmp_path, record_fault):
    record_fault("the reader of the output goes (head -1)", "nothing; the same command goes on")
    output = tmp_path / "run"
    process = start(*SHORT, "--output", output)
    process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=300)
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.returncode != 0
    assert "Traceback" not in err
    assert launch(*SHORT, "--output", output).code == 0


@on_one_backend
def test_no_streams(tmp_path, record_fault):
    record_fault("input, output and errors closed", NOTHING)
    arguments = [sys.executable, PROGRAM, *SHORT, "--output", str(tmp_path / "run")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shell = 'python=$1; program=$2; shift 2; exec "$python" -c "$program" "$@" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", shell, "sh", *arguments], env=env, timeout=300)
    assert done.returncode == 0
    assert runs.load_run(tmp_path / "run").config["finished"]
