"""Messages between two processes of a run."""

import contextlib
import json
import socket
import threading
from typing import Any


class Connection:
    """Messages on a socket: a line of JSON, and as many bytes as it says."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._file = sock.makefile("rb")
        self._lock = threading.Lock()

    def send(self, payload: bytes = b"", **message: Any) -> None:
        line = json.dumps({**message, "size": len(payload)}).encode() + b"\n"
        with self._lock:
            self._socket.sendall(line + payload)

    def receive(self, timeout: float) -> tuple[dict, bytes]:
        """The next message; an `OSError` where there is none in time, or no one any more."""
        self._socket.settimeout(max(timeout, 0.01))
        line = self._file.readline(1 << 20)
        try:
            message = json.loads(line)
            size = message["size"]
        except (ValueError, TypeError, KeyError) as error:
            raise ConnectionError("ended" if not line else "speaks another language") from error
        payload = self._file.read(size)
        if len(payload) != size:
            raise ConnectionError("ended")
        return message, payload

    def close(self) -> None:
        with contextlib.suppress(OSError):  # The other side may be faster.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._socket.close()
