"""`run_app`: an application as a whole program. It owns the event loop: uvloop where it is installed (not with
`LEVANTE_NO_UVLOOP=1`), plain asyncio otherwise. SIGINT and SIGTERM shut down gracefully and the program goes on with
exit status 0; a second signal stops waiting at once, with exit status 1. With `workers` it is the supervisor of that
many processes instead (workers.py).
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, TypeAlias

from .access_log import ACCESS_LOG_FORMAT, AccessLogger, access_logger
from .addresses import Addresses
from .app import Application
from .entry import Factory, as_factory
from .leash import Leash
from .runner import SHUTDOWN_TIMEOUT, AppRunner, GracefulExit, raise_graceful_exit
from .server import AccessLoggerClass
from .sites import BACKLOG, ListenError
from .workers import WATCHDOG_TIMEOUT, Assignment, supervise

if TYPE_CHECKING:
    from .types import PathLike

KEEPALIVE_TIMEOUT = 75.0
"""Seconds that `run_app` keeps an idle connection; nginx's default."""

TASK_GRACE = 5.0
"""Seconds that tasks left over after the cleanup have to end once they are cancelled."""

HURRY = 0.5
"""The same after a second signal."""

RETIRE_PATIENCE = 10.0
"""Seconds that a worker which has a successor lets idle clients send one more request, whose answer says goodbye. As
long as a new connection has for its first one.
"""

Printer = Callable[[str], object]
"""What shows the banner."""

TLS: TypeAlias = SSLContext | Callable[[], SSLContext] | None
"""A context, or the function that makes it: with `workers` only a function can be handed on."""


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
    app: Application | Awaitable[Application] | Factory | str,
    *,
    workers: int = 1,
    debug: bool | None = None,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: "PathLike | Iterable[PathLike] | None" = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    keepalive_timeout: float | None = KEEPALIVE_TIMEOUT,
    ssl_context: TLS = None,
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
    watchdog_timeout: float | None = WATCHDOG_TIMEOUT,
    **kwargs: Any,  # Any: the other arguments of Server, each of its own type
) -> None:
    """Serve `app` until SIGINT, SIGTERM or `GracefulExit`, then shut down gracefully and return.

    `app` is an application, an awaitable of one, a function that makes one (`async def` or not), or its name as
    "module:function". `host`, `path` and `sock` take one or several, and combine; without any of them it is
    0.0.0.0:8080, with TLS 8443. `print=None` prints no banner. Times are in seconds. A failed startup raises what the
    application raised; an address that cannot be listened at ends the program with status 1 and a line that says why.

    `workers` beyond 1 makes that many processes on the same sockets, each with an application of its own: `app` and
    `ssl_context` are functions then, or names, which can be imported. A worker that dies is replaced, one whose event
    loop does not turn for `watchdog_timeout` seconds as well (None: never). SIGHUP replaces all, one by one, by workers
    with the code as it is then, and no request fails. When no worker can start, five attempts are made, and the exit
    status is 3.
    """
    addresses = Addresses(host, port, path, sock, backlog, reuse_address, reuse_port)
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
        if workers != 1:
            if loop is not None or not handle_signals:
                raise ValueError(
                    "workers are processes with loops of their own, led by signals: leave `loop` and"
                    " `handle_signals` out"
                )
            assignment = Assignment(app, ssl_context, options, debug=debug, backlog=backlog, watchdog=watchdog_timeout)
            supervise(assignment, workers, addresses, show=print)
        else:
            loop = new_event_loop() if loop is None else loop
            _prepare(loop, debug, access_log)
            tls = ssl_context if isinstance(ssl_context, SSLContext) or ssl_context is None else ssl_context()
            run_until_exit(loop, _serve(as_factory(app)(), addresses, tls, options, print))
    except ListenError as exc:
        raise SystemExit(exc.strerror) from exc


def run_worker(assignment: Assignment, sockets: Iterable[socket.socket], control: socket.socket) -> None:
    """Serve in a worker process, until a signal or the end of the supervisor, or until there is a successor."""
    loop = new_event_loop()
    options = assignment.options
    _prepare(loop, assignment.debug, options["access_log"])
    addresses = Addresses(None, None, None, sockets, assignment.backlog, None, None)
    tls = assignment.ssl_context
    leash = Leash(control, raise_graceful_exit, watchdog=assignment.watchdog)
    app = as_factory(assignment.app)()
    with control:
        run_until_exit(loop, _serve(app, addresses, None if tls is None else tls(), options, None, leash))


def _prepare(loop: asyncio.AbstractEventLoop, debug: bool | None, access_log: logging.Logger | None) -> None:
    if debug is not None:
        loop.set_debug(debug)
    if loop.get_debug() and access_log is access_logger:
        _show_access_log(access_log)


async def _serve(
    app: Application | Awaitable[Application],
    addresses: Addresses,
    ssl_context: SSLContext | None,
    options: dict[str, Any],  # Any: the arguments of AppRunner, each of its own type
    show: Printer | None,
    leash: Leash | None = None,
) -> None:
    """Serve until cancelled, or retired by the supervisor, then shut down."""
    if leash is not None:
        leash.attach()
    runner = AppRunner(app if isinstance(app, Application) else await app, **options)
    try:
        await runner.setup()
        for site in addresses.sites(runner, ssl_context):
            await site.start()
        if show is not None:
            names = ", ".join(sorted(site.name for site in runner.sites))
            show(f"======== Running on {names} ========\n(Press CTRL+C to quit)")
        if leash is None:
            await asyncio.Event().wait()
        else:
            leash.ready()
            await leash.told_to_retire()
            await runner.retire(RETIRE_PATIENCE)
    finally:
        await runner.cleanup()
        if leash is not None:
            leash.detach()


def _show_access_log(logger: logging.Logger) -> None:
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())


def run_until_exit(
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
