"""Which tests can see a mistake, and whether one of them fails.

A first run notes which lines each test executes, so that a mistake is shown only to those that can
see it, the quickest first. Each run is a fork of this process, which has loaded Keras and its
backend and computed nothing: the imports would take longer than most tests.
"""

import ast
import hashlib
import itertools
import json
import os
import pathlib
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

from planted import Mutant

# A mistake is shown to those of all these tests that run its line, and to those of its own part
# that start other processes. Outside of any function it acts when the module is loaded: then to all
# tests of its own part, and to those that run the module's functions.
TESTS = {
    "specs": ("tests/test_specs.py", "tests/models"),
    "layers": ("tests/layers", "tests/models"),
    "weights": ("tests/weights", "tests/test_preprocessing.py"),
    "data": ("tests/data",),
    "training": ("tests/training",),
}
BUDGET = 60  # Seconds of tests, as timed without a mistake, that one is shown to.
MEMORY = 8 << 30  # Bytes that a run may allocate.


class Seen(NamedTuple):
    """What the tests did without a mistake."""

    seconds: dict[str, float]  # By test.
    lines: dict[str, dict[str, list[str]]]  # Tests by file and line.
    starting: list[str]  # Tests that start other processes, whose lines are not seen.


def statement(source: str, line: int) -> tuple[int, int, bool]:
    """First and last line of the statement (of a block: its head), and if a function runs it."""
    found = (line, line, False)

    def visit(node: ast.AST, inside: bool) -> None:
        nonlocal found
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                heads = [child, *getattr(child, "decorator_list", ())]
                first = min(getattr(head, "lineno", line) for head in heads)
                last = getattr(child, "end_lineno", None) or line
                if first <= line <= last:
                    body = getattr(child, "body", None)
                    found = (first, max(first, body[0].lineno - 1) if body else last, inside)
            visit(child, inside or isinstance(child, ast.FunctionDef))

    visit(ast.parse(source), False)
    return found


def watching(tree: pathlib.Path, mutant: Mutant, seen: Seen) -> list[str]:
    """The tests that can see a mistake, the quickest first."""
    lines = seen.lines.get(mutant.path, {})
    source = (tree / mutant.path).read_text(encoding="utf-8")
    first, last, inside = statement(source, mutant.line)
    tests = {test for line in range(first, last + 1) for test in lines.get(str(line), ())}
    if inside and tests:
        tests |= {test for test in seen.starting if test.startswith(TESTS[mutant.part])}
    else:  # Run as the module is loaded, or never.
        tests |= {test for found in lines.values() for test in found}
        tests |= {test for test in seen.seconds if test.startswith(TESTS[mutant.part])}
    quickest = sorted(tests & set(seen.seconds), key=lambda test: (seen.seconds[test], test))
    spent = itertools.accumulate(seen.seconds[test] for test in quickest)
    return [test for test, total in zip(quickest, spent, strict=True) if total < BUDGET]


def forked(tree: pathlib.Path, work: Callable[[], int], limit: float) -> int | None:
    """Exit code of work in a fork of this process; None where it took longer than the limit.

    What it prints is in the file `log` beside the tree.
    """
    pid = os.fork()
    if not pid:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        log = os.open(tree.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(tree)
        code = 70
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end, ended = time.monotonic() + limit, (0, 0)
    try:
        while not ended[0] and time.monotonic() < end:
            time.sleep(0.02)
            ended = os.waitpid(pid, os.WNOHANG)
    finally:
        if not ended[0]:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(ended[1]) if ended[0] else None


def pytest_main(tree: pathlib.Path, plugin: object, *arguments: str) -> int:
    import pytest

    quick = ("-q", "--assert=plain", "--disable-plugin-autoload", "-p", "no:cacheprovider")
    fixed = (*quick, f"--basetemp={tree.parent / 'tmp'}")
    return int(pytest.main([*fixed, *arguments], [plugin]))


def look(tree: pathlib.Path, files: list[str]) -> Seen:
    """Runs the tests of these files, and notes what they do.

    Raises:
        SystemExit: they could not be run.
    """
    note = tree.parent / "seen.json"

    def work() -> int:
        import coverage

        cover = coverage.Coverage(data_file=None, source=[str(tree / "keras_mixer")])
        seconds: dict[str, float] = {}
        failed, starting, now = set(), set(), [""]
        sys.addaudithook(lambda name, _: name == "subprocess.Popen" and starting.add(now[0]))

        class Watch:
            def pytest_runtest_logstart(self, nodeid):
                now[0] = nodeid
                cover.switch_context(nodeid)

            def pytest_runtest_logreport(self, report):
                seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
                if report.outcome != "passed":
                    failed.add(report.nodeid)

        cover.start()
        code = pytest_main(tree, Watch(), *files)
        cover.stop()
        data = cover.get_data()
        lines = {
            str(pathlib.Path(file).relative_to(tree)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        passed = {test: took for test, took in seconds.items() if test not in failed}
        note.write_text(json.dumps(Seen(passed, lines, sorted(starting))))
        return code

    code = forked(tree, work, 7200)
    if code not in (0, 1, 5):
        sys.exit(f"The tests do not run without a mistake:\n{(tree.parent / 'log').read_text()}")
    if code == 1:  # Those cannot tell a mistake.
        print("Some fail without a mistake, and are not asked:")
        print(*(tree.parent / "log").read_text().splitlines()[-10:], sep="\n", flush=True)
    return Seen(*json.loads(note.read_text()))


def seen_by(tree: pathlib.Path, parts: set[str], folder: pathlib.Path) -> Seen:
    """What the tests of these parts do; a file is run where it, or the package, has changed."""
    places = {tree / place for part in parts for place in TESTS[part]}
    tests = {file for at in places for file in ([at] if at.is_file() else at.glob("test_*.py"))}
    package = b"".join(file.read_bytes() for file in sorted(tree.glob("keras_mixer/**/*.py")))
    notes = {
        str(file.relative_to(tree)): folder
        / f"{file.stem}-{hashlib.sha256(package + file.read_bytes()).hexdigest()[:16]}.json"
        for file in sorted(tests)
    }
    if new := [file for file, note in notes.items() if not note.exists()]:
        folder.mkdir(parents=True, exist_ok=True)
        seen = look(tree, new)
        for file in new:
            notes[file].write_text(json.dumps(_of_file(seen, file)))
    every = Seen({}, {}, [])
    for note in notes.values():
        one = Seen(*json.loads(note.read_text()))
        every.seconds.update(one.seconds)
        every.starting.extend(one.starting)
        for path, lines in one.lines.items():
            for line, found in lines.items():
                every.lines.setdefault(path, {}).setdefault(line, []).extend(found)
    return every


def _of_file(seen: Seen, file: str) -> Seen:
    def own(found) -> list[str]:
        return [test for test in found if test.startswith(f"{file}::")]

    lines = {
        path: {line: tests for line, found in lines.items() if (tests := own(found))}
        for path, lines in seen.lines.items()
    }
    return Seen({test: seen.seconds[test] for test in own(seen.seconds)}, lines, own(seen.starting))


def outcome(tree: pathlib.Path, mutant: Mutant, seen: Seen) -> str:
    """What became of a mistake: "survived", or how it was found."""
    tests = watching(tree, mutant, seen)
    if not tests:
        return "survived"
    order = {test: number for number, test in enumerate(tests)}

    class Chosen:
        def pytest_collection_modifyitems(self, items):
            own = (item for item in items if item.nodeid in order)
            items[:] = sorted(own, key=lambda item: order[item.nodeid])

    files = sorted({test.partition("::")[0] for test in tests})
    path = tree / mutant.path
    source, stat = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(mutant.code(source), encoding="utf-8")
    try:
        limit = 30 + 3 * sum(seen.seconds[test] for test in tests)
        code = forked(tree, lambda: pytest_main(tree, Chosen(), "-x", *files), limit)
    finally:
        path.write_text(source, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # So that what was compiled holds.
    return {0: "survived", 1: "killed", None: "killed: takes too long"}.get(code, "killed: loading")
