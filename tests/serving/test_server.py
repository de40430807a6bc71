"""A port and an end; signals are in tests/cli/test_serve.py, where a process has them."""

import contextlib
import signal
import socket
import time

import pytest
from served import running

from keras_mixer import serving
from keras_mixer.serving import server

pytestmark = pytest.mark.once


class TooLarge(serving.Classifier):
    """Finds no memory."""

    def probabilities(self, images):
        raise MemoryError(f"no room for {len(images)}")


def test_a_warm_up_that_fails_ends_the_server_with_its_error(own_model):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    service = serving.Service(TooLarge(own_model))
    with serving.listen(port=0) as bound, pytest.raises(MemoryError, match="no room for 1"):
        serving.serve(serving.create_app(service), service.ready, bound)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_site_waits_for_each_of_its_models(own_model):
    services = [serving.Service(kind(own_model)) for kind in (serving.Classifier, TooLarge)]
    site = serving.Site(services)
    with serving.listen(port=0) as bound, pytest.raises(MemoryError, match="no room for 1"):
        serving.serve(serving.create_page(site), site.ready, bound)
    with pytest.raises(ValueError, match="A site needs a model"):
        serving.Site([])


def test_a_connection_without_a_request_is_closed(client, monkeypatch):
    address = client.base_url.host, client.base_url.port
    head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    monkeypatch.setattr(server, "SECONDS", 2.5)
    # uvicorn itself closes what is idle after an answer, and nothing else.
    for first, answers in ((b"", 0), (head, 0), (head + b"\r\n" + head, 1)):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(first)
            received = b"".join(iter(lambda c=connection: c.recv(4096), b""))
            assert received.count(b"HTTP/1.1 200") == answers
    with socket.create_connection(address, timeout=10) as connection:
        for _ in range(4):  # As long as requests come.
            time.sleep(0.9)
            connection.sendall(head + b"\r\n")
            received = b""
            while not received.endswith(b"}"):
                more = connection.recv(4096)
                assert more
                received += more


def test_a_port_belongs_to_one_and_loopback_is_the_default():
    with serving.listen(port=0) as bound:
        host, port = bound.getsockname()
        assert host == "127.0.0.1"
        assert serving.address(bound) == f"http://127.0.0.1:{port}"
        bound.listen()
        with pytest.raises(OSError, match=rf"port {port} of 127\.0\.0\.1: Address already in use"):
            serving.listen(port=port)
    with pytest.raises(OSError, match=r"Cannot listen on port 1 of no\.such\.invalid"):
        serving.listen("no.such.invalid", 1)


def test_a_connection_on_which_no_answer_is_read_is_ended(own_model, monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 1.0)
    service = serving.Service(serving.Classifier(own_model))
    with running(serving.create_app(service), service.ready) as client:
        service.ready.result(60)
        place = client.base_url.host, client.base_url.port
        with socket.create_connection(place) as connection:
            connection.settimeout(20)
            many = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500_000
            with pytest.raises(ConnectionError):  # Of the server, before the buffers have room.
                connection.sendall(many)
        assert client.get("/openapi.json").status_code == 200


def test_one_client_has_so_many_connections(client, monkeypatch):
    place = client.base_url.host, client.base_url.port
    assert client.get("/openapi.json").status_code == 200  # One of them, which is kept.
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    head = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for address, expected in (
            *(("127.0.0.1", True), ("127.0.0.1", True), ("127.0.0.1", False)),
            *(("127.0.0.2", True), ("127.0.0.1", False)),
        ):
            one = socket.create_connection(place, timeout=20, source_address=(address, 0))
            stack.enter_context(one)
            received = b""
            with contextlib.suppress(ConnectionError):
                one.sendall(head)
                received = one.recv(12)
            assert (received == b"HTTP/1.1 200") == expected, address
    assert client.get("/openapi.json").status_code == 200
