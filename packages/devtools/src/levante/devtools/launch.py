"""How the parent makes server processes: by the fork server where there is fork, by a fresh interpreter elsewhere.

Both launchers take the same orders and report the same events, by calling `report(launcher, message)` on the event
loop: `exit` with the child's number and status; from the fork server also `threaded` (a module started a thread) and
`gone` (it ended). The parent keeps the listening socket in either case.
"""

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from .wire import Channel, Message, encode

Report = Callable[["Launcher", Message], None]
# How long a fork server that lost its order socket may take to go, seconds.
FAREWELL = 2.0


class Launcher(ABC):
    """Starts and kills server processes."""

    def __init__(
        self,
        options: Message,
        *,
        listening: socket.socket,
        environment: Mapping[str, str],
        folder: Path,
        report: Report,
    ) -> None:
        self._options = options
        self._listening = listening
        self._environment = dict(environment)
        self._folder = folder
        self._report = report

    @abstractmethod
    async def open(self, modules: Sequence[str]) -> None:
        """Get ready; `modules` are worth loading before the first child."""

    @abstractmethod
    def preload(self, modules: Sequence[str]) -> None:
        """Load more of what children need, for the next ones."""

    @abstractmethod
    def start(self, order: Message, control: socket.socket) -> None:
        """Start a child with `order` ({"child": number, "died": text}) that has this control socket."""

    @abstractmethod
    def kill(self, child: int) -> None:
        """End a child at once."""

    @abstractmethod
    async def close(self) -> None:
        """Give the launcher up. Children that still run are on their own: they go when their control socket closes."""


class ForkLauncher(Launcher):
    """Children are forks of a process that has the libraries loaded (POSIX)."""

    async def open(self, modules: Sequence[str]) -> None:
        """Start the fork server."""
        self._orders, their_orders = socket.socketpair()
        reports, their_reports = socket.socketpair()
        with their_orders, their_reports:
            fds = [their_orders.fileno(), their_reports.fileno()]
            # -P: the project's folder must not shadow a library that is loaded ahead
            command = [sys.executable, "-P", "-m", "levante.devtools.zygote", *map(str, fds)]
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter; returns at once
                command, pass_fds=fds, env=self._environment, cwd=self._folder
            )
        self._reports = await Channel.open(reports)
        self._listener = asyncio.ensure_future(self._listen())
        self._order({"order": "setup", "options": self._options, "modules": list(modules)}, self._listening)

    async def _listen(self) -> None:
        while (message := await self._reports.receive()) is not None:
            self._report(self, message)
        self._report(self, {"event": "gone"})

    def _order(self, message: Message, *attached: socket.socket) -> None:
        line = encode(message)
        try:
            sent = socket.send_fds(self._orders, [line], [one.fileno() for one in attached])
            self._orders.sendall(line[sent:])
        except ConnectionError:  # it has ended; its report socket tells
            pass

    def preload(self, modules: Sequence[str]) -> None:
        """Hand the names on; loading happens between other orders."""
        self._order({"order": "preload", "modules": list(modules)})

    def start(self, order: Message, control: socket.socket) -> None:
        """Order a fork."""
        self._order({**order, "order": "fork"}, control)
        control.close()

    def kill(self, child: int) -> None:
        """Order a kill: only the fork server knows whether the process id is still the child's."""
        self._order({"order": "kill", "child": child})

    async def close(self) -> None:
        """Close the order socket, which ends the fork server."""
        self._listener.cancel()
        await self._reports.close()
        self._orders.close()
        try:
            await asyncio.to_thread(self._process.wait, FAREWELL)
        except subprocess.TimeoutExpired:  # loading something slow
            self._process.kill()
            self._process.wait()


class SpawnLauncher(Launcher):
    """Children are fresh interpreters: slower, and it works everywhere."""

    async def open(self, modules: Sequence[str]) -> None:  # noqa: ARG002 - the other launcher's
        """Nothing can be loaded ahead."""
        self._context = multiprocessing.get_context("spawn")
        self._children: dict[int, BaseProcess] = {}
        self._waiters: set[asyncio.Task[None]] = set()

    def preload(self, modules: Sequence[str]) -> None:
        """Nothing can be loaded ahead."""

    def start(self, order: Message, control: socket.socket) -> None:
        """Start an interpreter."""
        terminal = os.ttyname(0) if os.name == "posix" and os.isatty(0) else ""
        arguments = (self._options, order, self._listening, control, self._environment, str(self._folder), terminal)
        process = self._context.Process(target=spawned, args=arguments, name=f"server {order['child']}")
        process.start()
        control.close()
        self._children[order["child"]] = process
        waiter = asyncio.ensure_future(self._wait(order["child"], process))
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)

    async def _wait(self, child: int, process: BaseProcess) -> None:
        await asyncio.to_thread(process.join)
        del self._children[child]
        self._report(self, {"event": "exit", "child": child, "status": process.exitcode})

    def kill(self, child: int) -> None:
        """Kill the interpreter, if it still runs."""
        process = self._children.get(child)
        if process is not None:
            process.kill()

    async def close(self) -> None:
        """Wait for nothing: there is no process but the children."""
        for process in self._children.values():
            process.kill()
        if self._waiters:
            await asyncio.wait(list(self._waiters))


def spawned(
    options: Message,
    order: Message,
    listening: socket.socket,
    control: socket.socket,
    environment: Mapping[str, str],
    folder: str,
    terminal: str,
) -> None:
    """The first function of a spawned child."""
    os.environ.update(environment)
    os.chdir(folder)
    if terminal:  # multiprocessing has closed stdin; a breakpoint needs it
        sys.stdin = Path(terminal).open(encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    from .worker import Birth, run

    sys.exit(run(Birth(options, order, listening=listening, control=control)))


def launcher_class() -> type[Launcher]:
    """The fork server where there is one; LEVANTE_DEV_LAUNCHER=spawn asks for the other."""
    forks = hasattr(os, "fork") and hasattr(socket, "send_fds")
    return ForkLauncher if forks and os.environ.get("LEVANTE_DEV_LAUNCHER") != "spawn" else SpawnLauncher
