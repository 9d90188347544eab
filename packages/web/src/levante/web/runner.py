"""Runners: an application or a server brought up, listening at sites, and brought down again in the order that loses
no request: stop listening, close what is idle, tell the application, wait for what runs, cancel what will not end,
clean up.
"""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, cast

from .app import Application
from .request import BaseRequest, Request
from .request_limit import is_never_shed
from .server import Server
from .sites import BaseSite

if TYPE_CHECKING:
    from .types import RawHandler

SHUTDOWN_TIMEOUT = 60.0
"""Seconds for the whole shutdown of the server: running requests may take all of it but the last part, in which those
that have not ended are cancelled (`open_connections.CANCEL_GRACE`).
"""


class GracefulExit(SystemExit):
    """Ends `run_app` with a graceful shutdown. SIGINT and SIGTERM raise it in the event loop, any code may."""

    code = 1


def raise_graceful_exit() -> None:
    """Raise it, as a callback of the event loop."""
    raise GracefulExit


class BaseRunner(ABC):
    """Brings a `Server` up and down. `kwargs` go to the server: Any, each of its own type; unknown names raise
    TypeError.
    """

    def __init__(
        self, *, handle_signals: bool = False, shutdown_timeout: float = SHUTDOWN_TIMEOUT, **kwargs: Any
    ) -> None:
        self._handle_signals = handle_signals
        self._shutdown_timeout = shutdown_timeout
        self._kwargs = kwargs
        self._server: Server | None = None
        self._sites: list[BaseSite] = []

    @property
    def server(self) -> Server | None:
        """The server, None before `setup` and after `cleanup`."""
        return self._server

    @property
    def addresses(self) -> list[Any]:
        """The addresses being listened at, as `getsockname` gives them (Any: their shape depends on the family)."""
        return [sock.getsockname() for site in self._sites for sock in site.sockets]

    @property
    def sites(self) -> AbstractSet[BaseSite]:
        """The sites that have been started."""
        return set(self._sites)

    async def setup(self) -> None:
        """Start the application; a site may be made after that."""
        loop = asyncio.get_running_loop()
        if self._handle_signals:
            try:
                loop.add_signal_handler(signal.SIGINT, raise_graceful_exit)
                loop.add_signal_handler(signal.SIGTERM, raise_graceful_exit)
            except NotImplementedError:
                pass  # not on Windows: there KeyboardInterrupt ends run_app
        self._server = await self._make_server()

    @abstractmethod
    async def shutdown(self) -> None:
        """What to do while requests are still running."""

    async def retire(self, patience: float) -> None:
        """Stop listening, and let every connection end with one more response, for `patience` seconds at most; then
        `cleanup` has little left to do. For a process that has a successor at the same address.
        """
        for site in list(self._sites):
            await site.stop()
        if self._server is not None:
            await self._server.retire(patience)

    async def cleanup(self) -> None:
        """Stop listening, close WebSockets and let running requests complete, cancel the rest, all within
        `shutdown_timeout` seconds; then clean up. The time that `shutdown` takes counts, but nothing cuts it short.
        """
        try:
            try:
                for site in list(self._sites):
                    await site.stop()
            finally:
                await self._drain()
        finally:
            await self._cleanup_server()
            self._server = None
            if self._handle_signals:
                self._remove_signal_handlers()

    async def _drain(self) -> None:
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._shutdown_timeout
        try:
            await self._server.take_last_requests()
            self._server.pre_shutdown()
            await self.shutdown()
        finally:
            await self._server.shutdown(max(0.0, deadline - loop.time()))
            self._server.sampled.tell_rest()

    def _remove_signal_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)
        except NotImplementedError:
            pass  # see setup

    @abstractmethod
    async def _make_server(self) -> Server: ...

    @abstractmethod
    async def _cleanup_server(self) -> None: ...

    def register_site(self, site: BaseSite) -> None:
        """For the sites to call."""
        if site in self._sites:
            raise RuntimeError(f"site {site.name} is started already")
        self._sites.append(site)

    def unregister_site(self, site: BaseSite) -> None:
        """For the sites to call."""
        if site in self._sites:
            self._sites.remove(site)


class ServerRunner(BaseRunner):
    """A runner of a `Server` that was made by hand."""

    def __init__(
        self, web_server: Server, *, handle_signals: bool = False, shutdown_timeout: float = SHUTDOWN_TIMEOUT
    ) -> None:
        super().__init__(handle_signals=handle_signals, shutdown_timeout=shutdown_timeout)
        self._web_server = web_server

    async def shutdown(self) -> None:
        """Nothing to do."""

    async def _make_server(self) -> Server:
        return self._web_server

    async def _cleanup_server(self) -> None:
        """Nothing to do."""


class AppRunner(BaseRunner):
    """A runner of an application. The application's `handler_args` win over `kwargs`."""

    def __init__(
        self,
        app: Application,
        *,
        handle_signals: bool = False,
        shutdown_timeout: float = SHUTDOWN_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        if not isinstance(app, Application):
            raise TypeError(f"an AppRunner runs a web.Application; got {app!r}")
        super().__init__(handle_signals=handle_signals, shutdown_timeout=shutdown_timeout, **kwargs)
        self._app = app
        self._started = False
        # Made now, so that a wrong argument is told where it is given.
        self._web_server = Server(
            cast("RawHandler", app.handle),
            **{
                "request_factory": app.make_request,
                "never_shed": self._is_never_shed,
                **kwargs,
                **app.handler_args,
            },
        )

    @property
    def app(self) -> Application:
        """The application."""
        return self._app

    async def _is_never_shed(self, request: BaseRequest) -> bool:
        match_info = await self._app.router.resolve(cast("Request", request))
        return is_never_shed(match_info.handler)

    async def shutdown(self) -> None:
        """Send `on_shutdown`."""
        await self._app.shutdown()

    async def _make_server(self) -> Server:
        self._started = True
        await self._app.startup()
        self._app.freeze()
        return self._web_server

    async def _cleanup_server(self) -> None:
        if self._started:
            self._started = False
            await self._app.cleanup()
