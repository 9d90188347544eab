"""The server: makes connections for an asyncio listener, turns their exchanges into requests, answers what handlers
return or raise, and knows all that is open, so that it can be drained. It is callable as a protocol factory.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from levante.http.accept import AcceptedConnection
from levante.http.errors import ExchangeTimeout, PeerDisconnected, RemoteProtocolError
from levante.http.exchange import Exchange
from levante.http.limits import Limits, ServerTimeouts
from levante.http.versions import SERVER_SOFTWARE

from .abc import AbstractAccessLogger, AbstractAsyncAccessLogger
from .access_log import ACCESS_LOG_FORMAT, AccessLogger, access_logger
from .error_pages import plain_error, server_error
from .http_exception import HTTPException
from .request import BaseRequest
from .response import Response, exception_response
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import RawHandler, WebSocketResponse

server_logger = logging.getLogger("levante.server")

KEEPALIVE_TIMEOUT = 3630.0
"""Seconds that a runner keeps an idle connection: longer than the hour after which common proxies give up theirs, so
that a proxy never reuses a connection that is just being closed. `run_app`, which may face clients directly, uses 75.
"""

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

GOING_AWAY = 1001
INTERNAL_ERROR = 1011

CLIENT_GONE = 499
"""The status in the access log of a request whose client went away before there was a response; nginx's number for
it.
"""

AccessLog = AbstractAccessLogger | AbstractAsyncAccessLogger
AccessLoggerClass = type[AbstractAccessLogger] | type[AbstractAsyncAccessLogger]


class Server:
    """A protocol factory that serves `handler`, an `async def handler(request) -> StreamResponse`.

    Without an application the handler gets a `BaseRequest`, and answers `request.pre_handler_error` itself. Times are
    in seconds, sizes in bytes. `handler_cancellation` cancels a handler whose client has gone away. Unknown arguments
    raise TypeError.
    """

    def __init__(
        self,
        handler: "RawHandler",
        *,
        request_factory: Callable[[Exchange], BaseRequest] = BaseRequest,
        handler_cancellation: bool = False,
        keepalive_timeout: float = KEEPALIVE_TIMEOUT,
        head_timeout: float | None = ServerTimeouts().head,
        body_timeout: float | None = ServerTimeouts().body_idle,
        write_timeout: float | None = ServerTimeouts().write,
        lingering_time: float | None = ServerTimeouts().lingering,
        tcp_keepalive: bool = True,
        logger: logging.Logger = server_logger,
        access_log: logging.Logger | None = access_logger,
        access_log_class: AccessLoggerClass = AccessLogger,
        access_log_format: str = ACCESS_LOG_FORMAT,
        max_line_size: int = Limits().max_line_size,
        max_field_size: int = Limits().max_field_size,
        max_headers: int = Limits().max_headers,
        max_head_size: int = Limits().max_head_size,
        read_bufsize: int = Limits().read_bufsize,
        server_header: str = SERVER_SOFTWARE,
    ) -> None:
        self._handler = handler
        self._request_factory = request_factory
        self._limits = Limits(
            max_line_size=max_line_size,
            max_field_size=max_field_size,
            max_headers=max_headers,
            max_head_size=max_head_size,
            read_bufsize=read_bufsize,
        )
        self._timeouts = ServerTimeouts(
            head=head_timeout,
            body_idle=body_timeout,
            write=write_timeout,
            keepalive=keepalive_timeout,
            lingering=lingering_time,
        )
        self._tcp_keepalive = tcp_keepalive
        self._handler_cancellation = handler_cancellation
        self._server_header = server_header
        self._logger = logger
        self._access = _access_logger(access_log, access_log_class, access_log_format)
        self._connections: set[AcceptedConnection] = set()
        self._orphans: set[asyncio.Task[object]] = set()
        self._websockets: dict[Exchange, WebSocketResponse] = {}
        self._empty: asyncio.Future[None] | None = None
        self._draining = False
        self.requests_count = 0

    # The connections.

    def __call__(self) -> AcceptedConnection:
        """A protocol for a connection that is being accepted."""
        return AcceptedConnection(
            self.serve,
            owner=self,
            limits=self._limits,
            timeouts=self._timeouts,
            tcp_keepalive=self._tcp_keepalive,
            cancel_on_disconnect=self._handler_cancellation,
            server_header=self._server_header,
            logger=self._logger,
        )

    @property
    def connections(self) -> list[AcceptedConnection]:
        """The open connections, those that speak WebSocket by now included."""
        return list(self._connections)

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._draining

    def connection_made(self, connection: AcceptedConnection) -> None:
        """For the connections to call."""
        self._connections.add(connection)
        if self._draining:
            connection.close_when_idle()

    def connection_lost(self, connection: AcceptedConnection, _: BaseException | None) -> None:
        """For the connections to call. A handler that is still running is remembered, so that shutdown can wait for
        it.
        """
        self._connections.discard(connection)
        current = connection.current
        if current is not None and current.task is not None and not current.task.done():
            self._orphans.add(current.task)
            current.task.add_done_callback(self._orphan_done)
        self._check_empty()

    def request_started(self, _: AcceptedConnection) -> None:
        """For the connections to call."""
        self.requests_count += 1

    def _orphan_done(self, task: "asyncio.Task[object]") -> None:
        self._orphans.discard(task)
        self._check_empty()

    def _check_empty(self) -> None:
        if self._empty is not None and not self._empty.done() and not self._connections and not self._orphans:
            self._empty.set_result(None)

    # The shutdown.

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
        grace = CANCEL_GRACE if timeout is None else min(CANCEL_GRACE, timeout * CANCEL_SHARE)
        if timeout is not None and await self._end_by_itself(timeout - grace):
            return
        running = [connection.current.task for connection in self._connections if connection.current is not None]
        for task in {*running, *self._orphans}:
            if task is not None:
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

    async def _wait_empty(self, timeout: float) -> bool:
        if not self._connections and not self._orphans:
            return True
        self._empty = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait((self._empty,), timeout=timeout)
        self._empty = None
        return bool(done)

    def websocket_opened(self, exchange: Exchange, websocket: "WebSocketResponse") -> None:
        """A request has become a WebSocket."""
        self._websockets[exchange] = websocket

    # A request.

    async def serve(self, exchange: Exchange) -> None:
        """The service of the connections: one request and its response."""
        request = self._request_factory(exchange)
        request.server = self
        access = self._access
        logs = access is not None and access.enabled
        start = asyncio.get_running_loop().time() if logs else 0.0
        response: StreamResponse | None = None
        try:
            try:
                response = await self._handler(request)
                if type(response) is not Response or not response.send_at_once(request):
                    await _checked(response).send(request)
            except asyncio.CancelledError as exc:
                if _is_cancelled():
                    raise
                response = await self._answer_failure(request, response, exc)
            except Exception as exc:  # noqa: BLE001  # the boundary: whatever a handler raises becomes an answer
                response = await self._answer_failure(request, response, exc)
            if logs and access is not None:
                await self._log(access, request, response, start)
        finally:
            if request.files:
                await request.close_files()
            websocket = self._websockets.pop(exchange, None) if self._websockets else None
            if websocket is not None and not websocket.closed:
                await websocket.close()

    async def _answer_failure(
        self, request: BaseRequest, response: StreamResponse | None, exc: BaseException
    ) -> StreamResponse:
        """Answer what the handler raised, or the sending of its `response`; what was, or should have been, sent."""
        if isinstance(exc, HTTPException):
            answer: StreamResponse = exception_response(exc)
        elif isinstance(exc, PeerDisconnected) and (request.transport is None or request.exchange in self._websockets):
            self._logger.debug("the client went away during %r", request)
            return plain_error(request, CLIENT_GONE) if response is None else response
        else:
            answer = self._answer_to(request, exc)
        await self._send_instead(request, answer)
        return answer

    def _answer_to(self, request: BaseRequest, exc: BaseException) -> StreamResponse:
        if isinstance(exc, ExchangeTimeout):
            return plain_error(request, 408)
        if isinstance(exc, TimeoutError):
            self._logger.debug("timeout in the handler of %r", request, exc_info=exc)
            return plain_error(request, 504)
        if isinstance(exc, RemoteProtocolError):
            return plain_error(request, exc.status, detail=exc.message)
        self._logger.error("error handling %r", request, exc_info=exc)
        return server_error(request, exc)

    async def _send_instead(self, request: BaseRequest, answer: StreamResponse) -> None:
        """Send `answer`, unless the handler's response has begun: then the client must see that it is not whole."""
        exchange = request.exchange
        websocket = self._websockets.get(exchange)
        if websocket is not None:
            await websocket.close(code=INTERNAL_ERROR)
        elif exchange.head_sent:
            if not exchange.finished:
                exchange.reset()
        else:
            try:
                await answer.send(request)
            except PeerDisconnected:
                self._logger.debug("the client went away before it could be told the error in %r", request)
            except Exception as exc:
                self._logger.error("error sending %r for %r", answer, request, exc_info=exc)
                _send_last_resort(exchange)

    async def _log(self, access: AccessLog, request: BaseRequest, response: StreamResponse, start: float) -> None:
        try:
            if isinstance(access, AbstractAccessLogger):
                access.log(request, response, asyncio.get_running_loop().time() - start)
            else:
                await access.log(request, response, start)
        except Exception as exc:
            self._logger.error("error in the access log", exc_info=exc)


def _is_cancelled() -> bool:
    """Whether somebody has cancelled this very task: not only what its handler was waiting for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _say_goodbye(websocket: "WebSocketResponse") -> None:
    with suppress(TimeoutError):  # the connection has been dropped then
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            await websocket.close(code=GOING_AWAY, message=b"Server shutdown")


def _checked(answer: object) -> StreamResponse:
    """What a handler returned, if that can be sent."""
    if isinstance(answer, StreamResponse):
        return answer
    if answer is None:
        raise TypeError("the handler returned None; is a `return` missing?")
    if isinstance(answer, HTTPException):
        raise TypeError(
            f"the handler returned {type(answer).__name__}, which is an exception: raise it, or return a Response"
        )
    raise TypeError(f"the handler returned {answer!r}; expected a response (web.Response, web.StreamResponse, ...)")


def _send_last_resort(exchange: Exchange) -> None:
    """An error page of which nobody is told: the hooks and signals that failed for the first one would fail again."""
    if exchange.head_sent:
        exchange.reset()
        return
    exchange.keep_alive = False
    exchange.respond(500, None, (("Content-Type", "text/plain; charset=utf-8"),), b"500 Internal Server Error\n")


def _access_logger(logger: logging.Logger | None, kind: AccessLoggerClass, log_format: str) -> AccessLog | None:
    if logger is None:
        return None
    if issubclass(kind, AbstractAccessLogger):
        return kind(logger, log_format)
    if issubclass(kind, AbstractAsyncAccessLogger):
        return kind()
    raise TypeError(
        f"access_log_class is a subclass of AbstractAccessLogger or AbstractAsyncAccessLogger; got {kind!r}"
    )
