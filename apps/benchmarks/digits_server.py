"""A real `keras-mixer serve` in a process of its own, and pictures to send to it."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator

import keras
from PIL import Image

import keras_mixer

SERVE = "import sys, keras_mixer_cli; sys.exit(keras_mixer_cli.main(['serve', *sys.argv[1:]]))"


def held_out_as_png() -> list[bytes]:
    """The held-out digits as PNG files, in their order."""
    held_out = keras_mixer.data.load("digits").test
    files = []
    for index in range(len(held_out)):
        buffer = io.BytesIO()
        Image.fromarray(held_out.image(index)).save(buffer, format="PNG")
        files.append(buffer.getvalue())
    return files


@contextlib.contextmanager
def served(run: str) -> Iterator[tuple[str, int]]:
    """`host:port` on loopback and the process of a server of a run, on the running backend.

    It gets SIGTERM in the end.

    Raises:
        SystemExit: it does not end with exit code 0.
    """
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, run, "--port", "0"],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield urllib.parse.urlsplit(server.stdout.readline().split()[0]).netloc, server.pid
        server.send_signal(signal.SIGTERM)
        if code := server.wait(60):
            raise SystemExit(f"The server ended with exit code {code}.")
    finally:
        server.kill()
        server.wait()
