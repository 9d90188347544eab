"""A subject as a running process: started, waited for, asked, stopped."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalogue import Subject
from counters import process_tree
from load import Load
from workloads import BLOB, STATIC_NAME

SUBJECTS = Path(__file__).resolve().parent / "subjects"
START_TIMEOUT = 180.0  # seconds; under valgrind the imports of a large framework take their time
STOP_TIMEOUT = 20.0
POLL = 0.02  # seconds between two looks for the port


class DidNotStart(Exception):
    """The subject ended before it was ready, or is not ready yet; the message has the end of what it wrote."""


class Program:
    """The process of a subject, and the port that it serves or, for a client, asks."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, errors: Path) -> None:
        self.process = process
        self.port = port
        self._errors = errors

    def pids(self) -> list[int]:
        return process_tree(self.process.pid)

    def wait_for_port(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not is_open(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(self.last_words())
            time.sleep(POLL)

    def wait_until_ready(self) -> None:
        if self._line() != "ready\n":
            raise DidNotStart(self.last_words())

    def carry_out(self, **order: object) -> Load:
        """Give a client or parser an order, and return what it reports."""
        if self.process.stdin is None:
            raise ValueError("the process was started without a standard input")
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self._line()
        if not line:
            raise SystemExit(f"the order {order} was not carried out: {self.last_words()}")
        return Load(**json.loads(line))

    def _line(self) -> str:
        return self.process.stdout.readline() if self.process.stdout else ""

    def last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or f"status {self.process.poll()} and not a word"

    def stop(self) -> None:
        family = self.pids() if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in family[1:]:
            kill_if_there(pid)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def running(
    python: Path, subject: Subject, *, port: int | None = None, prefix: list[str] | None = None
) -> Iterator[Program]:
    """The subject's process for the length of the block; a server on a free port, a client told `port`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        (Path(name) / STATIC_NAME).write_bytes(BLOB)
        command = [*(prefix or ()), str(python), str(SUBJECTS / subject.program[0]), *subject.program[1:]]
        program = start(command, free_port() if port is None else port, Path(name))
        try:
            if port is None:
                program.wait_for_port()
            else:
                program.wait_until_ready()
            yield program
        finally:
            program.stop()


def start(command: list[str], port: int, folder: Path) -> Program:
    # Hashing is the same each time, so that the count of instructions is.
    told = {"BENCH_PORT": str(port), "BENCH_STATIC": str(folder), "PYTHONHASHSEED": "0"}
    errors = folder / "errors"
    with errors.open("w") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, **told},
            cwd=SUBJECTS,
        )
    return Program(process, port, errors)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended with its parent, as it should
