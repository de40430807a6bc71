"""Counts what was tried and what was survived, and prints it as a table at the end."""

import shutil

import keras
import pytest
from faults.harness import train
from faults.program import Fault

TITLE = "| fault | tried | survived | what was lost |"


@pytest.fixture
def record_fault(request):
    """Called with a fault, what was lost, and how often it is tried; a test that passes counts."""

    def record(fault: str, lost: str, tried: int = 1) -> None:
        request.node.user_properties.append(("fault", [fault, lost, tried]))

    return record


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The run that all others are compared with, left alone."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = train(output)
    assert ended.code == 0, ended.err
    return output


@pytest.fixture(scope="session")
def stopped(tmp_path_factory):
    """A run that was killed when it had two checkpoints; `run` copies it."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    train(run, faults=[Fault("rename run.json.tmp", 5)])
    return run


@pytest.fixture
def run(tmp_path, stopped):
    """A copy of a run that was killed when it had two checkpoints."""
    return shutil.copytree(stopped, tmp_path / "run")


def pytest_terminal_summary(terminalreporter):
    counts: dict[tuple[str, str], list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in report.user_properties:
                if name == "fault":
                    fault, lost, tried = value
                    row = counts.setdefault((fault, lost), [0, 0])
                    row[0] += tried
                    row[1] += tried * (outcome == "passed")
    if not counts:
        return
    terminalreporter.section(f"faults on {keras.backend.backend()}")
    terminalreporter.write_line(TITLE)
    terminalreporter.write_line("|---|---|---|---|")
    for (fault, lost), (tried, survived) in sorted(counts.items()):
        terminalreporter.write_line(f"| {fault} | {tried} | {survived} | {lost} |")
