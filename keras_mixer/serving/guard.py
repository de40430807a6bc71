"""Which requests are answered at all, and what every answer says to browsers."""

import collections
import contextlib
import ipaddress
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ADDRESSES = 10_000  # Remembered at most.


class Rate:
    """How many requests a client may make: `a_minute` at once, and as many in each minute."""

    def __init__(self, a_minute: int):
        self.a_minute = a_minute
        self._left: dict[str, tuple[float, float]] = {}  # Address: how many are left, and when.

    def wait(self, address: str) -> float:
        """Seconds until a client may make another one: 0, and that one is counted, or more."""
        now = time.monotonic()
        left, then = self._left.pop(address, (float(self.a_minute), now))
        left = min(self.a_minute, left + (now - then) * self.a_minute / 60)
        allowed = left >= 1
        self._left[address] = (left - allowed, now)  # At the end: the first one is the oldest.
        if len(self._left) > ADDRESSES:
            del self._left[next(iter(self._left))]
        return 0.0 if allowed else (1 - left) * 60 / self.a_minute


class Shares:
    """How many requests one client may be sending at once, so that places are left for others.

    Args:
        most: the number; one is always allowed.
    """

    def __init__(self, most: int):
        self.most = max(1, most)
        self._held: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Counts one as long as its body arrives; in the one thread of the loop.

        Raises:
            HTTPException: 429, the client has its share.
        """
        if self._held[client] >= self.most:
            raise HTTPException(
                429,
                f"{self.most} requests of this address are arriving, as many as may be. Try again "
                "in a second.",
                {"Retry-After": "1"},
            )
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]


def client_of(scope) -> str:
    """Who sent a request: an IPv4 address, or the first 64 bits of one of IPv6.

    A host has all addresses of such a network of IPv6 for itself.
    """
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:  # Of a socket of Unix, there is none.
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or address.packed[:8].hex(":", 2))


class Guard:
    """ASGI middleware for a server that anybody's browser may reach.

    A page elsewhere that gives its own name the address 127.0.0.1 (DNS rebinding) sends that name
    as `Host`; one that posts here sends its `Origin`. Programs send none.

    Args:
        app: what it stands around.
        host: the address that is listened on.
        rate: POST requests that one client may send in a minute. Defaults to any number.
    """

    def __init__(self, app, host: str, rate: int | None = None):
        self.app = app
        self.rate = None if rate is None else Rate(rate)
        self.loopback = is_loopback(host)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, with_headers)

    def _refusal(self, scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        # A proxy that takes the other frame for the end would take the rest for a request.
        if "transfer-encoding" in headers and (
            "content-length" in headers or scope["http_version"] == "1.0"
        ):
            return _line(
                400,
                "Send either Content-Length or, in HTTP/1.1, Transfer-Encoding: chunked.",
                Connection="close",
            )
        host = headers.get("host", "")
        if self.loopback and not is_loopback(_name(host)):
            return _line(
                421,
                "This server answers requests to 127.0.0.1 and localhost only. A proxy in front of "
                "it must send Host: localhost.",
            )
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        if _is_elsewhere(headers, host):
            return _line(403, "A page of another address may not send images here.")
        if self.rate and (wait := self.rate.wait(client_of(scope))):
            seconds = int(wait) + 1
            return _line(
                429,
                f"More than {self.rate.a_minute} requests in a minute. Try again in {seconds} s.",
                **{"Retry-After": str(seconds)},
            )
        return None


def is_loopback(host: str) -> bool:
    """Whether an address, or `localhost`, is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The header `Host` without its port and the brackets of IPv6."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    """The header `Origin` without its scheme."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_elsewhere(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of another address sends a request."""
    site = headers.get("sec-fetch-site", "none")  # No page can set it.
    if site != "none":
        return site != "same-origin"
    origin = headers.get("origin")
    return origin is not None and _netloc(origin) != host


def _line(status: int, detail: str, **headers: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
