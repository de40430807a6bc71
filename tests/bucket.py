"""A storage bucket and a hub on the loopback interface, as bad as a test wants them."""

import base64
import dataclasses
import hashlib
import http.server
import os
import re
import ssl
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclasses.dataclass
class File:
    """One file and how it is served.

    Args:
        content: its bytes.
        etag: `None` for none; by default the hash of the content.
        modified: the `Last-Modified` header, or `None` for none.
        md5_of: the bytes whose md5 `x-goog-hash` announces, or `None` for no such header.
        split_hash: whether `x-goog-hash` comes as two headers.
        ranges: whether `Range` is understood.
        if_range: whether `If-Range` is.
        shift: how many bytes after the asked one a range starts: a broken server.
        length: whether `Content-Length` is sent.
        chunk: bytes sent at once.
        delay: seconds before each chunk.
        head_delay: seconds before the answer to HEAD.
        faults: what goes wrong, one a request: `("status", 503)`, `("cut", bytes)`,
            `("stall", bytes)`, `("redirect", path)`, `("raw", bytes)` for a whole answer,
            `("drip", bytes)` for the same byte by byte, or `()` for nothing.
        always: what goes wrong thereafter.
        headers: further ones.
    """

    content: bytes
    etag: str | None = ""
    modified: str | None = None
    md5_of: bytes | None = None
    split_hash: bool = False
    ranges: bool = True
    if_range: bool = True
    shift: int = 0
    length: bool = True
    chunk: int = 1 << 16
    delay: float = 0.0
    head_delay: float = 0.0
    faults: list[tuple] = dataclasses.field(default_factory=list)
    always: tuple = ()
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.etag == "":
            self.etag = f'"{hashlib.sha256(self.content).hexdigest()}"'

    def described(self) -> list[tuple[str, str]]:
        """The headers that tell of the whole file."""
        rows = list(self.headers.items())
        if self.etag is not None:
            rows.append(("ETag", self.etag))
        if self.modified is not None:
            rows.append(("Last-Modified", self.modified))
        if self.md5_of is not None:
            md5 = base64.b64encode(hashlib.md5(self.md5_of).digest()).decode()
            hashes = ["crc32c=AAAAAA==", f"md5={md5}"]
            for value in hashes if self.split_hash else [",".join(hashes)]:
                rows.append(("x-goog-hash", value))
        return rows


@dataclasses.dataclass
class Request:
    """One request that came, and how many bytes of content went back."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    login: str | None = None
    sent: int = 0


class Bucket:
    """Serves `files`, a `{path: File}`, and notes the `requests`; used in a `with` statement.

    Args:
        certificate: a file with a key and a certificate, for HTTPS.

    Attributes:
        login: what `Authorization` must say, or `None`.
    """

    def __init__(self, certificate: os.PathLike | None = None) -> None:
        self.certificate = certificate
        self.login: str | None = None
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.bucket = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_port}"

    def gets(self, path: str) -> list[Request]:
        """The GET requests for `path`, in order."""
        return [r for r in self.requests if (r.method, r.path) == ("GET", path)]

    def add_to_hub(self, repository: str, name: str, content: bytes, sha256: str = "") -> str:
        """Serves a large file as the Hugging Face hub does; returns its path."""
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        path = f"/{repository}/resolve/main/{name}"
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
        }
        self.files[path] = File(content, etag=f'"{sha256}"', headers=headers)
        return path

    def __enter__(self) -> "Bucket":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for them, so that no socket stays open.
    bucket: Bucket

    def handle_error(self, request, client_address) -> None:
        """A client that went away is none."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        file = self.server.bucket.files.get(self.path)
        self._note()
        if self._stranger():
            return None
        if file is None:
            return self._end(404, [("X-Error-Code", "EntryNotFound")])
        self.server.bucket.closing.wait(file.head_delay)
        return self._end(200, [*file.described(), ("Content-Length", str(len(file.content)))])

    def do_GET(self) -> None:
        file = self.server.bucket.files.get(self.path)
        note = self._note()
        if self._stranger():
            return None
        if file is None:
            return self._end(404, [("Content-Length", "0"), ("X-Error-Code", "EntryNotFound")])
        fault = file.faults.pop(0) if file.faults else file.always
        kind, value = fault or (None, None)
        if kind == "status":
            return self._end(value, [("Content-Length", "0")])
        if kind == "redirect":
            return self._end(302, [("Location", value), ("Content-Length", "0")])

        if kind == "raw":
            return self._send(value, dataclasses.replace(file, delay=0), note)
        if kind == "drip":
            return self._send(value, dataclasses.replace(file, chunk=1, delay=0.05), note)

        total, start = len(file.content), self._start(file)
        if start is not None and start >= total:
            return self._end(416, [("Content-Range", f"bytes */{total}"), ("Content-Length", "0")])
        headers = file.described()
        if start is not None:
            start += file.shift
            headers.append(("Content-Range", f"bytes {start}-{total - 1}/{total}"))
        body = file.content[start or 0 :]
        if file.length:
            headers.append(("Content-Length", str(len(body))))
        self._end(200 if start is None else 206, headers)
        stop = value if kind in ("cut", "stall") else len(body)
        self._send(body[:stop], file, note)
        if kind == "stall":
            self.server.bucket.closing.wait(5)
        return None

    def _note(self) -> Request:
        request = Request(
            self.command,
            self.path,
            *map(self.headers.get, ("Range", "If-Range", "Authorization")),
        )
        self.server.bucket.requests.append(request)
        return request

    def _stranger(self) -> bool:
        """Whether the login is wrong, which is answered."""
        if self.server.bucket.login in (None, self.headers.get("Authorization")):
            return False
        self._end(401, [("Content-Length", "0")])
        return True

    def _start(self, file: File) -> int | None:
        """The byte that is asked for, where a part is and may be had."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        validator = self.headers.get("If-Range")
        if not asked or not file.ranges:
            return None
        if file.if_range and validator not in (None, file.etag, file.modified):
            return None
        return int(asked[1])

    def _end(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Sends the head of the answer, after whose body the connection ends."""
        self.send_response(status)
        for name, value in [*headers, ("Connection", "close")]:
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes, file: File, note: Request) -> None:
        self.close_connection = True
        for i in range(0, len(body), file.chunk):
            if file.delay and self.server.bucket.closing.wait(file.delay):
                return
            self.wfile.write(body[i : i + file.chunk])
            note.sent += len(body[i : i + file.chunk])

    def log_message(self, *args) -> None:
        """Nothing on stderr."""
