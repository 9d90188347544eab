"""Server programs as subprocesses whose log is read as it comes, and clients that keep asking them and count what goes
wrong.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from processes import PATIENCE, wait_until

LOOP = os.environ.get("LEVANTE_TEST_LOOP", "asyncio")
ENVIRONMENT = {**os.environ, "LEVANTE_NO_UVLOOP": "0" if LOOP == "uvloop" else "1", "PYTHONUNBUFFERED": "1"}


class Program:
    """A running server; what it writes is kept by line, with the time at which it came. A variable of the environment
    that is "" is taken away.
    """

    def __init__(self, arguments: Sequence[str], *, cwd: Path, environment: dict[str, str] | None = None) -> None:
        self.lines: list[tuple[float, str]] = []
        self.process = subprocess.Popen(
            list(arguments),
            cwd=cwd,
            env={name: value for name, value in {**ENVIRONMENT, **(environment or {})}.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip()))

    @property
    def log(self) -> str:
        return "\n".join(line for _, line in list(self.lines))

    def found(self, pattern: str) -> list[tuple[float, str]]:
        """When and what: the first group of every line that matches."""
        hits = ((when, re.search(pattern, line)) for when, line in list(self.lines))
        return [(when, hit[hit.lastindex or 0]) for when, hit in hits if hit is not None]

    def wait_for(self, pattern: str, *, count: int = 1, within: float = PATIENCE) -> tuple[float, str]:
        """The `count`-th line that matches."""
        enough = f"{count} times {pattern!r} in the log"
        wait_until(enough, lambda: len(self.found(pattern)) >= count or self.is_over(), within=within)
        hits = self.found(pattern)
        if len(hits) < count:
            pytest.fail(f"{enough}, but it ended:\n{self.log}")
        return hits[count - 1]

    def is_over(self) -> bool:
        return self.process.poll() is not None and not self._reader.is_alive()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, *, within: float = PATIENCE) -> int:
        """The exit status, when it has ended by itself."""
        status = self.process.wait(within)
        self._reader.join(within)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Connection:
    """One kept-alive connection, blocking: no retries, no second chances."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._stream = self._sock.makefile("rb")
        self.says_close = False

    def get(self, target: str = "/") -> tuple[int, str]:
        """Status and body."""
        self._sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status = self._stream.readline()
        if not status:
            raise ConnectionResetError("closed instead of answering")
        length = 0
        while (line := self._stream.readline().lower()) not in (b"\r\n", b""):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif line.startswith(b"connection:"):
                self.says_close = b"close" in line
        body = self._stream.read(length)
        if len(body) < length:
            raise ConnectionResetError("closed within the answer")
        return int(status.split()[1]), body.decode()

    def close(self) -> None:
        self._stream.close()
        self._sock.close()


def get(port: int, target: str = "/") -> tuple[int, str]:
    """One request on a connection of its own."""
    connection = Connection(port)
    try:
        return connection.get(target)
    finally:
        connection.close()


class Load:
    """Clients that keep asking, each on a connection that it keeps as long as the server says so."""

    def __init__(self, port: int, *, clients: int = 8, rate: float = 200.0, target: str = "/") -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._target = target
        self._pause = clients / rate
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _ask(self) -> None:
        connection: Connection | None = None
        while not self._stop.wait(self._pause):
            try:
                if connection is None:
                    connection = Connection(self._port)
                status, body = connection.get(self._target)
                if status == 200:
                    self.answers[body] += 1
                else:
                    self.failures.append(f"status {status}")
                if connection.says_close:
                    connection.close()
                    connection = None
            except OSError as exc:
                self.failures.append(repr(exc))
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()


def listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(arguments: list[str], *, cwd: Path, port: int) -> Iterator[Program]:
    """A server program, from when it listens on `port` until the block ends."""
    program = Program(arguments, cwd=cwd)
    try:
        wait_until(f"{arguments[0]} listens", lambda: program.is_over() or listening(port))
        assert not program.is_over(), program.log
        yield program
    finally:
        program.close()
