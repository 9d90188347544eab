"""An application of ours as an ASGI 3 application: `asgi(app)`, for uvicorn, hypercorn, granian and whatever else
speaks it. Each scope becomes an exchange, and our `Server` serves it as it serves those of its own connections:
middlewares, error pages, limits of requests, WebSockets. Connections, TLS, timeouts and workers are the ASGI server's.
"""

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any, Final, cast

from levante.http import Limits, PeerDisconnected, ProtocolError
from levante.http.exchange import Exchange
from levante.web.app import Application
from levante.web.entry import Factory, as_factory
from levante.web.runner import AppRunner

from .exchange import AsgiExchange, settle_body, unreadable
from .inbound import http_head, websocket_head
from .link import AsgiLink
from .socket import AsgiSocketExchange
from .types import Receive, Scope, Send

if TYPE_CHECKING:
    from levante.web.types import Request

logger = logging.getLogger("levante.web")

SCHEMES: Final = {"ws": "http", "wss": "https"}
"""What the schemes of WebSockets are for the requests that open them."""

SHUTDOWN_TIMEOUT: Final = 20.0
"""Seconds for what still runs when the server says shutdown: it has waited for its connections before."""


class AsgiApplication:
    """What `asgi` returns: to be called by an ASGI server.

    Startup and cleanup are done by the server's lifespan messages. A server that sends none, or an application that
    this one is mounted in and that hands none down, gets them started with the first request, and not cleaned up:
    call `startup` and `cleanup` there.
    """

    def __init__(self, make: Factory, options: dict[str, Any]) -> None:  # Any: as in `asgi`
        self._make = make
        self._options = options
        self._cancels = False
        self._limits = Limits()
        self._runner: AppRunner | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope: http, websocket or lifespan. RuntimeError for any other."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
            return
        if kind not in ("http", "websocket"):
            raise RuntimeError(f"got a scope of type {kind!r}; expected http, websocket or lifespan")
        if self._runner is None:
            logger.warning("a request came before any lifespan: the application starts now, and will not be cleaned up")
            await self.startup()
        await self._serve(scope, receive, send)

    # The life.

    async def startup(self) -> None:
        """Start the application; nothing happens when it has been started."""
        async with self._lock:
            if self._runner is not None:
                return
            made = self._make()
            app = made if isinstance(made, Application) else await made
            self._cancels = bool({**self._options, **app.handler_args}.get("handler_cancellation", False))
            options = {"access_log": None, "shutdown_timeout": SHUTDOWN_TIMEOUT, **self._options}
            runner = AppRunner(app, request_factory=_factory(app), **options)
            try:
                await runner.setup()
            except BaseException:
                await runner.cleanup()
                raise
            self._runner = runner

    async def cleanup(self) -> None:
        """Shut the application down and clean up; nothing happens when it does not run."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.startup()
        except Exception:
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await self.cleanup()
        except Exception:
            await send({"type": "lifespan.shutdown.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    # A request.

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = None if self._runner is None else self._runner.server
        if server is None:
            raise RuntimeError("a request after the cleanup of the application")
        link = AsgiLink(scope, receive, send, limits=self._limits)
        try:
            exchange = await _exchange(link, scope)
        except PeerDisconnected:
            return
        connection: Any = link  # Any: the server knows connections by the methods that links have too
        server.connection_made(connection)
        task = asyncio.create_task(server.serve(cast("Exchange", exchange)), name="levante-request")
        exchange.running = task
        if self._cancels:
            exchange.cancel_on_disconnect = True
        try:
            await _complete(task, exchange)
        finally:
            server.connection_lost(connection, None)
            await link.close()


async def _exchange(link: AsgiLink, scope: Scope) -> AsgiExchange:
    """The exchange of a scope. PeerDisconnected when there is nobody any more."""
    try:
        if scope["type"] == "websocket":
            await link.receive()  # websocket.connect
            return AsgiSocketExchange(link, scope, websocket_head(scope))
        exchange = AsgiExchange(link, scope, http_head(scope))
    except ProtocolError as exc:
        return unreadable(link, scope, exc)
    await settle_body(exchange)
    return exchange


async def _complete(task: "asyncio.Task[None]", exchange: AsgiExchange) -> None:
    """Wait for the service, and see that what it answered leaves. Raises what it raises, for the server to answer."""
    link = exchange.connection
    try:
        await task
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        link.abort()  # the handler was cancelled, as it is when the client goes away
        return
    if not exchange.finished and not link.lost:
        raise RuntimeError(f"the service returned before it had finished: {exchange!r}")
    socket = exchange.socket
    if socket is not None:
        await socket.ended
    elif not link.lost:
        try:
            await link.flush()
        except PeerDisconnected:
            return


def _factory(app: Application) -> Any:  # Any: a request factory, of an exchange that only looks like one of ours
    """Requests that know their scheme, which no transport tells here."""

    def make_request(exchange: Exchange) -> "Request":
        request = app.make_request(exchange)
        scheme = exchange.get_extra_info("asgi_scope").get("scheme", "http")
        request.adopt({"scheme": SCHEMES.get(scheme, scheme)})
        return request

    return make_request


def asgi(app: Application | Factory | str, **options: Any) -> AsgiApplication:
    """An application as an ASGI 3 application, to be served by uvicorn, hypercorn, granian, ...

    `app` is an application, a function that makes one (`async def` or not), which is called at startup in each
    process, or its name as "module:function". `options` are those of `AppRunner` and `Server` (Any: each of its own
    type) that concern requests: `handler_cancellation`, `max_in_flight`, `max_queued`, `queue_timeout`, `access_log`
    (None here: the ASGI server has one), `auto_decompress`, `max_coding_ratio`, `shutdown_timeout`. Those that concern
    connections have no effect. Unknown ones raise TypeError at startup.

    What the ASGI server cannot do is not there: connections are not handed over (`UpgradeResponse`), reason phrases
    are lost, early hints and trailers leave only where the server has messages for them.
    """
    return AsgiApplication(as_factory(app), options)
