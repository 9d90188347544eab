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
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from .access_log import ACCESS_LOG_FORMAT, AccessLogger, access_logger
from .app import Application
from .runner import SHUTDOWN_TIMEOUT, AppRunner, BaseRunner, GracefulExit
from .server import AccessLoggerClass
from .sites import BACKLOG, BaseSite, SockSite, TCPSite, UnixSite

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
    `print=None` prints no banner. Times are in seconds. A failed startup raises what the application raised.
    """
    loop = new_event_loop() if loop is None else loop
    if debug is not None:
        loop.set_debug(debug)
    if loop.get_debug() and access_log is access_logger:
        _show_access_log(access_log)

    async def serve() -> None:
        runner = AppRunner(
            app if isinstance(app, Application) else await app,
            handle_signals=handle_signals,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=keepalive_timeout,
            access_log_class=access_log_class,
            access_log_format=access_log_format,
            access_log=access_log,
            handler_cancellation=handler_cancellation,
            **kwargs,
        )
        try:
            await runner.setup()
            sites = _unix_sites(runner, path, ssl_context, backlog) + _sock_sites(runner, sock, ssl_context, backlog)
            hosts = _hosts(host, port, others=bool(sites))
            sites += [
                TCPSite(
                    runner,
                    each,
                    port,
                    ssl_context=ssl_context,
                    backlog=backlog,
                    reuse_address=reuse_address,
                    reuse_port=reuse_port,
                )
                for each in hosts
            ]
            for site in sites:
                await site.start()
            if print is not None:
                names = ", ".join(sorted(site.name for site in runner.sites))
                print(f"======== Running on {names} ========\n(Press CTRL+C to quit)")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    _run(loop, serve())


def _hosts(host: str | Iterable[str] | None, port: int | None, *, others: bool) -> list[str | None]:
    if host is None:
        return [] if others and port is None else [None]
    return [host] if isinstance(host, str) else list(host)


def _unix_sites(
    runner: BaseRunner, path: "PathLike | Iterable[PathLike] | None", ssl_context: SSLContext | None, backlog: int
) -> list[BaseSite]:
    if path is None:
        return []
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [UnixSite(runner, each, ssl_context=ssl_context, backlog=backlog) for each in paths]


def _sock_sites(
    runner: BaseRunner,
    sock: socket.socket | Iterable[socket.socket] | None,
    ssl_context: SSLContext | None,
    backlog: int,
) -> list[BaseSite]:
    if sock is None:
        return []
    socks = [sock] if isinstance(sock, socket.socket) else list(sock)
    return [SockSite(runner, each, ssl_context=ssl_context, backlog=backlog) for each in socks]


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
