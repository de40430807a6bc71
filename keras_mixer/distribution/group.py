"""The processes of one run: whether they fit together, and whether all are still there.

Every process holds a connection to process 0. The engines notice a lost process late, or in a
message of many lines; here the system closes the connection of a process that dies, and a word
every few seconds shows that a machine still runs. Nothing but JSON and arrays' bytes is read.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from typing import Any

from keras_mixer.distribution.connection import Connection
from keras_mixer.printable import printable

BEAT = 5.0  # Seconds between two words.
SILENCE = 45.0  # Seconds without a word after which a process counts as gone.
HELLO = "keras_mixer group 1"
AGAIN = "The same command goes on from the last checkpoint."


class Group:
    """A process's view of all; see `join`."""

    def __init__(self, process: int, processes: int, others: dict[int, tuple[Connection, str]]):
        self.process = process
        self.processes = processes
        self._others = others
        self._data: queue.Queue[bytes] = queue.Queue()
        self._signum: int | None = None
        self._done = threading.Event()  # Process 0 has said that all is done.
        self._code: int | None = None  # With which this process has said that it ends.
        self._lock = threading.Lock()
        # PyTorch puts a buffer in its place while it prints an error, which may be of this loss.
        self._stderr = sys.stderr
        for number, (connection, name) in others.items():
            for work, arguments in (
                (self._listen, (number, connection, name)),
                (self._beat, (connection,)),
            ):
                threading.Thread(target=work, args=arguments, daemon=True).start()

    def broadcast(self, data: bytes | None = None) -> bytes:
        """Gives what process 0 passes, in every process."""
        if self.process:
            return self._data.get()
        assert data is not None
        for connection, _ in self._others.values():
            connection.send(data, kind="data")
        return data

    def asked_to_end(self, signum: int | None) -> int | None:
        """The signal by which process 0 should end the run, its own or another process's.

        Args:
            signum: the signal that came here, which another process passes on to process 0.
        """
        if self.process == 0:
            return signum or self._signum
        if signum and not self._signum:
            self._signum = signum
            self._tell(kind="signal", signum=signum)
        return None

    def end(self, error: BaseException) -> None:
        """Ends the others with a line, for this process cannot go on.

        Where another one is gone, that is the reason for the error here, and the line of its loss
        is what ends this process; so a little time is left for it.
        """
        why = " ".join(f"{type(error).__name__}: {error}".split())
        code = 128 + signum if (signum := getattr(error, "signum", 0)) else 1
        if not signum:
            time.sleep(2.0)
        with self._lock:
            self._code = code
            self._tell(kind="end", why=why, code=code)

    def leave(self) -> None:
        """Says that all is done, and waits for process 0 to say so; the last act of a process.

        After `end` it ends this process at once: the engines would wait for the other ones.
        """
        if self._code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self._code)
        self._tell(kind="bye")
        if self.process:
            self._done.wait()

    def _tell(self, **message: Any) -> None:
        for connection, _ in self._others.values():
            with contextlib.suppress(OSError):  # Who listens there will notice.
                connection.send(**message)

    def _beat(self, connection: Connection) -> None:
        while True:
            try:
                connection.send(kind="beat")
            except OSError:
                return
            time.sleep(BEAT)

    def _listen(self, number: int, connection: Connection, name: str) -> None:
        while True:
            try:
                message, payload = connection.receive(SILENCE)
            except OSError:
                self._stop(f"process {number} ({name}) is gone, so this one ends. {AGAIN}", 1)
                return
            if message["kind"] == "data":
                self._data.put(payload)
            elif message["kind"] == "signal":
                self._signum = message["signum"]
            elif message["kind"] == "end":
                self._stop(f"process {number} ({name}) ended: {message['why']}", message["code"])
            elif message["kind"] == "bye":
                self._done.set()
                return

    def _stop(self, why: str, code: int) -> None:
        """Ends this process from a thread: the main one may wait for the lost process for ever."""
        with self._lock:
            if self._code is not None:
                return
            if self.process == 0:
                self._tell(kind="end", why=why, code=code)
            sys.stdout.flush()
            print(printable(f"Error: process {self.process}: {why}"), file=self._stderr, flush=True)
            os._exit(code)


def join(
    process: int,
    processes: int,
    address: str,
    facts: dict[str, Any],
    wait: float,
    listener: socket.socket | None = None,
) -> Group:
    """Meets the other processes.

    Args:
        process: number of this one.
        processes: how many there are.
        address: `host:port` of process 0, where it listens.
        facts: what must be equal in all of them: versions, options; like JSON, flat.
        wait: seconds until all must be there.
        listener: the socket that process 0 listens on; by default one at `address`.

    Raises:
        ValueError: the processes differ; the message says in what.
        TimeoutError: not all came in time, or process 0 did not answer.
        OSError: process 0 cannot listen at `address`.
    """
    facts = json.loads(json.dumps({**facts, "processes": processes}))
    until = time.monotonic() + wait
    if process:
        return _join_another(process, processes, address, facts, wait, until)
    if listener is None:
        listener = _listener(address)
    with listener:
        return _gather(processes, facts, wait, until, listener)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`.

    Raises:
        ValueError: it is none.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"A coordinator is host:port, such as node0:4000. Received: {address!r}")
    return host.strip("[]"), int(port)


def _listener(address: str) -> socket.socket:
    try:
        return socket.create_server(split_address(address))
    except OSError as error:
        raise OSError(
            f"Process 0 cannot listen at the coordinator's address {address}: {error.strerror}. "
            "It must be an address of the machine of process 0, with a free port."
        ) from error


def _gather(processes, facts, wait, until, listener) -> Group:
    """Process 0 waits for the others, and judges them."""
    others: dict[int, tuple[Connection, str]] = {}
    while len(others) < processes - 1:
        try:
            listener.settimeout(max(until - time.monotonic(), 0.01))
            accepted, _ = listener.accept()
        except TimeoutError:
            missing = [str(i) for i in range(1, processes) if i not in others]
            why = (
                f"{len(others) + 1} of {processes} processes came within {wait:g} s; missing: "
                f"{', '.join(missing)}. Start them with the same --coordinator and --processes."
            )
            raise TimeoutError(_refuse(others, why)) from None
        connection = Connection(accepted)
        try:
            hello, _ = connection.receive(min(5.0, max(until - time.monotonic(), 0.01)))
        except OSError:
            connection.close()  # Someone else, by mistake.
            continue
        if hello.get("kind") != HELLO:
            connection.close()
            continue
        number = hello["process"]
        named = connection, hello["name"]
        if number in others or not 0 < number < processes:
            why = f"Two processes have the number {number}, or it is not below {processes}."
            raise ValueError(_refuse({**others, -1: named}, why))
        others[number] = named
        if hello["facts"] != facts:
            raise ValueError(_refuse(others, _differences(facts, hello["facts"], number)))
    for connection, _ in others.values():
        connection.send(kind=HELLO)
    return Group(0, processes, others)


def _differences(own: dict, its: dict, number: int) -> str:
    told = [
        f"{name} is {own.get(name)!r} in process 0 and {its.get(name)!r} in process {number}"
        for name in sorted({*own, *its})
        if own.get(name) != its.get(name)
    ]
    return f"The processes differ: {'; '.join(told)}. Start all with the same."


def _refuse(others: dict[int, tuple[Connection, str]], why: str) -> str:
    for connection, _ in others.values():
        with contextlib.suppress(OSError):  # It may be gone itself.
            connection.send(kind="refused", why=why)
        connection.close()
    return why


def _join_another(process, processes, address, facts, wait, until) -> Group:
    host, port = split_address(address)
    name = f"{socket.gethostname()}, {os.getpid()}"
    problem, connection = "", None
    while (left := until - time.monotonic()) > 0:
        try:
            connection = Connection(socket.create_connection((host, port), min(5.0, left)))
            connection.send(kind=HELLO, process=process, name=name, facts=facts)
            # Process 0 says which ones are missing, if it comes to that.
            answer, _ = connection.receive(until - time.monotonic() + 5.0)
        except OSError as error:
            problem = f" ({error.strerror or error})"
            if connection is not None:
                connection.close()
                connection = None
            time.sleep(0.2)
            continue
        if answer["kind"] == "refused":
            connection.close()
            raise ValueError(answer["why"])
        return Group(process, processes, {0: (connection, f"{host}:{port}")})
    raise TimeoutError(
        f"Process 0 did not answer at {address} within {wait:g} s{problem}. Is it running, and is "
        "that its --coordinator?"
    )
