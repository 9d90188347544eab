"""A server of a test's own that keeps things, such as a Redis: on a free port of loopback, killed, stopped and started
again as the test wants it."""

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from processes import free_port

START_SECONDS = 20.0  # a busy machine; normally it takes a hundredth of one


class StoreServer(ABC):
    """As a context manager it runs for the block. Subclasses say by what command it is started, what it is asked, and
    how an answer begins."""

    question: bytes
    answers_with: tuple[bytes, ...]

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = self.command()
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start on port {self.port}")
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether it takes connections and answers them."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(self.question)
                return connection.recv(64).startswith(self.answers_with)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """SIGSTOP: connections stay, and nothing is answered. Returns when all its threads have stopped."""
        os.waitpid(self._send(signal.SIGSTOP), os.WUNTRACED)

    def go_on(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> int:
        if self._process is None:
            raise RuntimeError("the server is not running")
        os.kill(self._process.pid, number)
        return self._process.pid
