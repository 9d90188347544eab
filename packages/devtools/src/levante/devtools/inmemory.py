"""An application behind a connector, without sockets: for tests that want the whole of it (router, middlewares,
signals, WebSockets, both engines) and no port.

The application starts with the first request, or with `async with`, and is cleaned up when the connector is closed.
What a handler or a middleware raises is raised where the request was made, unless the test wants to see the answer
that a client gets."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Self

from levante.client import BaseMemoryConnector, ConnectionKey
from levante.client.asgi import delivered, raise_at_client
from levante.http import AcceptedConnection, DialedConnection, PeerDisconnected
from levante.web import Application, AppRunner, HTTPException, Request, StreamResponse, middleware

__all__ = ["ApplicationConnector"]

Handler = Callable[[Request], Awaitable[StreamResponse]]


class ApplicationConnector(BaseMemoryConnector):
    """Requests of a session go to `app`, whatever their host:

        async with ClientSession("http://shop.test/", connector=ApplicationConnector(app)) as session:
            async with session.get("items") as response: ...

    `raise_app_exceptions`: what the application raises, HTTPExceptions apart, is raised by the request, or by the
    reading of its body; with False it is the 500 that clients get. Other keywords go to the runner; handlers are
    cancelled when their client goes away, unless `handler_cancellation=False`.
    """

    def __init__(self, app: Application, *, raise_app_exceptions: bool = True, **kwargs: Any) -> None:
        # Any: the keywords of AppRunner, each of its own type
        super().__init__()
        # Any: an accepted connection, which handlers know by its methods only
        self._clients: weakref.WeakKeyDictionary[Any, DialedConnection] = weakref.WeakKeyDictionary()
        if raise_app_exceptions:
            app.middlewares.insert(0, self._tell_errors())
        self._runner = AppRunner(app, **{"handler_cancellation": True, **kwargs})
        self._starting: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start the application, if it has not started."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._runner.setup())
        await asyncio.shield(self._starting)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def accept(self, client: DialedConnection, key: ConnectionKey) -> AcceptedConnection:  # noqa: ARG002 - the seam
        """A connection of the application's server."""
        await self.start()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the application was cleaned up: make another connector for it")
        accepted = server()
        self._clients[accepted] = client
        return accepted

    async def close(self) -> None:
        """Close the connections, then shut the application down. Raises what cleaning up raises."""
        starting, self._starting = self._starting, None
        await super().close()
        if starting is not None:
            await asyncio.wait((starting,))
            await self._runner.cleanup()

    def _tell_errors(self) -> Any:  # Any: what @middleware makes of it
        @middleware
        async def tell_errors(request: Request, handler: Handler) -> StreamResponse:
            try:
                return await handler(request)
            except (HTTPException, PeerDisconnected):
                raise
            except Exception as error:
                client = self._clients.get(request.exchange.connection)
                if client is not None:
                    await delivered(request.exchange)
                    raise_at_client(client, error)
                raise

        return tell_errors
