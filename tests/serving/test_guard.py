"""Whom both servers answer, over real connections, and what ends a connection."""

import contextlib
import json
import select
import socket

import httpx
import numpy as np
import pytest
from served import LABELS, build, encoded, running

from keras_mixer import serving
from keras_mixer.serving.guard import client_of

pytestmark = pytest.mark.once

IMAGE = encoded(np.zeros((9, 9, 3), "uint8"))
POST = {
    "serve": ["/v1/classify"],
    "web": ["/models/0/classify", "/models/0/explain"],
}
LIMITS = {"max_bytes": 200_000, "max_batch": 4, "places": 8}


@contextlib.contextmanager
def door(name, model, **options):
    service = serving.Service(serving.Classifier(model, LABELS), **LIMITS)
    app, ready = serving.create_app(service, **options), service.ready
    if name == "web":
        site = serving.Site([service])
        app, ready = serving.create_page(site, rate=10_000, **options), site.ready
    with running(app, ready) as client:
        ready.result(60)
        yield client


@pytest.fixture(scope="module", params=POST)
def opened(request):
    """Each door: a client, and the paths that take images."""
    with door(request.param, build()) as client:
        yield client, POST[request.param]


def post(client, path, **headers):
    return client.post(path, content=IMAGE, headers={"Content-Type": "image/png"} | headers)


def test_on_loopback_no_other_host_is_answered(opened):
    client, paths = opened
    port = client.base_url.port
    for host, status in (
        *[(h, 200) for h in (f"127.0.0.1:{port}", "LOCALHOST", "[::1]:1", "127.0.0.2")],
        *[(h, 421) for h in ("evil.example", f"evil.example:{port}", "", "[::1", "0.0.0.0")],
        *[(h, 421) for h in ("localhost.evil.example", "evil.example#@127.0.0.1", "2130706433")],
    ):
        for answer in (
            client.get("/openapi.json", headers={"Host": host}),
            *(post(client, path, Host=host) for path in paths),
        ):
            assert answer.status_code == status, (host, answer.text)
    assert "must send Host: localhost" in answer.json()["detail"]


@pytest.mark.parametrize("name", POST)
def test_elsewhere_any_host_is_answered(own_model, name):
    with door(name, own_model, host="0.0.0.0") as client:
        for path in POST[name]:
            assert (
                post(client, path, Host="some.name", Origin="http://some.name").status_code == 200
            )
            assert post(client, path, Host="some.name", Origin="http://other").status_code == 403


def test_no_page_of_another_address_may_post(opened):
    client, paths = opened
    here = f"http://{client.base_url.netloc.decode()}"
    behind_a_proxy = {"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}
    for headers, status in (
        ({}, 200),  # A program.
        ({"Origin": here}, 200),
        (behind_a_proxy, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": f"http://127.0.0.1:{client.base_url.port + 1}"}, 403),
        ({"Origin": f"{here}@evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": here}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "none"}, 403),
    ):
        for path in paths:
            answer = post(client, path, **headers)
            assert answer.status_code == status, (headers, answer.text)
            assert "Access-Control-Allow-Origin" not in answer.headers
        for method in ("PUT", "DELETE", "PATCH"):
            answer = client.request(method, "/openapi.json", headers=headers)
            assert answer.status_code == (405 if status == 200 else 403)
        assert client.get("/openapi.json", headers=headers).status_code == 200


def test_every_answer_says_what_a_browser_may_do(opened):
    client, paths = opened
    for answer in (
        *(client.get(path) for path in ("/openapi.json", "/nothing")),
        *(post(client, path) for path in paths),
        *(post(client, path, Host="evil.example") for path in paths),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def spoken(client, *parts):
    """All that the server says to some bytes until it ends the connection."""
    place = client.base_url.host, client.base_url.port
    with socket.create_connection(place, timeout=20) as connection:
        for part in parts:
            with contextlib.suppress(ConnectionError):
                connection.sendall(part)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                received += more
    return received


CHUNKED = b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = {
    "length and chunks": b"Content-Length: 5\r\n" + CHUNKED,
    "chunks and length": CHUNKED + b"Content-Length: 5\r\n",
    "chunks and no length": CHUNKED + b"Content-Length: 0\r\n",
    "folded": b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "two lengths in one": b"Content-Length: 5, 6\r\n",
    "chunks twice": CHUNKED * 2,
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "plus": b"Content-Length: +5\r\n",
    "minus": b"Content-Length: -5\r\n",
    "hexadecimal": b"Content-Length: 0x5\r\n",
    "no number": b"Content-Length: \r\n",
    "too many digits": b"Content-Length: " + b"9" * 30 + b"\r\n",
    "a zero byte": b"X: \0\r\n",
    "two hosts": b"Host: localhost\r\n",
    "no name": b": x\r\n",
    "a head without end": b"X: " + b"x" * 200_000 + b"\r\n",
}
BODY = b"5\r\nabcde\r\n0\r\n\r\n"
SMUGGLED = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("framing", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_400_and_the_end(opened, framing):
    client, paths = opened
    for path in paths:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n".encode()
        answer = spoken(client, head + AMBIGUOUS[framing] + b"\r\n" + BODY + SMUGGLED * 2)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()
    assert client.get("/openapi.json").status_code == 200


def test_chunks_in_old_http_are_400_and_the_end(opened):
    client, paths = opened
    head = f"POST {paths[0]} HTTP/1.0\r\nHost: localhost\r\n".encode()
    answer = spoken(client, head + CHUNKED + b"\r\n" + BODY + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_what_can_be_read_in_one_way_is_answered(opened):
    """The same length twice, folded lines and chunks, as RFC 9112 has them."""
    client, paths = opened
    length = f"Content-Length: {len(IMAGE)}\r\n".encode()
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(IMAGE), IMAGE)
    for headers, body in (
        (length * 2, IMAGE),
        (b"X: a\r\n b\r\n" + length, IMAGE),
        (CHUNKED, chunks),
    ):
        head = f"POST {paths[0]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        end = b"Connection: close\r\n\r\n"
        answer = spoken(client, head.encode() + headers + end + body)
        assert answer.startswith(b"HTTP/1.1 200 "), answer


@pytest.mark.parametrize(
    "line",
    [
        *("HEAD / HTTP/1.1", "OPTIONS * HTTP/1.1", "OPTIONS / HTTP/1.1", "TRACE / HTTP/1.1"),
        *("CONNECT localhost:1 HTTP/1.1", "PRI * HTTP/2.0", "GET / HTTP/9.9", "get / HTTP/1.1"),
        *("GET /../../etc/passwd HTTP/1.1", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"),
        *("GET //etc/passwd HTTP/1.1", "GET /static/..%2fguard.py HTTP/1.1", "GET \\ HTTP/1.1"),
        *("GET file:///etc/passwd HTTP/1.1", "GET http://evil.example/ HTTP/1.1"),
        *("GET /%00 HTTP/1.1", "GET /%ff%fe HTTP/1.1", "GET /?top=%00 HTTP/1.1"),
        *("GET /%0d%0aX:y HTTP/1.1", f"GET /models/{9**30}/classify HTTP/1.1"),
        pytest.param("GET /" + "a" * 70_000 + " HTTP/1.1", id="a long path"),
    ],
)
def test_odd_requests_are_answered_and_do_no_harm(opened, line, caplog):
    client, _ = opened
    for more in (b"", b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", b"Upgrade: h2c\r\n"):
        upgrade = b"Connection: close, Upgrade\r\n" if more else b"Connection: close\r\n"
        head = f"{line}\r\nHost: localhost\r\n".encode() + more + upgrade + b"\r\n"
        answer = spoken(client, head)
        status = int(answer.split()[1])
        assert status in (200, 400, 404, 405), answer
        assert b"root:" not in answer
        assert b"X:y" not in answer.partition(b"\r\n\r\n")[0]
    assert client.get("/openapi.json").status_code == 200
    assert caplog.text == ""  # Nobody fills the log from outside.


@contextlib.contextmanager
def sending(client, path, address, count):
    """Bodies from an address of which all but the last byte has come."""
    place = client.base_url.host, client.base_url.port
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    head += f"Content-Length: {len(IMAGE)}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            one = socket.create_connection(place, timeout=20, source_address=(address, 0))
            connections.append(stack.enter_context(one))
            one.sendall(head.encode() + IMAGE[:-1])
        yield connections


def status_of(connection):
    return connection.recv(65536).split()[1]


@pytest.mark.parametrize(
    ("name", "path", "share"),
    [
        ("serve", "/v1/classify", 4),  # Of eight places.
        ("web", "/models/0/classify", 4),
        ("web", "/models/0/explain", 2),  # Of four.
    ],
)
def test_one_client_holds_half_of_the_places_however_slowly_it_sends(own_model, name, path, share):
    other = httpx.HTTPTransport(local_address="127.0.0.2")
    with (
        door(name, own_model) as client,
        httpx.Client(base_url=client.base_url, transport=other, timeout=30) as stranger,
        sending(client, path, "127.0.0.1", share + 3) as slow,
    ):
        refused = []
        while len(refused) < 3:
            refused += readable([one for one in slow if one not in refused], 20)
        assert [status_of(one) for one in refused] == [b"429"] * 3
        answer = post(client, path)
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["detail"].startswith(f"{share} requests of this address are arriving,")
        for _ in range(3):
            assert post(stranger, path).status_code == 200
        waiting = [one for one in slow if one not in refused]
        assert len(waiting) == share
        assert readable(waiting, 0) == []
        for one in waiting:
            one.sendall(IMAGE[-1:])
        assert [status_of(one) for one in waiting] == [b"200"] * share
        assert post(client, path).status_code == 200


def readable(connections, seconds):
    """Those on which something came."""
    found, _, _ = select.select(connections, [], [], seconds)
    assert found or not seconds
    return found


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        (None, "", True),
        (None, "192.0.2.1", False),
    ],
)
def test_a_client_is_an_address_or_a_network_of_one_host(one, another, same):
    clients = [client_of({"client": address and (address, 1)}) for address in (one, another)]
    assert (clients[0] == clients[1]) == same


def test_what_the_interface_says_has_every_status(opened):
    client, paths = opened
    for path in paths:
        path = path.replace("/0/", "/{number}/")
        told = json.loads(client.get("/openapi.json").text)["paths"][path]["post"]["responses"]
        assert {"400", "403", "421", "429"} <= set(told)
