"""The fork server: a process with third-party code loaded and nothing else, which becomes a server process by
forking.

Loading libraries takes most of a start; here they are loaded once, and each edit costs a fork and the import of the
project's own code. Rules: never import project code, never start a thread or an event loop (a fork copies neither),
remain one `select` loop. A library that starts a thread when imported is reported, and the next fork server leaves it
out. Orders come as lines over a socket, with the sockets for the child attached; its end is the end of this process,
and the children notice by their own sockets. Interrupts are ignored: the terminal sends them to everybody, and the
parent decides.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable

from .wire import Lines, Message, encode
from .worker import Birth, run

# More than any one order carries: the listening socket or a child's control socket.
MAX_FDS = 8
RECEIVE_SIZE = 1 << 16


class ThreadStarted(RuntimeError):
    """A library started a thread when it was imported; str() is its name."""


class Zygote:
    """The select loop. `serve` returns in the parent when the order socket closes, and in each child with its Birth."""

    def __init__(self, orders: socket.socket, reports: socket.socket) -> None:
        self._orders = orders
        self._reports = reports
        self._lines = Lines()
        self._fds: deque[int] = deque()
        self._preload: deque[str] = deque()
        self._children: dict[int, int] = {}  # process id -> number of the child
        self._options: Message = {}
        self._listening: socket.socket | None = None
        self._wakeup, self._wakeup_writer = socket.socketpair()

    def serve(self) -> Birth | None:
        """Obey until the parent is gone (None) or this process is a child (its Birth)."""
        self._mind_signals()
        with selectors.DefaultSelector() as selector:
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            try:
                return self._loop(selector)
            except ThreadStarted as error:
                self._send({"event": "threaded", "module": str(error)})
                return None

    def _loop(self, selector: selectors.BaseSelector) -> Birth | None:
        while True:
            ready = [key.fileobj for key, _ in selector.select(0 if self._preload else None)]
            if self._wakeup in ready:
                self._wakeup.recv(RECEIVE_SIZE)
                self._reap()
            if self._orders in ready:
                orders = self._receive()
                if orders is None:
                    return None
                birth = self._obey(orders)
                if birth is not None:
                    return birth
            if self._preload:  # one at a time: an order to fork does not wait for all of them
                load(self._preload.popleft())

    def _mind_signals(self) -> None:
        self._wakeup.setblocking(False)
        self._wakeup_writer.setblocking(False)
        signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _receive(self) -> list[Message] | None:
        data, fds, _, _ = socket.recv_fds(self._orders, RECEIVE_SIZE, MAX_FDS)
        self._fds.extend(fds)
        return self._lines.feed(data) if data else None

    def _obey(self, orders: Iterable[Message]) -> Birth | None:
        for order in orders:
            match order["order"]:
                case "setup":
                    self._options = order["options"]
                    self._listening = socket.socket(fileno=self._fds.popleft())
                    for name in order["modules"]:
                        load(name)
                case "preload":
                    self._preload.extend(order["modules"])
                case "fork":
                    birth = self._fork(order, socket.socket(fileno=self._fds.popleft()))
                    if birth is not None:
                        return birth
                case "kill":
                    self._kill(order["child"])
        return None

    def _fork(self, order: Message, control: socket.socket) -> Birth | None:
        if self._listening is None:
            control.close()
            raise RuntimeError("got the order 'fork' before 'setup'")
        gc.freeze()  # what is shared with the children stays shared: no collection writes to it
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become_child()
            return Birth(self._options, order, listening=self._listening, control=control)
        control.close()
        self._children[pid] = order["child"]
        return None

    def _become_child(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for mine in (self._orders, self._reports, self._wakeup, self._wakeup_writer):
            mine.close()

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                self._send({"event": "exit", "child": child, "status": os.waitstatus_to_exitcode(status)})

    def _kill(self, number: int) -> None:
        for pid, child in self._children.items():  # only those that were not reaped: their ids are still theirs
            if child == number:
                os.kill(pid, signal.SIGKILL)

    def _send(self, message: Message) -> None:
        try:
            self._reports.sendall(encode(message))
        except ConnectionError:  # the parent is gone; the next receive ends the loop
            pass


def load(name: str) -> None:
    """Import a library. Raises ThreadStarted when that started a thread; a failure is left to the child to show."""
    threads = threading.active_count()
    try:
        importlib.import_module(name)
    except (Exception, SystemExit):  # noqa: BLE001 - the child imports it again, and shows what is wrong with it
        return
    if threading.active_count() > threads:
        raise ThreadStarted(name)


def main(orders: int, reports: int) -> int:
    """Run the fork server on two inherited sockets; in a child, run the server. The exit status."""
    birth = Zygote(socket.socket(fileno=orders), socket.socket(fileno=reports)).serve()
    return 0 if birth is None else run(birth)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
