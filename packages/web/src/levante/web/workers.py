"""Several processes that serve one application at the same sockets, and the supervisor that keeps their number.

The supervisor opens the sockets, starts workers (worker_process.py says how, and why so), and then only waits: for what
they say, for their end, for signals and for the next thing that is due. It runs no event loop and no code of the
application. One turn reads all news, and then compares what is with what should be: `_balance` starts and retires
workers until so many of the current generation serve. SIGHUP begins a new generation; old workers are retired one by
one as new ones become ready. A generation that cannot start is given up, and the one before goes on.
"""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .addresses import Addresses
from .app import Application
from .binding import inode, remove_unix
from .leash import READY, show_after
from .sites import socket_name
from .worker_process import CHUNK, HUNG_UP, WorkerProcess, preparation

if TYPE_CHECKING:
    from types import FrameType

WATCHDOG_TIMEOUT: Final = 30.0
"""Seconds without a turn of its event loop after which a worker is replaced: no handler may block for that long, and a
deadlock does for ever. gunicorn 30.
"""

FIRST_DELAY: Final = 0.1
LAST_DELAY: Final = 30.0
"""Seconds before another worker is started after a failure: doubled from the first to the last. The first worker that
dies after it has served is replaced without delay.
"""

MAX_DOUBLINGS: Final = 10
"""Beyond LAST_DELAY in any case; further ones would only overflow."""

MAX_BOOT_FAILURES: Final = 5
"""Attempts to start a worker when none serves; what fails that often fails always, and whoever started us should know.
"""

BOOT_FAILED: Final = 3
"""The exit status then; gunicorn's."""

STABLE: Final = 10.0
"""Seconds of service after which the end of a worker is an accident, and not one of a series."""

RETIRE_MARGIN: Final = 30.0
"""Seconds beyond the shutdown timeout that a leaving worker has, for idle clients to say goodbye to, and for its own
cleanup. Then it is killed.
"""

HURRY: Final = 0.8
"""Seconds that workers have after a second signal."""

DUMP_TIME: Final = 5.0
"""Seconds that a hanging worker has to show its stacks."""

STALL: Final = 5.0
"""Seconds beyond which the supervisor itself was stopped (a suspended machine), and no silence of a worker counts."""

LONGEST_WAIT: Final = 1.0

RELOAD: Final = getattr(signal, "SIGHUP", None)
STOP: Final = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger("levante.web.workers")

in_worker = False
"""Whether this process is a worker."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is to do. Any: the values of `options` are the arguments of AppRunner, each of its own type."""

    app: object
    ssl_context: Any
    options: dict[str, Any]
    debug: bool | None
    backlog: int
    watchdog: float | None = WATCHDOG_TIMEOUT


def supervise(
    assignment: Assignment, count: int, addresses: Addresses, *, show: Callable[[str], object] | None = None
) -> None:
    """Serve by `count` processes until SIGINT or SIGTERM; SystemExit when they did not end gracefully."""
    _check(assignment, count)
    secure = assignment.ssl_context is not None
    sockets = addresses.bind(secure=secure)
    files = {path: inode(path) for path in addresses.paths()}
    try:
        names = ", ".join(sorted(socket_name(sock, secure=secure) for sock in sockets))
        banner = f"======== Running on {names} with {count} workers ========\n(Press CTRL+C to quit)"
        supervisor = Supervisor(
            preparation(assignment, sockets),
            sockets,
            count,
            shutdown_timeout=assignment.options["shutdown_timeout"],
            watchdog=assignment.watchdog,
            on_ready=lambda: show(banner) if show is not None else None,
        )
        status = supervisor.run()
    finally:
        for sock in sockets:
            sock.close()
        for path, made in files.items():
            remove_unix(path, made)
    if status:
        raise SystemExit(status)


def _check(assignment: Assignment, count: int) -> None:
    if count < 1:
        raise ValueError(f"workers is at least 1; got {count!r}")
    if os.name != "posix":
        raise RuntimeError(f"workers={count} needs a POSIX system; run one process, or several behind a proxy")
    if in_worker:
        raise RuntimeError("a worker cannot have workers: put run_app(...) below `if __name__ == '__main__':`")
    if isinstance(assignment.app, Application) or not (isinstance(assignment.app, str) or callable(assignment.app)):
        raise TypeError(
            "each worker makes an application of its own: give run_app the function that makes it, or its name as"
            f" 'module:function'; got {assignment.app!r}"
        )
    if assignment.ssl_context is not None and not callable(assignment.ssl_context):
        raise TypeError("an SSLContext cannot be handed to workers: give run_app the function that makes it")


class Supervisor:
    """Keeps `count` workers serving at `sockets`. Times are in seconds."""

    def __init__(
        self,
        message: bytes,
        sockets: list[socket.socket],
        count: int,
        *,
        shutdown_timeout: float,
        watchdog: float | None,
        on_ready: Callable[[], object],
    ) -> None:
        self._message = message
        self._sockets = sockets
        self._count = count
        self._leaving_timeout = shutdown_timeout + RETIRE_MARGIN
        self._watchdog = watchdog
        self._on_ready: Callable[[], object] | None = on_ready
        self._workers: list[WorkerProcess] = []
        self._generation = 0
        self._failures = 0  # in a row, of any kind: they lengthen the delay
        self._boot_failures = 0  # in a row, of workers that never served: they make us give up
        self._last_failure = 0.0
        self._start_at = 0.0
        self._last_turn = 0.0
        self._status: int | None = None  # what run() returns, once it is on its way there

    def run(self) -> int:
        """Until a signal ends it; the exit status."""
        with selectors.DefaultSelector() as selector, self._catching_signals(selector):
            try:
                self._last_turn = time.monotonic()
                self._balance(self._last_turn, selector)
                while self._status is None or self._workers:
                    events = selector.select(self._patience(time.monotonic()))
                    self._turn(time.monotonic(), [key.data for key, _ in events], selector)
            finally:
                for worker in self._workers:
                    worker.kill()
                    worker.wait()
                    worker.close()
        return self._status

    def _turn(self, now: float, speakers: list[WorkerProcess | None], selector: selectors.BaseSelector) -> None:
        for worker in speakers:
            if worker is not None:
                self._listen_to(worker, now, selector)
        if now - self._last_turn > STALL:
            for worker in self._workers:
                worker.last_beat = now
        self._last_turn = now
        if None in speakers:
            for number in self._signals.recv(CHUNK):
                self._obey(number, now)
        self._bury(now, selector)
        self._watch(now)
        self._balance(now, selector)

    def _patience(self, now: float) -> float:
        """Seconds until something is due."""
        due = [worker.kill_at for worker in self._workers if worker.kill_at is not None]
        if self._start_at > now:
            due.append(self._start_at)
        return max(0.0, min([LONGEST_WAIT, *(when - now for when in due)]))

    # News.

    def _listen_to(self, worker: WorkerProcess, now: float, selector: selectors.BaseSelector) -> None:
        told = worker.read(now)
        if told == HUNG_UP:
            selector.unregister(worker)  # it is about to end, and has no more to say
        elif READY in told and worker.state == worker.STARTING:
            self._ready(worker, now)

    def _ready(self, worker: WorkerProcess, now: float) -> None:
        worker.state, worker.since = worker.SERVING, now
        self._boot_failures = 0
        logger.info("worker %d serves", worker.pid)
        if self._on_ready is not None and len(self._serving()) == self._count:
            self._on_ready()
            self._on_ready = None

    def _obey(self, number: int, now: float) -> None:
        if number == RELOAD:
            if self._status is None:
                logger.info("SIGHUP: replacing the workers one by one")
                self._generation += 1
                self._failures = self._boot_failures = 0
                self._start_at = 0.0
        elif number in STOP and self._status is None:
            self._stop_all(0, now, self._leaving_timeout)
        elif number in STOP:
            self._stop_all(1, now, HURRY)

    def _stop_all(self, status: int, now: float, within: float) -> None:
        first = self._status is None
        self._status = status
        for sock in self._sockets:
            sock.close()  # else the system would go on to take connections that nobody will ever accept
        for worker in self._workers:
            if first and worker.state == worker.LEAVING:
                continue  # a signal would cut short what it has to finish
            worker.stop(signal.SIGTERM, now, within)

    def _bury(self, now: float, selector: selectors.BaseSelector) -> None:
        """Part from the workers that have ended, and from those that have had their time."""
        for worker in list(self._workers):
            how = worker.poll()
            if how is not None:
                self._workers.remove(worker)
                if worker in (key.data for key in selector.get_map().values()):
                    selector.unregister(worker)
                worker.close()
                self._ended(worker, how, now)
            elif worker.kill_at is not None and now >= worker.kill_at:
                logger.error("worker %d did not end in time: killed", worker.pid)
                worker.kill()

    def _ended(self, worker: WorkerProcess, how: str, now: float) -> None:
        if worker.state == worker.LEAVING:
            logger.info("worker %d ended (%s)", worker.pid, how)
            return
        served = worker.state == worker.SERVING
        if served and now - worker.since >= STABLE:
            self._failures = 0
        if worker.spawned >= self._last_failure:  # several that were started together fail together
            self._failures += 1
            self._boot_failures += 0 if served else 1
            self._last_failure = now
        delay = 0.0 if served and self._failures == 1 else self._delay()
        self._start_at = now + delay
        what = "while it served" if served else "before it could serve"
        logger.error("worker %d ended %s: %s; the next one starts in %.1f s", worker.pid, what, how, delay)
        if self._boot_failures >= MAX_BOOT_FAILURES:
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        """This generation cannot start: go on with the one before, or with what serves of it, or end."""
        before = [worker for worker in self._workers if worker.state == worker.SERVING]
        if not before:
            logger.critical("no worker could start in %d attempts: giving up", self._boot_failures)
            self._stop_all(BOOT_FAILED, now, self._leaving_timeout)
        elif any(worker.generation < self._generation for worker in before):
            logger.error("the new workers cannot start: the old ones go on")
            for worker in before:
                worker.generation = self._generation
            self._boot_failures = 0

    def _watch(self, now: float) -> None:
        """Replace workers whose event loop does not turn, and tell before of those where that is beginning."""
        if self._watchdog is None:
            return
        for worker in self._serving():
            silence = now - worker.last_beat
            if silence > self._watchdog:
                logger.error("worker %d has been blocked for %.0f s: replaced", worker.pid, silence)
                worker.stop(signal.SIGABRT, now, DUMP_TIME)
            elif silence <= show_after(self._watchdog):
                worker.is_late = False
            elif not worker.is_late:
                worker.is_late = True
                logger.warning("worker %d is blocked since %.1f s: it shows its stacks", worker.pid, silence)

    # What should be.

    def _serving(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if worker.state == worker.SERVING]

    def _balance(self, now: float, selector: selectors.BaseSelector) -> None:
        """Retire what is too much, start what is missing."""
        if self._status is not None:
            return
        for worker in self._workers:
            if worker.generation < self._generation and worker.state == worker.STARTING:
                worker.stop(signal.SIGTERM, now, HURRY)
        serving = self._serving()
        old = [worker for worker in serving if worker.generation < self._generation]
        for worker in old[: max(0, len(serving) - self._count)]:
            worker.retire(now, self._leaving_timeout)
        if now < self._start_at:
            return
        current = [
            worker
            for worker in self._workers
            if worker.generation == self._generation and worker.state != worker.LEAVING
        ]
        missing = self._count - len(current)
        if old or self._boot_failures:  # one at a time: a rolling restart, or an attempt
            missing = min(missing, 1 - sum(worker.state == worker.STARTING for worker in current))
        for _ in range(missing):
            if now >= self._start_at:
                self._start(now, selector)

    def _delay(self) -> float:
        """Seconds to wait after the failures so far."""
        return min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 1, MAX_DOUBLINGS))

    def _start(self, now: float, selector: selectors.BaseSelector) -> None:
        try:
            worker = WorkerProcess(self._message, self._sockets, generation=self._generation, now=now)
        except OSError as exc:  # no more processes, files or memory: of that those who serve know nothing
            self._failures += 1
            self._start_at = now + self._delay()
            logger.error("no worker can be started: %s; the next attempt is in %.1f s", exc, self._start_at - now)
            return
        self._workers.append(worker)
        selector.register(worker, selectors.EVENT_READ, worker)
        logger.info("worker %d starts", worker.pid)

    # Signals.

    @contextmanager
    def _catching_signals(self, selector: selectors.BaseSelector) -> Iterator[None]:
        """Have the numbers of signals come by a socket, as everything else that the selector waits for."""

        def ignore(number: int, frame: "FrameType | None") -> None:
            """Python writes the number to the socket before it calls this."""

        self._signals, theirs = socket.socketpair()
        with self._signals, theirs:
            self._signals.setblocking(False)
            theirs.setblocking(False)
            before = {number: signal.signal(number, ignore) for number in (*STOP, signal.SIGHUP, signal.SIGCHLD)}
            wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            selector.register(self._signals, selectors.EVENT_READ, None)
            try:
                yield
            finally:
                signal.set_wakeup_fd(wakeup)
                for number, handler in before.items():
                    signal.signal(number, handler)
