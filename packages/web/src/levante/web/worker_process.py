"""One worker process as its supervisor sees it: a fresh interpreter that has inherited the listening sockets and one
end of a socket to be led by (leash.py).

A fresh interpreter, and not a fork of the supervisor, for three reasons: a fork copies locks that threads of any
library may hold, and the thread that would release them is not copied; a fork keeps the code that the supervisor had
loaded, where a rolling restart is made to load new code; and macOS forbids it to much of its own. It costs some tenths
of a second at the start of a worker, in which the others serve.
"""

import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .leash import RETIRE

LENGTH: Final = struct.Struct("!Q")
"""Before the message that a worker gets first."""

CHUNK: Final = 4096

HUNG_UP: Final = b""
"""What is read of a worker that has closed its end."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a worker needs to know before it can understand what it is to do."""

    sys_path: list[str]
    argv: list[str]
    main_module: str | None
    main_path: str | None
    sockets: list[int]
    assignment: bytes


def preparation(assignment: object, sockets: Sequence[socket.socket]) -> bytes:
    """The first message to a worker. TypeError when something in `assignment` cannot be imported by another process."""
    try:
        pickled = pickle.dumps(assignment)
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        raise TypeError(
            f"workers import what they are given, and this cannot be imported: {exc}; name the application as"
            " 'module:function', and make the rest functions and classes at the top level of a module"
        ) from exc
    main_module = main_path = None
    if b"__main__" in pickled:
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        main_module = None if spec is None else spec.name
        main_path = getattr(main, "__file__", None)
        if main_module is None and main_path is None:
            raise TypeError("workers cannot import a program that has no file; name the application 'module:function'")
    message = pickle.dumps(
        Preparation(list(sys.path), list(sys.argv), main_module, main_path, [s.fileno() for s in sockets], pickled)
    )
    return LENGTH.pack(len(message)) + message


class WorkerProcess:
    """A running worker. `state` is one of STARTING, SERVING and LEAVING; times are the supervisor's clock."""

    STARTING: Final = "starting"
    SERVING: Final = "serving"
    LEAVING: Final = "leaving"

    def __init__(self, message: bytes, sockets: Sequence[socket.socket], *, generation: int, now: float) -> None:
        self.generation = generation
        self.state = self.STARTING
        self.since = now
        self.spawned = now
        self.last_beat = now
        self.kill_at: float | None = None
        self.is_late = False  # with its sign of life, and the log says so
        self._sock, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter
                    [*_interpreter(), "-m", "levante.web.worker_main", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(), *(sock.fileno() for sock in sockets)),
                    process_group=0,  # a Ctrl-C at the terminal is for the supervisor, which passes it on once
                )
        except BaseException:
            self._sock.close()
            raise
        try:
            self._sock.sendall(message)
        except OSError:
            pass  # it has died already, as poll() will tell
        self._sock.setblocking(False)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def fileno(self) -> int:
        """For selectors."""
        return self._sock.fileno()

    def read(self, now: float) -> bytes:
        """What it says, HUNG_UP if it will say no more; every word is a sign of life."""
        try:
            told = self._sock.recv(CHUNK)
        except ConnectionResetError:
            return HUNG_UP
        self.last_beat = now
        return told

    def retire(self, now: float, within: float) -> None:
        """Have it finish what it does, and end; it is killed when it has not after `within` seconds."""
        self.state, self.since = self.LEAVING, now
        self.kill_at = now + within
        try:
            self._sock.send(RETIRE)
        except OSError:
            pass  # it is dying, as poll() will tell

    def stop(self, number: signal.Signals, now: float, within: float) -> None:
        """Send a signal that ends it; it is killed when it has not ended after `within` seconds."""
        self.state, self.since = self.LEAVING, now
        self.kill_at = now + within
        self._process.send_signal(number)

    def kill(self) -> None:
        """At once."""
        self.kill_at = None
        self._process.kill()

    def poll(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            try:
                return f"killed by {signal.Signals(-code).name}"
            except ValueError:
                return f"killed by signal {-code}"
        return f"exit status {code}"

    def close(self) -> None:
        """Forget it, ended or not."""
        self._sock.close()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()


def _interpreter() -> list[str]:
    """This interpreter, told what this one was told."""
    if not sys.executable:
        raise RuntimeError("workers need to know the Python interpreter; sys.executable is empty here")
    options = ["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []
    options += ["-E"] if sys.flags.ignore_environment else []
    options += ["-s"] if sys.flags.no_user_site and "PYTHONNOUSERSITE" not in os.environ else []
    options += [f"-W{option}" for option in sys.warnoptions]
    for name, value in sys._xoptions.items():  # noqa: SLF001  # documented, for CPython
        options.append(f"-X{name}" if value is True else f"-X{name}={value}")
    return [sys.executable, *options]
