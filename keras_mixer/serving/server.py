"""An application on a port, until a signal ends it."""

import signal
import socket
import warnings

import uvicorn

from keras_mixer.serving.app import create_app
from keras_mixer.serving.service import Service

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    """A service over HTTP.

    The first SIGINT or SIGTERM lets it answer what it has accepted, and end; the second one ends
    the process at once.

    Args:
        service: what answers; it is closed at the end.
    """

    def __init__(self, service: Service):
        super().__init__(
            uvicorn.Config(
                create_app(service),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        service.ready.add_done_callback(self._warmed_up)

    def _warmed_up(self, ready) -> None:
        if ready.exception() is not None:
            self.should_exit = True

    def handle_exit(self, sig, frame) -> None:
        """Overrides uvicorn's, which sends itself the signal again when it has ended."""
        self.should_exit = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def serve(service: Service, bound: socket.socket) -> None:
    """Answers requests until the process is asked to end; call it from the main thread.

    Args:
        service: what answers; it is closed at the end.
        bound: as `listen` gives it.

    Raises:
        Exception: the warm-up failed.
    """
    from PIL import Image

    with warnings.catch_warnings():
        # Above 89,478,485 pixels PIL warns; here that is an error of the picture.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Server(service).run(sockets=[bound])
    if service.ready.done():
        service.ready.result()
