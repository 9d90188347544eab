"""The load: kept-alive connections with one request in flight on each, sent from this process over loopback.

Bytes are sent as they stand and answers are counted, not parsed: the first answer on each connection is taken apart
and compared; those after it must begin with the same status and have the same length. So a request costs this process
a few microseconds, two system calls among them. A wrong answer, or none within TIMEOUT, ends the run.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

TIMEOUT = 60  # seconds; under valgrind an answer may take some
READ_SIZE = 1024 * 1024
HTTP_OK = b"HTTP/1.1 200 "
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
UPGRADE = (
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 "


class WrongAnswer(SystemExit):
    """A subject did not answer as it must; its figures would mean nothing."""


@dataclass(frozen=True)
class Budget:
    """Work until `count` requests are answered or `seconds` have passed, whichever is first."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Load:
    """What a budget came to; `p50` and `p99` are latencies. All times in seconds."""

    count: int
    seconds: float
    p50: float
    p99: float


class Connection:
    """A socket, and the answer that is arriving on it."""

    def __init__(self, port: int, is_right: Callable[[bytes], bool], *, is_websocket: bool, path: str = "/ws") -> None:
        self.socket = connect(port)
        self.started = 0.0
        self.is_right = is_right
        self.body_of = frame_payload if is_websocket else http_body
        self.begins = b"\x81" if is_websocket else HTTP_OK
        self.usual = -1  # the length of an answer; known after the first
        self.pieces: list[bytes] = []
        self.got = 0
        if is_websocket:
            try:
                self.upgrade(path)
            except WrongAnswer:
                self.close()
                raise

    def upgrade(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n".encode() + UPGRADE)
        answer = b""
        while HEAD_END not in answer:
            answer += self.receive()
        if not answer.startswith(SWITCHED) or not answer.endswith(HEAD_END):
            raise WrongAnswer(f"got {answer!r}; expected 101 and nothing behind its head")

    def close(self) -> None:
        self.socket.close()

    def receive(self) -> bytes:
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            raise WrongAnswer(f"nothing came within {TIMEOUT} seconds, after {self.got} bytes of an answer") from None
        if not data:
            raise WrongAnswer(f"the connection was closed after {self.got} bytes of an answer")
        return data

    def ask(self, request: bytes) -> None:
        """Send one request and wait for its answer."""
        self.socket.sendall(request)
        while not self.take():
            pass

    def take(self) -> bool:
        """Read what has come; whether it completes an answer."""
        data = self.receive()
        if not self.got and not data.startswith(self.begins):
            raise WrongAnswer(f"got {data[:300]!r}; expected {self.begins!r} as its beginning")
        self.got += len(data)
        if self.got == self.usual:
            self.got = 0
            return True
        if self.usual < 0:
            self.pieces.append(data)
            return self.take_apart()
        if self.got > self.usual:
            raise WrongAnswer(f"got {self.got} bytes, ending {data[-100:]!r}; the first answer had {self.usual}")
        return False

    def take_apart(self) -> bool:
        answer = b"".join(self.pieces)
        body = self.body_of(answer)
        if body is None:
            return False
        if not self.is_right(body):
            raise WrongAnswer(f"got {answer[:500]!r}, a body of {len(body)} bytes; that is not what was asked for")
        self.usual, self.got = len(answer), 0
        self.pieces.clear()
        return True


def connect(port: int) -> socket.socket:
    """A blocking socket whose timeouts are the system's: Python's own would cost a system call each time."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", TIMEOUT, 0))
    return connection


def http_body(answer: bytes) -> bytes | None:
    """The body of a complete answer, by its length or its chunks; None before the end has come."""
    head, end, rest = answer.partition(HEAD_END)
    if not end:
        return None
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return unchunked(rest) if rest.endswith(LAST_CHUNK) else None
    length = int(fields.get(b"content-length", b"-1"))
    if length < 0 or len(rest) > length:
        raise WrongAnswer(f"got {head!r} and {len(rest)} bytes; expected a Content-Length, or chunks")
    return rest if len(rest) == length else None


def unchunked(rest: bytes) -> bytes:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    return body


def frame_payload(answer: bytes) -> bytes | None:
    """The payload of one unmasked frame; None before it is complete."""
    if len(answer) < 2:
        return None
    extended = {126: 2, 127: 8}.get(answer[1], 0)
    length = int.from_bytes(answer[2 : 2 + extended], "big") if extended else answer[1]
    payload = answer[2 + extended :]
    return payload if len(answer) >= 2 + extended and len(payload) >= length else None


class Watch:
    """Which of `connections` have got a whole answer; a context, for it holds a descriptor."""

    def __init__(self, connections: list[Connection]) -> None:
        self.by_number = {connection.socket.fileno(): connection for connection in connections}
        self.poller = select.epoll()
        for number in self.by_number:
            self.poller.register(number, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.poller.close()

    def answered(self) -> Iterator[Connection]:
        """Wait for bytes, read them one connection after the other, and say whose answers are complete, if any."""
        ready = self.poller.poll(TIMEOUT)
        if not ready:
            raise WrongAnswer(f"none of {len(self.by_number)} connections got anything within {TIMEOUT} seconds")
        for number, _ in ready:
            connection = self.by_number[number]
            if connection.take():
                yield connection


class Generator:
    """Keeps `connections` busy with `request`, each with one in flight."""

    def __init__(self, connections: list[Connection], request: bytes) -> None:
        self.connections = connections
        self.request = request

    def run(self, budget: Budget) -> Load:
        clock = time.perf_counter
        times: list[float] = []
        begun = clock()
        deadline = begun + budget.seconds
        busy = min(len(self.connections), budget.count)
        left = budget.count - busy
        with Watch(self.connections) as watch:
            for connection in self.connections[:busy]:
                connection.started = clock()
                connection.socket.sendall(self.request)
            while busy:
                for connection in watch.answered():
                    now = clock()
                    times.append(now - connection.started)
                    if left > 0 and now < deadline:
                        left -= 1
                        connection.started = now
                        connection.socket.sendall(self.request)
                    else:
                        busy -= 1
        return summary(times, clock() - begun)


class Broadcaster:
    """Has the first of `connections` say something that all of them get, itself too, and waits for the last one."""

    def __init__(self, connections: list[Connection], request: bytes) -> None:
        self.connections = connections
        self.request = request

    def run(self, budget: Budget) -> Load:
        """The latencies are those of whole broadcasts, to the last member; the count is of messages that came."""
        clock = time.perf_counter
        times: list[float] = []
        begun = clock()
        with Watch(self.connections) as watch:
            while len(times) * len(self.connections) < budget.count and clock() < begun + budget.seconds:
                started = clock()
                self.connections[0].socket.sendall(self.request)
                missing = len(self.connections)
                while missing:
                    missing -= sum(1 for _ in watch.answered())
                times.append(clock() - started)
        return replace(summary(times, clock() - begun), count=len(times) * len(self.connections))


def summary(times: list[float], seconds: float) -> Load:
    ordered = sorted(times)
    return Load(len(ordered), seconds, ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100])
