"""Processes that meet, over real sockets: two threads here stand for two processes."""

import concurrent.futures
import socket
import subprocess
import sys
import time

import pytest
from distribution.processes import free_port

from keras_mixer.distribution.group import join

pytestmark = pytest.mark.once


def meet(*facts, wait=5.0):
    """Groups, or the errors, of one process for each of the facts."""
    address = f"127.0.0.1:{free_port()}"
    with concurrent.futures.ThreadPoolExecutor(len(facts)) as pool:
        joining = [
            pool.submit(join, i, len(facts), address, one, wait) for i, one in enumerate(facts)
        ]
    return [future.exception() or future.result() for future in joining]


def test_what_the_first_one_says_reaches_all():
    groups = meet({"keras": "3"}, {"keras": "3"}, {"keras": "3"})
    data = bytes(range(256)) * 10_000
    assert groups[0].broadcast(data) == data
    assert [group.broadcast() for group in groups[1:]] == [data, data]


def test_a_signal_reaches_the_first_one():
    first, second = meet({}, {})
    assert first.asked_to_end(None) is None
    assert second.asked_to_end(15) is None
    until = time.monotonic() + 10
    while first.asked_to_end(None) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert first.asked_to_end(None) == 15


def test_unequal_processes_are_told_in_what():
    errors = meet({"keras": "3.15", "batch_size": 8}, {"keras": "3.16", "batch_size": 8})
    told = (
        "The processes differ: keras is '3.15' in process 0 and '3.16' in process 1. "
        "Start all with the same."
    )
    assert [str(error) for error in errors] == [told, told]
    assert all(isinstance(error, ValueError) for error in errors)


def test_another_number_of_processes():
    address = f"127.0.0.1:{free_port()}"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(join, 0, 2, address, {}, 5.0)
        second = pool.submit(join, 1, 3, address, {}, 5.0)
    for future in (first, second):
        with pytest.raises(ValueError, match="processes is 2 in process 0 and 3 in process 1"):
            future.result()


def test_one_that_does_not_come():
    with pytest.raises(TimeoutError, match=r"1 of 2 processes came within 0\.3 s; missing: 1"):
        join(0, 2, f"127.0.0.1:{free_port()}", {}, 0.3)


def test_an_address_of_another_machine():
    # 192.0.2.0/24 is for documentation (RFC 5737).
    with pytest.raises(OSError, match=r"cannot listen at the coordinator's address 192\.0\.2\.1"):
        join(0, 2, "192.0.2.1:4000", {}, 0.3)


def test_strangers_are_not_counted():
    address = f"127.0.0.1:{free_port()}"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(join, 0, 2, address, {}, 10.0)
        time.sleep(0.2)
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            second = pool.submit(join, 1, 2, address, {}, 10.0)
            assert first.result().processes == second.result().processes == 2


def test_a_loss_is_told_while_something_else_holds_the_error_stream():
    """As PyTorch's hook does while it prints an error, such as one of a lost process."""
    address = f"127.0.0.1:{free_port()}"
    program = (
        "import io, sys, time\n"
        "from keras_mixer.distribution.group import join\n"
        f"join(int(sys.argv[1]), 2, {address!r}, {{}}, 120.0)\n"
        "sys.stderr = io.StringIO()\n"
        "print('joined', flush=True)\n"
        "time.sleep(120)\n"
    )
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", program, str(process)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in (0, 1)
    )
    assert first.stdout.readline() == second.stdout.readline() == "joined\n"
    first.kill()
    first.communicate()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    # TensorFlow's own lines may stand before it.
    assert f"Error: process 1: process 0 ({address}) is gone" in err
