"""Programs as subprocesses, and waiting for what they do: what the tests of the whole stand on."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

DEVTOOLS = Path(sys.executable).with_name("devtools")
PATIENCE = 30.0  # seconds that a busy machine may take for what takes one


def missing(what: str) -> None:
    """Skip with the reason; in CI, where everything is installed, a skip of this kind is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)


def tool(name: str) -> str:
    """The path of a program; skips the test where the machine has none."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not on PATH")
    return str(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(what: str, question: Callable[[], object], *, within: float = PATIENCE) -> float:
    """Ask until the answer is true; gives the seconds it took, fails with `what` when it never is."""
    started = time.monotonic()
    while not question():
        if time.monotonic() - started > within:
            pytest.fail(f"waited {within} s in vain: {what}")
        time.sleep(0.01)
    return time.monotonic() - started


@dataclass(frozen=True)
class Service:
    """A generated service, and the database that it was generated on."""

    path: Path
    database: str
    said: str
    environment: dict[str, str]


class DevServer:
    """`devtools runserver` as a subprocess, its output kept."""

    def __init__(self, service: Path, environment: dict[str, str], *, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [str(DEVTOOLS), "runserver", str(service), "--port", str(self.port)],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def said(self, text: str) -> bool:
        return text in self.output

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the development server ended:\n{self.output}"
        return curl("-f", f"{self.url}/healthz").returncode == 0

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        return status


def curl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [tool("curl"), "-sS", "--max-time", "20", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
