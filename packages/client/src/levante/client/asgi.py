"""An ASGI application behind a connector, without sockets: each request goes through both HTTP engines in memory and
is said to the application in ASGI's words. What the application raises is raised where the request was made, or
becomes a 500 as on a server, by choice. Its lifespan begins with the first request and ends with the connector."""

import asyncio
import contextlib
import copy
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import unquote

from levante.http import AcceptedConnection, DialedConnection, Exchange, PeerDisconnected, split_target

from .asgilifespan import Lifespan
from .memory import BaseMemoryConnector
from .origin import ConnectionKey
from .pool import POOL_LIMIT

# Any: each key of a scope or a message has its own type, which the specification says.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

ASGI = {"version": "3.0", "spec_version": "2.4"}


class ASGIConnector(BaseMemoryConnector):
    """Requests of a session go to the ASGI 3 application `app`, whatever their host.

    `raise_app_exceptions`: what the application raises is raised by the request, or by the reading of its body; with
    False it is a 500, or a body that breaks off. `lifespan`: whether the application is told to start, before the
    first request, and to shut down, in `close()`; RuntimeError says that it could not. `root_path` is told to it.
    HTTP only: the opening of a WebSocket is answered 501; no extensions are offered.
    """

    def __init__(
        self,
        app: ASGIApplication,
        *,
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        root_path: str = "",
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        super().__init__(limit=limit, limit_per_host=limit_per_host)
        if not callable(app):
            raise TypeError(f"an ASGI application is called with scope, receive and send; got {app!r}")
        self._app = app
        self._raises = raise_app_exceptions
        self._root_path = root_path
        self._lifespan = Lifespan(app) if lifespan else None

    async def close(self) -> None:
        """As BaseConnector.close; then the application is told to shut down."""
        await super().close()
        if self._lifespan is not None:
            await self._lifespan.shutdown()

    async def accept(self, client: DialedConnection, key: ConnectionKey) -> AcceptedConnection:  # noqa: ARG002 - the seam
        """The accepting engine, with the application above it, which has started."""
        if self._lifespan is not None:
            await self._lifespan.startup()
        return AcceptedConnection(partial(self._serve, client))

    async def _serve(self, client: DialedConnection, exchange: Exchange) -> None:
        if exchange.error is not None:
            exchange.respond(exchange.error.status, None, [], exchange.error.message.encode())
            return
        if exchange.head.upgrade == "websocket":
            exchange.respond(501, None, [], b"no WebSockets here")
            return
        state = None if self._lifespan is None else copy.copy(self._lifespan.state)
        call = Call(exchange)
        try:
            await self._app(http_scope(exchange, root_path=self._root_path, state=state), call.receive, call.send)
            if not call.complete:
                raise RuntimeError("the ASGI application returned before its response was complete")
        except Exception as error:  # noqa: BLE001 - the boundary: it is raised where the request was made
            await self._failed(client, call, error)

    async def _failed(self, client: DialedConnection, call: "Call", error: Exception) -> None:
        exchange = call.exchange
        if call.complete:
            context = {"message": "an ASGI application failed after its response", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        elif exchange.is_disconnected():
            pass  # nobody waits for an answer, and the failure may well come of that
        elif self._raises:
            await delivered(exchange)
            raise_at_client(client, error)
        elif exchange.head_sent:
            exchange.reset()
        else:
            exchange.respond(500, None, [("Content-Type", "text/plain")], b"Internal Server Error")


async def delivered(exchange: Exchange) -> None:
    """Return when the client has got what was sent, or is gone."""
    transport = exchange.transport
    if transport is not None and exchange.head_sent and not transport.is_closing():
        transport.set_write_buffer_limits(0)
        with contextlib.suppress(OSError):
            await exchange.drain()


def raise_at_client(client: DialedConnection, error: BaseException) -> None:
    """Let whoever waits for the answer of `client`, or for its body, get `error` itself; the connection is gone."""
    running = client.current
    if running is not None:
        running.fail(error)
    client.abort()


def http_scope(exchange: Exchange, *, root_path: str, state: dict[str, Any] | None) -> Scope:
    """The scope of a request (Any: what the application left at startup)."""
    head = exchange.head
    target = split_target(head.method, head.target)
    scope: Scope = {
        "type": "http",
        "asgi": dict(ASGI),
        "http_version": f"{head.version.major}.{head.version.minor}",
        "method": head.method,
        "scheme": "http" if exchange.get_extra_info("sslcontext") is None else "https",
        "path": unquote(target.path),
        "raw_path": target.path.encode("ascii"),
        "query_string": (target.query or "").encode("ascii"),
        "root_path": root_path,
        "headers": [(name.lower(), value) for name, value in head.raw_headers],
        "client": exchange.get_extra_info("peername"),
        "server": exchange.get_extra_info("sockname"),
    }
    if state is not None:
        scope["state"] = state
    return scope


class Call:
    """One call of an application: its `receive` and its `send`. `complete`: all of the response was sent."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.complete = False
        self._start: Message | None = None
        self._body_given = False
        self._over = asyncio.Event()

    async def receive(self) -> Message:
        """The next message to the application: the body piece by piece, then that the client is gone or served."""
        body = self.exchange.body
        if not self._body_given:
            try:
                data = await body.readany()
            except PeerDisconnected:
                return {"type": "http.disconnect"}
            self._body_given = body.at_eof()
            return {"type": "http.request", "body": data, "more_body": not self._body_given}
        gone = asyncio.ensure_future(self.exchange.disconnected())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((gone, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            over.cancel()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the application. RuntimeError for one that is not due, OSError when the client is gone."""
        kind = message["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self.complete:
            await self._send_body(self._start, bytes(message.get("body", b"")), more=message.get("more_body", False))
        else:
            state = "complete" if self.complete else "not begun" if self._start is None else "begun"
            raise RuntimeError(f"got {kind!r} from the ASGI application while its response is {state}")

    async def _send_body(self, start: Message, body: bytes, *, more: bool) -> None:
        exchange = self.exchange
        if not exchange.head_sent:
            headers = [
                (bytes(name).decode("latin-1"), bytes(value).decode("utf-8", "surrogateescape"))
                for name, value in start.get("headers", ())
            ]
            given = next((value for name, value in headers if name.lower() == "content-length"), None)
            length = int(given) if given is not None else None if more else len(body)
            exchange.send_head(start["status"], None, headers, length=length)
        if body:
            await exchange.write(body)
        if more:
            await exchange.drain()
        else:
            await exchange.finish()
            self.complete = True
            self._over.set()
