"""An application on a port, until a signal ends it."""

import asyncio
import signal
import socket
import warnings
from concurrent.futures import Future

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_mixer.serving.guard import client_of

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS = 30.0  # From a connection, or from an answer on it, to the whole head of a request; and
# that a client may take to read what fills the buffers.
CONNECTIONS = 256  # Of one client at once.


class _Impatient(H11Protocol):
    """Closes connections on which no request comes or no answer is read, where uvicorn waits.

    One client has at most `CONNECTIONS` of them.
    """

    _late: asyncio.TimerHandle
    _unread: asyncio.TimerHandle | None = None
    _whose: str

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(SECONDS, self._give_up)
        self._whose = client_of({"client": self.client})
        if sum(one._whose == self._whose for one in self.connections) > CONNECTIONS:
            transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._late.cancel()
        self._late = self.loop.call_later(SECONDS, self._give_up)

    def connection_lost(self, exc) -> None:
        self._late.cancel()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.transport.get_write_buffer_size():  # Closing would wait for it to be read.
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def listen(host: str = "127.0.0.1", port: int = 8000) -> socket.socket:
    """A socket for a server, bound and not yet open.

    Args:
        host: an address of this machine, or a name of it; `127.0.0.1` is reached from it alone.
        port: 0 for a free one.

    Raises:
        OSError: the port is in use, or there is no such address here.
    """
    bound = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        return bound
    except OSError as error:
        if bound is not None:
            bound.close()
        raise OSError(
            f"Cannot listen on port {port} of {host}: {error.strerror or error}. Choose another "
            "--port (0 for a free one) or --host."
        ) from error


def address(bound: socket.socket) -> str:
    """The URL of what listens on a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """An application over HTTP.

    The first SIGINT or SIGTERM lets it answer what it has accepted, and end; the second one ends
    the process at once.

    Args:
        app: what answers, of `create_app` or `create_page`.
        ready: of its service or site; where the warm-up fails, the server ends.
    """

    def __init__(self, app: FastAPI, ready: "Future[None]"):
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=_Impatient,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="error",  # Warnings are of what strangers send.
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        ready.add_done_callback(self._warmed_up)

    def _warmed_up(self, ready) -> None:
        if ready.exception() is not None:
            self.should_exit = True

    def handle_exit(self, sig, frame) -> None:
        """Overrides uvicorn's, which sends itself the signal again when it has ended."""
        self.should_exit = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def serve(app: FastAPI, ready: "Future[None]", bound: socket.socket) -> None:
    """Answers requests until the process is asked to end; call it from the main thread.

    Args:
        app: as in `Server`; what it answers with is closed at the end.
        ready: as in `Server`.
        bound: as `listen` gives it.

    Raises:
        Exception: the warm-up failed.

    Example:
        `serve(create_app(service), service.ready, listen(port=8000))`
    """
    from PIL import Image

    with warnings.catch_warnings():
        # Above 89,478,485 pixels PIL warns; here that is an error of the picture.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Server(app, ready).run(sockets=[bound])
    if ready.done():
        ready.result()
