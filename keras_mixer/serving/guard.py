"""Which requests to a page are answered at all, and what every answer says to browsers."""

import ipaddress
import time
from urllib.parse import urlsplit

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
    """How many requests an address may make: `a_minute` at once, and as many in each minute."""

    def __init__(self, a_minute: int):
        self.a_minute = a_minute
        self._left: dict[str, tuple[float, float]] = {}  # Address: how many are left, and when.

    def wait(self, address: str) -> float:
        """Seconds until it may make another one: 0, and that one is counted, or more."""
        now = time.monotonic()
        left, then = self._left.pop(address, (float(self.a_minute), now))
        left = min(self.a_minute, left + (now - then) * self.a_minute / 60)
        allowed = left >= 1
        self._left[address] = (left - allowed, now)  # At the end: the first one is the oldest.
        if len(self._left) > ADDRESSES:
            del self._left[next(iter(self._left))]
        return 0.0 if allowed else (1 - left) * 60 / self.a_minute


class Guard:
    """ASGI middleware for a page that anybody's browser may reach.

    A page elsewhere that gives its own name the address 127.0.0.1 (DNS rebinding) sends that name
    as `Host`; one that posts here sends its `Origin`.

    Args:
        app: what it stands around.
        host: the address that is listened on.
        rate: POST requests that one address may send in a minute.
    """

    def __init__(self, app, host: str, rate: int):
        self.app = app
        self.rate = Rate(rate)
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
        host = headers.get("host", "")
        if self.loopback and not is_loopback(_name(host)):
            return _line(421, "This server answers requests to 127.0.0.1 and localhost alone.")
        if scope["method"] != "POST":
            return None
        origin = headers.get("origin")
        elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if elsewhere or (origin is not None and _netloc(origin) != host):
            return _line(403, "A page of another address may not send pictures here.")
        wait = self.rate.wait(scope["client"][0] if scope.get("client") else "")
        if wait:
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


def _line(status: int, detail: str, **headers: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
