"""What shows while pictures are gone through, on a terminal and elsewhere."""

import json

import pytest
from rich.console import Console

from keras_mixer_cli import counting, progress

pytestmark = pytest.mark.once


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [100.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds(clock, capsys):
    with counting.Looking() as look, progress.Lines() as lines, progress.JsonLines() as as_json:
        for number in range(1, 31):
            for one in (look, lines.on_look, as_json.on_look):
                one(number, 30, number // 10)
            clock[0] += 1
    captured = capsys.readouterr()
    told = [
        f"data: {n} of 30 images gone through, {n // 10} of them cannot be read" for n in (11, 21)
    ]
    assert captured.err.splitlines() == told
    printed = captured.out.splitlines()
    assert printed[::2] == told
    assert [json.loads(line) for line in printed[1::2]] == [
        {"event": "say", "text": text} for text in told
    ]


def test_nothing_of_what_is_soon_done(clock, capsys):
    with counting.Looking() as look, progress.Quiet() as quiet:
        for number in range(1, 10):
            look(number, 9, 0)
            quiet.on_look(number, 9, 0)
            clock[0] += 0.1
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_bars_on_a_terminal(clock, monkeypatch):
    with progress.Bar() as bar:
        bar.on_look(1, 3, 0)
        assert bar.progress.tasks == []
        clock[0] += 2
        bar.on_look(2, 3, 0)
        (task,) = bar.progress.tasks
        assert (task.description, task.completed, task.total) == ("looking at images", 2, 3)
        bar.on_look(3, 3, 0)
        assert bar.progress.tasks == []
    with counting.Looking() as look:
        look.console = Console(stderr=True, force_terminal=True)
        look(1, 3, 0)
        assert look._bar is None
        clock[0] += 2
        look(2, 3, 0)
        (task,) = look._bar.tasks
        assert (task.completed, task.total) == (2, 3)
    assert look._bar.finished is False
    assert not look._bar.live.is_started
