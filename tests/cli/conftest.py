"""Commands in this process, in an empty folder."""

import pytest

import keras_mixer_cli


@pytest.fixture
def run_command(capsys, monkeypatch, tmp_path):
    """Called with arguments; gives the exit code and what stands on both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments):
        code = keras_mixer_cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
