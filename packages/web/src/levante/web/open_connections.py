"""All that is open in a server, and how it comes to its end: gently, letting every client have one more answer that
says goodbye (`retire`), or in order and within a time (`shutdown`). The server proper is built on it.
"""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from levante.http.accept import AcceptedConnection
from levante.http.exchange import Exchange

from .connection_limit import ConnectionLimit
from .sampled_log import SampledLog

if TYPE_CHECKING:
    from .types import EventSourceResponse, WebSocketResponse

CANCEL_GRACE = 5.0
"""Seconds that a cancelled handler has for its `finally` blocks at shutdown, before its connection is dropped."""

CANCEL_SHARE = 0.2
"""The same, as the most that it may take of the time for the whole shutdown: who wants that short wants handlers to
have most of it.
"""

GOODBYE_TIMEOUT = 5.0
"""Seconds that the peer of a WebSocket has at shutdown for its own close frame: a browser answers within one round
trip, and one that is asleep would hold up the end.
"""

LAST_REQUESTS = 0.02
"""Seconds between the end of listening and the closing of idle connections: a request that is under way by then, or
has arrived and was not read yet, is answered, with goodbye. Some round trips within a data centre; other clients have
to expect the end of an idle connection at any time (RFC 9112 section 9.3.1).
"""

GOING_AWAY = 1001


class OpenConnections:
    """The connections of a server, those that are just arriving, handlers whose connection is gone, WebSockets."""

    def __init__(self, limit: ConnectionLimit, logger: logging.Logger) -> None:
        self.requests_count = 0
        self.cancelled_count = 0
        """Requests that were cancelled because they did not end in time when the server shut down."""
        self.limit = limit
        self.sampled = SampledLog(logger)
        self._logger = logger
        self._connections: set[AcceptedConnection] = set()
        self._arriving: dict[AcceptedConnection, asyncio.Task[None]] = {}
        self._orphans: set[asyncio.Task[object]] = set()
        self._websockets: dict[Exchange, WebSocketResponse] = {}
        self._streams: set[EventSourceResponse] = set()
        self._empty: asyncio.Future[None] | None = None
        self._empty_but_websockets = False
        self._draining = False
        self._retiring = False

    @property
    def connections(self) -> list[AcceptedConnection]:
        """The open connections, those that speak WebSocket by now included."""
        return list(self._connections)

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._draining

    # For the connections and the listeners to call.

    def arriving(self, connection: AcceptedConnection, task: "asyncio.Task[None]") -> None:
        """A connection that has entered the limit gets its transport by `task`, which may take a TLS handshake."""
        self._arriving[connection] = task
        task.add_done_callback(lambda task: self._arrived(connection, task))

    def _arrived(self, connection: AcceptedConnection, task: "asyncio.Task[None]") -> None:
        if self._arriving.pop(connection, None) is not None:  # it never became a connection
            self.limit.leave(connection)
            self._check_empty()
        if not task.cancelled() and task.exception() is not None:
            self.sampled.tell("arrival", "accepting a connection failed: %r", task.exception())

    def note_arrival_failure(self, exc: OSError) -> None:
        """A connection was lost before its first request could be: who speaks no TLS at a TLS port, and such."""
        self._logger.debug("a connection ended before it began: %r", exc)

    def connection_made(self, connection: AcceptedConnection) -> None:
        """A connection has its transport."""
        if self._arriving.pop(connection, None) is None:
            self.limit.count += 1  # it came by a listener of somebody else
        self._connections.add(connection)
        if self._draining:
            connection.close_when_idle()

    def connection_lost(self, connection: AcceptedConnection, _: BaseException | None) -> None:
        """A handler that is still running is remembered, so that shutdown can wait for it."""
        self._connections.discard(connection)
        self.limit.leave(connection)
        current = connection.current
        if current is not None and current.task is not None and not current.task.done():
            self._orphans.add(current.task)
            current.task.add_done_callback(self._orphan_done)
        self._check_empty()

    def websocket_opened(self, exchange: Exchange, websocket: "WebSocketResponse") -> None:
        """A request has become a WebSocket."""
        self._websockets[exchange] = websocket
        self._check_empty()

    def stream_opened(self, stream: "EventSourceResponse") -> None:
        """A stream of events is to be ended at shutdown; now, if that has begun: its client finds another server."""
        self._streams.add(stream)
        if self._draining or self._retiring:
            stream.interrupt()

    def stream_ended(self, stream: "EventSourceResponse") -> None:
        """A stream of events has ended."""
        self._streams.discard(stream)

    def end_streams(self) -> None:
        """End the streams of events, which would never do so by themselves."""
        for stream in list(self._streams):
            stream.interrupt()

    def _orphan_done(self, task: "asyncio.Task[object]") -> None:
        self._orphans.discard(task)
        self._check_empty()

    # The end.

    def is_empty(self) -> bool:
        """Whether nothing is open and nothing runs any more; after `retire` WebSockets do not count."""
        if self._arriving:
            return False
        if self._empty_but_websockets:
            return len(self._connections) + len(self._orphans) <= len(self._websockets)
        return not self._connections and not self._orphans

    def _check_empty(self) -> None:
        if self._empty is not None and not self._empty.done() and self.is_empty():
            self._empty.set_result(None)

    async def _wait_empty(self, timeout: float) -> bool:
        if self.is_empty():
            return True
        self._empty = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait((self._empty,), timeout=timeout)
        self._empty = None
        return bool(done)

    async def retire(self, patience: float) -> None:
        """Let every connection end with its next response, which says `Connection: close`; return when only WebSockets
        are left, or after `patience` seconds.

        Listening must have ended before, and `shutdown` follows. In between no client loses a request: closing idle
        connections at once would, for a client that is just sending its next one.
        """
        self._retiring = True
        self.end_streams()
        for connection in self._connections:
            current = connection.current
            if current is not None and not current.head_sent:
                current.keep_alive = False
        self._empty_but_websockets = True
        try:
            await self._wait_empty(patience)
        finally:
            self._empty_but_websockets = False

    async def take_last_requests(self) -> None:
        """Wait for requests that peers sent before they could know of the end. Listening must have ended before."""
        self._retiring = True
        if self._arriving or any(connection.is_idle() for connection in self._connections):
            await asyncio.sleep(LAST_REQUESTS)

    def pre_shutdown(self) -> None:
        """Close idle connections, and have the others close after what they are doing, saying `Connection: close`."""
        self._draining = True
        for connection in list(self._connections):
            connection.close_when_idle()

    async def close_websockets(self) -> None:
        """Close the open WebSockets with 1001 (going away), all at once."""
        closing = [_say_goodbye(websocket) for websocket in list(self._websockets.values())]
        for result in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(result, BaseException):
                self._logger.warning("closing a WebSocket at shutdown failed: %r", result)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close the WebSockets and wait until nothing runs any more, then cancel what does, and drop the connections:
        all of it within `timeout` seconds, whose last part, CANCEL_GRACE at most, is for what is cancelled.

        None does not wait.
        """
        self.pre_shutdown()
        self.end_streams()
        grace = CANCEL_GRACE if timeout is None else min(CANCEL_GRACE, timeout * CANCEL_SHARE)
        if timeout is not None and await self._end_by_itself(timeout - grace):
            return
        running = [connection.current.task for connection in self._connections if connection.current is not None]
        handlers = {task for task in (*running, *self._orphans) if task is not None and not task.done()}
        if handlers:
            self.cancelled_count += len(handlers)
            self._logger.warning("%d requests did not end before the server did: cancelled", len(handlers))
        for task in (*handlers, *self._arriving.values()):
            task.cancel()
        if not await self._wait_empty(grace):
            self._logger.warning(
                "%d connections and %d handlers did not end in time", len(self._connections), len(self._orphans)
            )
        for connection in list(self._connections):
            connection.abort()

    async def _end_by_itself(self, timeout: float) -> bool:
        """Whether everything has ended within `timeout`, after the peers of WebSockets were told to end."""
        closing = asyncio.create_task(self.close_websockets())
        try:
            return await self._wait_empty(timeout)
        finally:
            closing.cancel()
            await asyncio.wait((closing,))


async def _say_goodbye(websocket: "WebSocketResponse") -> None:
    with suppress(TimeoutError):  # the connection has been dropped then
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            await websocket.close(code=GOING_AWAY, message=b"Server shutdown")
