"""`run_app`: an application as a whole program. It owns the event loop: uvloop where it is installed (not with
`LEVANTE_NO_UVLOOP=1`), plain asyncio otherwise. SIGINT and SIGTERM shut down gracefully and the program goes on with
exit status 0; a second signal stops waiting at once, with exit status 1.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from .access_log import ACCESS_LOG_FORMAT, AccessLogger, access_logger
from .app import Application
from .runner import SHUTDOWN_TIMEOUT, AppRunner, BaseRunner, GracefulExit
from .server import AccessLoggerClass
from .sites import BACKLOG, BaseSite, ListenError, SockSite, TCPSite, UnixSite

if TYPE_CHECKING:
    from .types import PathLike

KEEPALIVE_TIMEOUT = 75.0
"""Seconds that `run_app` keeps an idle connection; nginx's default."""

TASK_GRACE = 5.0
"""Seconds that tasks left over after the cleanup have to end once they are cancelled."""

HURRY = 0.5
"""The same after a second signal."""

Printer = Callable[[str], object]
"""What shows the banner."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop where it is installed and `LEVANTE_NO_UVLOOP` is not 1, else asyncio's."""
    if os.environ.get("LEVANTE_NO_UVLOOP") != "1":
        try:
            import uvloop
        except ImportError:
            pass  # an extra: without it everything works, slower
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def run_app(
    app: Application | Awaitable[Application],
    *,
    debug: bool | None = None,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: "PathLike | Iterable[PathLike] | None" = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    keepalive_timeout: float = KEEPALIVE_TIMEOUT,
    ssl_context: SSLContext | None = None,
    print: Printer | None = print,  # noqa: A002  # aiohttp's name
    backlog: int = BACKLOG,
    access_log_class: AccessLoggerClass = AccessLogger,
    access_log_format: str = ACCESS_LOG_FORMAT,
    access_log: logging.Logger | None = access_logger,
    handle_signals: bool = True,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    handler_cancellation: bool = False,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwargs: Any,  # Any: the other arguments of Server, each of its own type
) -> None:
    """Serve `app` (or what an awaitable gives) until SIGINT, SIGTERM or `GracefulExit`, then shut down gracefully and
    return.

    `host`, `path` and `sock` take one or several, and combine; without any of them it is 0.0.0.0:8080, with TLS 8443.
    `print=None` prints no banner. Times are in seconds. A failed startup raises what the application raised; an
    address that cannot be listened at ends the program with status 1 and a line that says why.
    """
    loop = new_event_loop() if loop is None else loop
    if debug is not None:
        loop.set_debug(debug)
    if loop.get_debug() and access_log is access_logger:
        _show_access_log(access_log)

    addresses = _Addresses(host, port, path, sock, ssl_context, backlog, reuse_address, reuse_port)
    options = {
        "handle_signals": handle_signals,
        "shutdown_timeout": shutdown_timeout,
        "keepalive_timeout": keepalive_timeout,
        "access_log_class": access_log_class,
        "access_log_format": access_log_format,
        "access_log": access_log,
        "handler_cancellation": handler_cancellation,
        **kwargs,
    }
    try:
        _run(loop, _serve(app, addresses, print, options))
    except ListenError as exc:
        raise SystemExit(exc.strerror) from exc


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Where to listen, as `run_app` was told."""

    host: str | Iterable[str] | None
    port: int | None
    path: "PathLike | Iterable[PathLike] | None"
    sock: socket.socket | Iterable[socket.socket] | None
    ssl_context: SSLContext | None
    backlog: int
    reuse_address: bool | None
    reuse_port: bool | None

    def sites(self, runner: BaseRunner) -> list[BaseSite]:
        """The sites, none started yet."""
        paths = [self.path] if isinstance(self.path, str | os.PathLike) else list(self.path or ())
        socks = [self.sock] if isinstance(self.sock, socket.socket) else list(self.sock or ())
        sites: list[BaseSite] = [
            *(UnixSite(runner, path, ssl_context=self.ssl_context, backlog=self.backlog) for path in paths),
            *(SockSite(runner, sock, ssl_context=self.ssl_context, backlog=self.backlog) for sock in socks),
        ]
        sites += [
            TCPSite(
                runner,
                host,
                self.port,
                ssl_context=self.ssl_context,
                backlog=self.backlog,
                reuse_address=self.reuse_address,
                reuse_port=self.reuse_port,
            )
            for host in self.hosts(others=bool(sites))
        ]
        return sites

    def hosts(self, *, others: bool) -> list[str | None]:
        """The hosts to listen at by TCP; None is all interfaces, meant only where no `others` were asked for."""
        if self.host is None:
            return [] if others and self.port is None else [None]
        return [self.host] if isinstance(self.host, str) else list(self.host)


async def _serve(
    app: Application | Awaitable[Application],
    addresses: _Addresses,
    show: Printer | None,
    options: dict[str, Any],  # Any: the arguments of AppRunner, each of its own type
) -> None:
    """Serve until cancelled, then shut down."""
    runner = AppRunner(app if isinstance(app, Application) else await app, **options)
    try:
        await runner.setup()
        for site in addresses.sites(runner):
            await site.start()
        if show is not None:
            names = ", ".join(sorted(site.name for site in runner.sites))
            show(f"======== Running on {names} ========\n(Press CTRL+C to quit)")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _show_access_log(logger: logging.Logger) -> None:
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())


def _run(
    loop: asyncio.AbstractEventLoop, coroutine: Any
) -> None:  # Any: a coroutine; its other type parameters do not matter
    """Run to the end or to a signal, then to the end of the shutdown; then leave nothing behind."""
    main = loop.create_task(coroutine)
    grace = HURRY
    try:
        asyncio.set_event_loop(loop)
        with suppress(GracefulExit, KeyboardInterrupt):
            loop.run_until_complete(main)
        if not main.done():
            main.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(main)
        grace = TASK_GRACE
    finally:
        try:
            _end_tasks(loop, grace)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop, grace: float) -> None:
    """Cancel the tasks that are left, and give them some time to end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    loop.run_until_complete(asyncio.wait(tasks, timeout=grace))
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            context = {
                "message": "unhandled exception while ending the program",
                "exception": task.exception(),
                "task": task,
            }
            loop.call_exception_handler(context)
