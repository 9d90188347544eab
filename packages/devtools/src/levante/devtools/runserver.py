"""`devtools runserver`: the parent, which keeps the listening socket, watches the files and swaps server processes.

For each edit a new server process is started beside the old one; when it says that it is ready (or that it is broken:
it then serves the error page), the old one is told to go. Both accept on the parent's socket, so no connection is
refused meanwhile, and nothing that the old one still does can hold the new one up. The first signal stops everything
in order, the second one at once.
"""

import asyncio
import importlib.util
import os
import socket
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from .discover import TargetError, child_environment, find_target, third_party_imports
from .launch import Launcher, launcher_class
from .ports import Bound, NoPort, bind
from .terminal import TerminalSettings, how_it_ended, mind_signals, say
from .watch import Change, Kind, Tree, watch
from .wire import Channel, Message

# A replaced server that has not gone by then is killed, seconds: a stuck thread, an endless handler.
RELOAD_LIMIT = 5.0
# The same for a stop asked for by the user: longer than the server's own patience with running requests.
STOP_LIMIT = 35.0
# A start that takes longer gets a line, seconds.
SLOW_START = 5.0
# What the fork server always loads ahead: the server process needs it whatever the project imports.
SERVER_MODULES = ("levante.devtools.worker", "levante.web", "uvloop")
# Changed files that are named in a line.
NAMES_SHOWN = 3
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(slots=True, eq=False)
class Child:
    """A server process, from the order to start it to its exit."""

    number: int
    launcher: Launcher
    because: str
    died: str
    since: float = field(default_factory=time.monotonic)
    channel: Channel | None = None
    problem: str = ""
    conflict: bool = False
    alone: bool = False
    leaving: bool = False

    def tell(self, order: Message) -> None:
        """Send an order to a server process that has said that it is ready."""
        if self.channel is not None:
            self.channel.send(order)


class DevServer:
    """The state of a run: which server process serves, which one is starting, which ones are leaving."""

    def __init__(self, path: Path, bound: Bound, *, livereload: bool, verbose: bool) -> None:
        self._path = path
        self._target = target = find_target(path)
        self._bound = bound
        self._livereload = livereload
        self._verbose = verbose
        self._tree = Tree(target)
        self._terminal = TerminalSettings()
        self._children: dict[int, Child] = {}
        self._launcher: Launcher | None = None  # the newest of these
        self._launchers: set[Launcher] = set()
        self._serving: Child | None = None
        self._starting: Child | None = None
        self._modules: list[str] = []
        self._threaded: set[str] = set()
        self._born = 0
        self._launcher_deaths = 0
        self._announced = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop: asyncio.Event
        self._changed: asyncio.Event
        self._status = 0

    async def run(self) -> int:
        """Serve until a signal; returns the exit status."""
        self._stop, self._changed = asyncio.Event(), asyncio.Event()
        mind_signals(self._on_signal)
        self._modules = [*SERVER_MODULES, *third_party_imports(self._target, _python(self._tree.files()))]
        await self._boot("")
        watching = asyncio.ensure_future(self._watch())
        await asyncio.wait([watching, asyncio.ensure_future(self._stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        await watching  # a failure of the watcher is ours to show
        await self._end()
        return self._status

    async def _boot(self, because: str) -> None:
        old, self._launcher = self._launcher, self._new_launcher()
        self._launchers.add(self._launcher)
        await self._launcher.open([name for name in self._modules if name not in self._threaded])
        await self._start(because)
        if old is not None and not self._has_children(old):
            await self._close(old)

    async def _close(self, launcher: Launcher) -> None:
        if launcher in self._launchers:
            self._launchers.remove(launcher)
            await launcher.close()

    def _new_launcher(self) -> Launcher:
        options = {"target": self._target.to_json(), "livereload": self._livereload, "verbose": self._verbose}
        return launcher_class()(
            options,
            listening=self._bound.listening,
            environment=child_environment(self._target, os.environ),
            folder=self._target.root if self._target.service else Path.cwd(),
            report=self._reported,
        )

    async def _reboot(self, because: str) -> None:
        try:
            self._target = find_target(self._path)
            child_environment(self._target, os.environ)
        except TargetError as error:
            say("broken", f"{error}; the next save tries again", colour="red")
            return
        self._launcher_deaths = 0
        await self._boot(because)

    async def _start(self, because: str, *, died: str = "", alone: bool = False) -> None:
        if self._launcher is None or self._stop.is_set():
            return
        if self._starting is not None:  # a newer edit overtakes it
            self._starting.leaving = True
            self._starting.launcher.kill(self._starting.number)
        self._born += 1
        child = Child(self._born, self._launcher, because, died, alone=alone)
        self._children[child.number] = self._starting = child
        mine, theirs = socket.socketpair()
        self._launcher.start({"child": child.number, "died": died}, theirs)
        child.channel = await Channel.open(mine)
        self._background(self._listen(child, child.channel))
        asyncio.get_running_loop().call_later(SLOW_START, self._note_slow_start, child)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, child: Child, channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            if message["event"] == "ready" and child is self._starting:
                self._swap(child, message)
        await channel.close()

    def _swap(self, child: Child, message: Message) -> None:
        old, self._serving, self._starting = self._serving, child, None
        child.problem = message["problem"]
        child.conflict = message["conflict"] and old is not None and not child.alone
        self._announce(child)
        if old is not None:
            self._retire(old)
        fresh = [name for name in message["modules"] if name not in self._threaded and name not in self._modules]
        self._modules += fresh
        if fresh:
            child.launcher.preload(fresh)

    def _retire(self, child: Child) -> None:
        child.leaving = True
        child.tell({"order": "reload"})
        asyncio.get_running_loop().call_later(RELOAD_LIMIT, self._kill, child)

    def _kill(self, child: Child) -> None:
        if child.number in self._children:
            child.launcher.kill(child.number)
            self._terminal.restore()

    def _announce(self, child: Child) -> None:
        took = time.monotonic() - child.since
        if not self._announced:
            self._announced = True
            say("serving", f"{self._target.name} on {self._url()} (Ctrl-C stops it)")
        elif not child.problem:
            say("reloaded", f"{child.because} ({took:.2f} s)")
        if child.problem and not child.conflict:
            say("broken", f"{child.problem}; the next save tries again", colour="red")

    def _url(self) -> str:
        host, port = self._bound.listening.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - recognised, not bound
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    def _note_slow_start(self, child: Child) -> None:
        if child is self._starting:
            say("starting", f"takes longer than {SLOW_START:g} s", colour="yellow")

    def _reported(self, launcher: Launcher, message: Message) -> None:
        match message["event"]:
            case "exit":
                self._exited(message["child"], message["status"])
            case "threaded":
                self._threaded.add(message["module"])
                self._launcher_deaths -= 1  # this one was expected
            case "gone":
                self._launcher_gone(launcher)

    def _exited(self, number: int, status: int) -> None:
        child = self._children.pop(number, None)
        self._changed.set()
        if child is None or self._stop.is_set():
            return
        if child.launcher is not self._launcher and not self._has_children(child.launcher):
            self._background(self._close(child.launcher))
        if child.leaving:
            self._retry_alone()
            return
        self._terminal.restore()
        self._forget(child)
        ended = how_it_ended(status)
        if child.died:  # even the process that shows how the last one died has died
            self._fail(f"the server process {ended} twice; see the lines above")
            return
        say("broken", f"the server process {ended}; the next save tries again", colour="red")
        self._background(self._start("after its end", died=f"the server process {ended}"))

    def _retry_alone(self) -> None:
        """Start again what could not start beside the server that it replaces: both wanted the same address."""
        serving = self._serving
        if serving is None or not serving.conflict or self._starting is not None:
            return
        if not any(child.leaving for child in self._children.values()):
            self._background(self._start(serving.because, alone=True))

    def _has_children(self, launcher: Launcher) -> bool:
        return any(child.launcher is launcher for child in self._children.values())

    def _forget(self, child: Child) -> None:
        if child is self._serving:
            self._serving = None
        if child is self._starting:
            self._starting = None

    def _launcher_gone(self, launcher: Launcher) -> None:
        for child in [child for child in self._children.values() if child.launcher is launcher]:
            del self._children[child.number]  # nobody is left to report its end
            child.tell({"order": "reload"})
            self._forget(child)
        if self._stop.is_set() or launcher is not self._launcher:
            return
        self._launcher_deaths += 1
        if self._launcher_deaths > 1:
            self._fail("the fork server ended twice without being told to; LEVANTE_DEV_LAUNCHER=spawn works without it")
            return
        self._background(self._boot("after a new start of the fork server"))

    def _fail(self, line: str) -> None:
        say("stopped", line, colour="red")
        self._status = 1
        self._stop.set()

    async def _watch(self) -> None:
        try:
            async for change in watch(self._tree, self._stop):
                await self._apply(change)
        except OSError as error:  # the limit of watches, most often
            self._fail(f"the files cannot be watched: {error}")

    async def _apply(self, change: Change) -> None:
        names = ", ".join(sorted({path.name for path in change.paths})[:NAMES_SHOWN])
        if change.kind is Kind.REBOOT:
            await self._reboot(names)
        elif change.kind is Kind.RESTART:
            drop_stale_bytecode(change.paths)
            await self._start(names)
        elif self._starting is None and self._serving is not None:
            if self._serving.problem:  # perhaps for want of this very file
                await self._start(names)
            elif self._livereload:
                self._serving.tell({"order": "tell", "message": tab_message(change)})
                say("changed", names)

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            for child in list(self._children.values()):
                child.launcher.kill(child.number)
            self._terminal.restore()
            os._exit(128 + number)
        say("stopping", "running requests complete; a second signal ends at once", colour="yellow")
        self._stop.set()

    async def _end(self) -> None:
        for child in list(self._children.values()):
            if child is self._starting or child.channel is None:
                child.launcher.kill(child.number)
            else:
                child.tell({"order": "stop"})
        deadline = time.monotonic() + STOP_LIMIT
        while self._children and (left := deadline - time.monotonic()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                break
        for child in self._children.values():
            child.launcher.kill(child.number)
        for launcher in list(self._launchers):
            await self._close(launcher)
        self._bound.listening.close()
        self._terminal.restore()


def tab_message(change: Change) -> Message:
    """What the open tabs are told of a change that needs no new server."""
    if change.kind is Kind.STYLE:
        return {"type": "style", "names": [path.name for path in change.paths]}
    return {"type": "page"}


def _python(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.suffix == ".py"]


def drop_stale_bytecode(paths: Iterable[Path]) -> None:
    """Delete the compiled forms of changed sources: their time stamps count seconds, and edits are quicker."""
    for path in paths:
        if path.suffix == ".py":
            try:
                Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
            except OSError:  # a read-only tree has no fresh bytecode either
                pass


@click.command("runserver", short_help="Serve an application, and start it anew when a file is saved.")
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, envvar="DEVTOOLS_HOST", help="Address to listen on.")
@click.option(
    "-p", "--port", default=8000, show_default=True, envvar="DEVTOOLS_PORT", type=click.IntRange(0, 65535),
    help="Port to listen on; the next free one when it is taken, any free one for 0.",
)  # fmt: skip
@click.option(
    "--livereload/--no-livereload", default=True, show_default=True, envvar="DEVTOOLS_LIVERELOAD",
    help="Let browsers reload by themselves.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, envvar="DEVTOOLS_VERBOSE", help="Show debug log records.")
@click.pass_context
def runserver_command(ctx: click.Context, path: Path, *, host: str, port: int, livereload: bool, verbose: bool) -> None:
    """Serve the application at PATH and start it anew when a file is saved.

    PATH is the folder of a service, a folder with main.py or app.py, or a Python file.
    """
    try:
        child_environment(find_target(path), os.environ)  # before the port is taken: what is wrong is said at once
        bound = bind(host, port)
    except (TargetError, NoPort) as error:
        raise click.UsageError(str(error)) from error
    if bound.taken_by:
        say("port", f"port {port} is taken by {bound.taken_by}; serving on {bound.port}", colour="yellow")
    if host not in LOOPBACK:
        say("notice", f"whoever can reach {host} sees source code on error pages", colour="yellow")
    server = DevServer(path, bound, livereload=livereload, verbose=verbose)
    ctx.exit(asyncio.run(server.run()))
