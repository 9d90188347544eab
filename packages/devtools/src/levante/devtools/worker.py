"""The server process of `devtools runserver`: load the application, serve it on the parent's socket, go when told to.

Started by fork or by spawn, it says over its control socket when it is ready and which libraries it has loaded. What
keeps the application from loading or starting does not end the process: an application that shows the error takes its
place until the next save. It goes when told to over the control socket, at the socket's end (the parent is gone) and
by SIGTERM.
"""

import asyncio
import errno
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from levante.web import AbstractAccessLogger, Application, AppRunner, BaseRequest, SockSite, StreamResponse
from levante.ws import WSCloseCode

from . import error_page
from .discover import Target, foreign_modules, is_project_file, load_target
from .livereload import PREFIX, DevTools, broken_app
from .logs import configure_logging, show_early_records
from .terminal import echo
from .wire import Channel, Message

# A stop asked for by the user lets requests complete this long, seconds; a second signal ends at once.
STOP_PATIENCE = 30.0
# A replaced server lets its requests complete this long, seconds: they run old code, for somebody who is waiting.
RELOAD_PATIENCE = 3.0
# How long WebSockets and event streams outlive the new server's start, seconds.
GRACE = 0.1
# How long a replaced server listens to the connections that it has, seconds: on a busy machine, a client may need that
# long to send the request for which it has connected.
RELOAD_LINGER = 0.5
# After the requests were waited for, there is nothing left that the runner should wait for, seconds.
RUNNER_TIMEOUT = 1.0

Sized = Callable[[float], str]


class ProcessDied(RuntimeError):
    """The server process ended without being told to; str() says how."""


@dataclass(frozen=True, slots=True)
class Birth:
    """What a server process is born with: the options of the run, the order that made it, and its two sockets.

    `options`: target, livereload, verbose. `order`: child (its number), died (how the last one ended, or '').
    """

    options: Message
    order: Message
    listening: socket.socket
    control: socket.socket


def run(birth: Birth) -> int:
    """Be the server process; returns its exit status."""
    target = Target.from_json(birth.options["target"])
    sys.argv = [str(target.root)]
    sys.dont_write_bytecode = True  # two saves in one second would leave a stale .pyc that looks fresh
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return Worker(birth, target).run(runner)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, as in production."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class Worker:
    """One life of the server: load, serve, let go."""

    def __init__(self, birth: Birth, target: Target) -> None:
        self._birth = birth
        self._target = target
        self._known = set(sys.modules)
        self._devtools = DevTools(
            boot=secrets.token_hex(8), livereload=birth.options["livereload"], is_project=self._is_project
        )

    def _is_project(self, file: str) -> bool:
        return is_project_file(file, self._target)

    def run(self, runner: asyncio.Runner) -> int:
        """Load and serve on the runner's loop; returns the exit status."""
        died = self._birth.order.get("died")
        error: BaseException | None = ProcessDied(died) if died else None
        app: Application | None = None
        verbose = self._birth.options["verbose"]
        show_early_records(logging.DEBUG if verbose else logging.WARNING)
        if error is None:
            try:
                app = self._load(runner)
            except KeyboardInterrupt:
                raise
            except BaseException as failure:  # noqa: BLE001 - sys.exit() in a module is shown like any other error
                error = failure
        configure_logging(verbose=verbose)
        return runner.run(self._serve(app, error))

    def _load(self, runner: asyncio.Runner) -> Application:
        made = load_target(self._target)
        if isinstance(made, Application):
            app = made
        else:
            app = runner.run(_awaited(made))
        reload_templates(app)
        self._devtools.install(app)
        return app

    async def _serve(self, app: Application | None, error: BaseException | None) -> int:
        control = await Channel.open(self._birth.control)
        stopping = self._mind_signals()
        runner: AppRunner | None = None
        if app is not None:
            runner = AppRunner(app, access_log_class=DevAccessLogger, shutdown_timeout=RUNNER_TIMEOUT)
            try:
                await runner.setup()
            except Exception as failure:  # noqa: BLE001 - shown in terminal and browser until the next save
                await runner.cleanup()
                error = failure
        if error is not None or runner is None:
            runner = await self._start_broken(error or RuntimeError("no application was made"))
        await SockSite(runner, self._birth.listening).start()
        control.send(self._ready(error))
        orders = asyncio.ensure_future(self._obey(control, stopping))
        reload = await stopping == "reload"
        await self._let_go(runner, reload=reload)
        orders.cancel()
        await control.close()
        return 0

    async def _start_broken(self, error: BaseException) -> AppRunner:
        heading = f"{self._target.name} does not start"
        echo("".join(traceback.format_exception(error_page.own_frames_removed(error))).rstrip())
        runner = AppRunner(broken_app(self._devtools, error, heading=heading), access_log=None)
        await runner.setup()
        return runner

    def _ready(self, error: BaseException | None) -> Message:
        return {
            "event": "ready",
            "problem": "" if error is None else error_page.in_one_line(error, self._is_project, root=self._target.root),
            "conflict": isinstance(error, OSError) and error.errno == errno.EADDRINUSE,
            "modules": foreign_modules(self._target, self._known),
        }

    def _mind_signals(self) -> "asyncio.Future[str]":
        loop = asyncio.get_running_loop()
        stopping: asyncio.Future[str] = loop.create_future()

        def stop() -> None:
            if not stopping.done():
                stopping.set_result("stop")

        if os.name == "posix":
            loop.add_signal_handler(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the parent too, and the parent tells us
        return stopping

    async def _obey(self, control: Channel, stopping: "asyncio.Future[str]") -> None:
        while (message := await control.receive()) is not None:
            if message["order"] == "tell":
                await self._devtools.tell_tabs(message["message"])
            elif not stopping.done():
                stopping.set_result(message["order"])
        if not stopping.done():  # the parent is gone
            stopping.set_result("stop")

    async def _let_go(self, runner: AppRunner, *, reload: bool) -> None:
        for site in list(runner.sites):
            await site.stop()
        await self._devtools.let_go(
            WSCloseCode.SERVICE_RESTART if reload else WSCloseCode.GOING_AWAY,
            grace=GRACE,
            patience=RELOAD_PATIENCE if reload else STOP_PATIENCE,
            linger=RELOAD_LINGER if reload else 0.0,
        )
        await runner.cleanup()


async def _awaited(made: Any) -> Application:  # Any: whatever the project's factory returned that can be awaited
    app = await made
    if not isinstance(app, Application):
        raise TypeError(f"the application's factory gives {type(app).__name__}, expected a levante.web.Application")
    return app


def reload_templates(app: Application) -> None:
    """Let the jinja2 environments that an application and those below it hold read a template again when it changes."""
    jinja2 = sys.modules.get("jinja2")
    if jinja2 is None:  # then nobody has made an environment
        return
    for value in app.values():
        if isinstance(value, jinja2.Environment):
            value.auto_reload = True
    for resource in app.router.resources():
        below = resource.get_info().get("app")
        if isinstance(below, Application):
            reload_templates(below)


class DevAccessLogger(AbstractAccessLogger):
    """One short coloured line a response, on standard output; devtools' own paths are left out."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write the line; `time` is in seconds."""
        if not request.path.startswith(PREFIX):
            echo(access_line(request.method, request.path_qs, response.status, response.body_length, time))


STATUS_COLOURS = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}


def access_line(method: str, path: str, status: int, size: int, seconds: float) -> str:
    """`GET     200    1.2 kB    3 ms  /items`."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in path)
    code = click.style(str(status), fg=STATUS_COLOURS.get(status // 100, "red"), bold=True)
    return f"  {method:<7} {code} {_size(size):>9} {seconds * 1000:>6.0f} ms  {shown}"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
