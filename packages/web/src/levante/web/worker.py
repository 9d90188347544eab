"""Worker classes for gunicorn (20.1 and later): `gunicorn -k levante.web.GunicornWebWorker module:app`.

The target is an `Application`, or an `async def` function without arguments that makes one, or makes a runner.
gunicorn's settings that mean something here are kept: `graceful_timeout`, `keepalive`, `max_requests`, the access log,
TLS.
"""

import asyncio
import inspect
import os
import signal
import sys
from typing import Any, Final

from gunicorn.arbiter import Arbiter
from gunicorn.config import AccessLogFormat
from gunicorn.sock import ssl_context
from gunicorn.workers.base import Worker

from .access_log import ACCESS_LOG_FORMAT
from .app import Application
from .runner import AppRunner, BaseRunner, raise_graceful_exit
from .running import run_until_exit
from .sites import SockSite

GRACEFUL_SHARE: Final = 0.95
"""Of gunicorn's `graceful_timeout`, what we take: at its end gunicorn kills."""

RETIRE_SHARE: Final = 0.1
"""Of that, what idle clients get for one more request whose answer says goodbye. gunicorn does not say whether a worker
has a successor, so at its own end this is time lost.
"""

TICK: Final = 1.0
"""Seconds between two signs of life to gunicorn."""


class GunicornWebWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """Serves on a plain asyncio event loop."""

    def make_event_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of this worker."""
        return asyncio.new_event_loop()

    def init_signals(self) -> None:
        """gunicorn's, and none of the master for children: asyncio's subprocesses are ours to wait for."""
        super().init_signals()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def run(self) -> None:
        """Serve until told to stop, too many requests have been served, or the master is gone.

        A failed start exits with the status that has gunicorn stop: it would fail again and again.
        """
        self._started = False
        self._runner: BaseRunner | None = None
        try:
            run_until_exit(self.make_event_loop(), self._serve())
        except Exception:
            if self._started:
                raise
            self.log.exception("the application could not be started")
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGINT, self._quit)
        loop.add_signal_handler(signal.SIGQUIT, self._quit)
        ticking = loop.create_task(self._tick(stop))
        retire = self.cfg.graceful_timeout * GRACEFUL_SHARE * RETIRE_SHARE
        try:
            runner = await self._make_runner(self.cfg.graceful_timeout * GRACEFUL_SHARE - retire)
            self._runner = runner
            try:
                await runner.setup()
                tls = ssl_context(self.cfg) if self.cfg.is_ssl else None
                for sock in self.sockets:
                    await SockSite(runner, sock.sock, ssl_context=tls, backlog=self.cfg.backlog).start()
                self._started = True
                await stop.wait()
                self.alive = False
                await runner.retire(retire)
            finally:
                await runner.cleanup()
        finally:
            ticking.cancel()

    async def _make_runner(self, shutdown_timeout: float) -> BaseRunner:
        made = self.wsgi()
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, BaseRunner):
            return made
        if not isinstance(made, Application):
            raise TypeError(
                "gunicorn's target is a web.Application, or an async function that returns one or an AppRunner;"
                f" {self.wsgi!r} gave {made!r}"
            )
        return AppRunner(
            made,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=self.cfg.keepalive,
            **self._access_log(),
        )

    def _access_log(self) -> dict[str, Any]:  # Any: arguments of AppRunner, each of its own type
        cfg = self.cfg
        if not (cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.syslog):
            return {"access_log": None}
        return {"access_log": self.log.access_log, "access_log_format": access_log_format(cfg.access_log_format)}

    async def _tick(self, stop: asyncio.Event) -> None:
        """Tell gunicorn once a second that we live, and look whether we should go on."""
        while True:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("the master has changed, shutting down: %s", self)
                stop.set()
            server = None if self._runner is None else self._runner.server
            if server is not None and server.requests_count >= self.max_requests and not stop.is_set():
                self.log.info("max_requests reached, shutting down: %s", self)
                stop.set()
            await asyncio.sleep(TICK)

    def _quit(self) -> None:
        self.alive = False
        self.cfg.worker_int(self)
        raise_graceful_exit()


class GunicornUVLoopWebWorker(GunicornWebWorker):
    """Serves on uvloop."""

    def make_event_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of this worker."""
        import uvloop

        return uvloop.new_event_loop()


def access_log_format(text: str) -> str:
    """The format of our access log for what gunicorn's setting says: ours for its default.

    ValueError for a format in gunicorn's style, whose fields we do not have.
    """
    if text == AccessLogFormat.default:
        return ACCESS_LOG_FORMAT
    if "%(" in text:
        raise ValueError(
            f"gunicorn's style of access log formats is not supported; got {text!r}, expected atoms as in"
            f" {ACCESS_LOG_FORMAT!r}"
        )
    return text
