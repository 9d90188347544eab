"""A Redis server of a test's own: on a free port of loopback, keeping nothing on disk, and killed, stopped and started
again as the test wants it.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from processes import free_port, tool

START_SECONDS = 20.0  # a busy machine; normally it takes a hundredth of one


class RedisServer:
    """As a context manager it runs for the block. `folder` is where it may write; `password` is asked for, if given;
    `durable` keeps every write through kill() and start()."""

    def __init__(self, folder: Path, *, password: str | None = None, durable: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder
        self._password = password
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._program = tool("redis-server")

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, empty unless it is durable, and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly"]
        command += ["yes", "--appendfsync", "always"] if self._durable else ["no"]
        command += ["--dir", str(self._folder)]
        if self._password is not None:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start on port {self.port}")
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether it takes connections and answers them."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64)[:1] in (b"+", b"-")
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """SIGSTOP: connections stay, and nothing is answered."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the server is not running")
        os.kill(self._process.pid, number)
