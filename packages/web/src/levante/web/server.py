"""The server: makes connections for an asyncio listener, turns their exchanges into requests, answers what handlers
return or raise, and refuses what is too much. It is callable as a protocol factory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from levante.http.accept import AcceptedConnection
from levante.http.errors import ContentCodingError, ExchangeTimeout, PeerDisconnected, RemoteProtocolError
from levante.http.exchange import Exchange
from levante.http.limits import MAX_CODING_RATIO, ContentLimits, Limits, ServerTimeouts
from levante.http.proxyprotocol import ProxyHeader
from levante.http.versions import SERVER_SOFTWARE

from .abc import AbstractAccessLogger, AbstractAsyncAccessLogger
from .access_log import ACCESS_LOG_FORMAT, AccessLogger, access_logger
from .connection_limit import ConnectionLimit
from .error_pages import log_cause, log_failure, log_timeout, plain_error, send_last_resort, server_error
from .http_exception import HTTPException
from .open_connections import OpenConnections
from .proxies import RequestsBehindProxies, TrustedProxies, as_trusted_proxies, network_names
from .request import BaseRequest
from .request_head import CONTENT_LIMITS
from .request_limit import MAX_IN_FLIGHT, MAX_QUEUED, QUEUE_TIMEOUT, RequestLimit
from .response import Response, exception_response
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import RawHandler, WebSocketResponse

server_logger = logging.getLogger("levante.server")

KEEPALIVE_TIMEOUT = 3630.0
"""Seconds that a runner keeps an idle connection: longer than the hour after which common proxies give up theirs, so
that a proxy never reuses a connection that is just being closed. `run_app`, which may face clients directly, uses 75.
"""

TLS_HANDSHAKE_TIMEOUT = 10.0
"""Seconds for a TLS handshake; its peer has shown nothing yet but that it can connect. asyncio 60."""

WRITE_LOW_SHARE = 4
"""The share of `write_bufsize` down to which it empties before a writer goes on: 16 of 64 KiB, as in asyncio."""

INTERNAL_ERROR = 1011

CLIENT_GONE = 499
"""The status in the access log of a request whose client went away before there was a response, or whose handler was
cancelled because it did; nginx's number for it.
"""

UNAVAILABLE = 503
"""The status in the access log of a request whose handler was cancelled at shutdown: nothing more could be sent."""

RETRY_AFTER = "1"
"""Seconds that a client is asked to wait when there was no place for its request: as long as others waited for one."""

UNSUPPORTED = 415

AccessLog = AbstractAccessLogger | AbstractAsyncAccessLogger
AccessLoggerClass = type[AbstractAccessLogger] | type[AbstractAsyncAccessLogger]


class Server(OpenConnections):
    """A protocol factory that serves `handler`, an `async def handler(request) -> StreamResponse`.

    Without an application the handler gets a `BaseRequest`, and answers `request.pre_handler_error` itself. Times are
    in seconds, sizes in bytes. `handler_cancellation` cancels a handler whose client has gone away. `auto_decompress`
    undoes the Content-Encoding of request bodies as they are read; one that inflates more than `max_coding_ratio`
    times (None: no limit) is refused with 413. `content_limits` are for what is taken apart when a handler asks for it:
    cookies (431), query (414), forms (413). A writer waits while `write_bufsize` bytes are unsent.

    A peer that sends a body with less than `min_body_rate` bytes a second after `body_grace`, or takes less than
    `min_write_rate` of a response, is too slow (None: it may be); after `max_connection_requests` a connection is
    closed (0: never). `keepalive_timeout` is how long one waits for the next request (None: for ever; 0: it is closed
    after each response).

    `max_connections` (None: 10,000, or 100 less than the files that the process may have) and
    `max_connections_per_ip` (None: no limit) are for the sites to keep. Of requests, `max_in_flight` run at once (None:
    no limit), WebSockets apart; `max_queued` more wait for `queue_timeout` seconds, others get 503 at once; those of
    which `never_shed` says True run in any case.

    `trusted_proxies`, networks or `TrustedProxies`, are believed when they say in headers whose request it is. Peers in
    the networks `proxy_protocol` (with `unix`: peers on Unix sockets) have to begin each connection with a header of
    the PROXY protocol, others cannot; that, too, is for the sites to keep. Unknown arguments raise TypeError.
    """

    def __init__(
        self,
        handler: "RawHandler",
        *,
        request_factory: Callable[[Exchange], BaseRequest] = BaseRequest,
        handler_cancellation: bool = False,
        keepalive_timeout: float | None = KEEPALIVE_TIMEOUT,
        head_timeout: float | None = ServerTimeouts().head,
        body_timeout: float | None = ServerTimeouts().body_idle,
        write_timeout: float | None = ServerTimeouts().write,
        lingering_time: float | None = ServerTimeouts().lingering,
        min_body_rate: float | None = ServerTimeouts().min_body_rate,
        body_grace: float = ServerTimeouts().body_grace,
        min_write_rate: float | None = ServerTimeouts().min_write_rate,
        tcp_keepalive: bool = True,
        tls_handshake_timeout: float = TLS_HANDSHAKE_TIMEOUT,
        logger: logging.Logger = server_logger,
        access_log: logging.Logger | None = access_logger,
        access_log_class: AccessLoggerClass = AccessLogger,
        access_log_format: str = ACCESS_LOG_FORMAT,
        max_line_size: int = Limits().max_line_size,
        max_field_size: int = Limits().max_field_size,
        max_headers: int = Limits().max_headers,
        max_head_size: int = Limits().max_head_size,
        max_trailers: int = Limits().max_trailers,
        max_trailer_size: int = Limits().max_trailer_size,
        max_chunk_extensions: int = Limits().max_chunk_extensions,
        content_limits: ContentLimits = CONTENT_LIMITS,
        read_bufsize: int = Limits().read_bufsize,
        write_bufsize: int = Limits().write_high,
        max_connection_requests: int = Limits().max_requests,
        auto_decompress: bool = True,
        max_coding_ratio: int | None = MAX_CODING_RATIO,
        server_header: str = SERVER_SOFTWARE,
        max_connections: int | None = None,
        max_connections_per_ip: int | None = None,
        max_in_flight: int | None = MAX_IN_FLIGHT,
        max_queued: int = MAX_QUEUED,
        queue_timeout: float = QUEUE_TIMEOUT,
        never_shed: Callable[[BaseRequest], Awaitable[bool]] | None = None,
        trusted_proxies: TrustedProxies | Iterable[str] | None = None,
        proxy_protocol: Iterable[str] | None = None,
    ) -> None:
        super().__init__(ConnectionLimit(max_connections, per_address=max_connections_per_ip), logger)
        self.content_limits = content_limits
        self.tls_handshake_timeout = tls_handshake_timeout
        self.auto_decompress = auto_decompress
        self.max_coding_ratio = max_coding_ratio
        self._handler = handler
        self._request_factory = request_factory
        trusted = as_trusted_proxies(trusted_proxies)
        if trusted is not None:
            self._request_factory = RequestsBehindProxies(request_factory, trusted)
        self.proxy_protocol = network_names(proxy_protocol or ())
        self._limits = Limits(
            max_line_size=max_line_size,
            max_field_size=max_field_size,
            max_headers=max_headers,
            max_head_size=max_head_size,
            max_trailers=max_trailers,
            max_trailer_size=max_trailer_size,
            max_chunk_extensions=max_chunk_extensions,
            read_bufsize=read_bufsize,
            write_high=write_bufsize,
            write_low=write_bufsize // WRITE_LOW_SHARE,
            max_requests=max_connection_requests if keepalive_timeout is None or keepalive_timeout > 0 else 1,
        )
        self._timeouts = ServerTimeouts(
            head=head_timeout,
            body_idle=body_timeout,
            write=write_timeout,
            keepalive=keepalive_timeout,
            lingering=lingering_time,
            min_body_rate=min_body_rate,
            body_grace=body_grace,
            min_write_rate=min_write_rate,
        )
        self._tcp_keepalive = tcp_keepalive
        self._handler_cancellation = handler_cancellation
        self._server_header = server_header
        self.slots = RequestLimit(max_in_flight, max_queued=max_queued, timeout=queue_timeout)
        self._never_shed = never_shed
        self._placeless: set[Exchange] = set()
        self._access = _access_logger(access_log, access_log_class, access_log_format)

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

    def came_through(self, connection: AcceptedConnection, header: ProxyHeader) -> None:
        """A proxy has said by the PROXY protocol whose connection it is."""
        factory = self._request_factory
        if not isinstance(factory, RequestsBehindProxies):
            factory = self._request_factory = RequestsBehindProxies(factory, None)
        factory.headers[connection] = header

    # The places of requests.

    def websocket_opened(self, exchange: Exchange, websocket: "WebSocketResponse") -> None:
        """A request has become a WebSocket."""
        super().websocket_opened(exchange, websocket)
        self.leave_place(exchange)

    def leave_place(self, exchange: Exchange) -> None:
        """No longer count a request among those in flight: it may stay for hours and do next to nothing, as a WebSocket
        does, or a stream of events.
        """
        if exchange not in self._placeless:
            self._placeless.add(exchange)
            self.slots.leave()

    async def _find_place(self, request: BaseRequest) -> bool:
        """Whether a request may run although all places are taken: in one that becomes free, or in none."""
        exchange = request.exchange
        if exchange.error is not None or (self._never_shed is not None and await self._never_shed(request)):
            self._placeless.add(exchange)
            return True
        if not await self.slots.wait():
            return False
        if exchange.transport is None:  # it has left the queue by itself
            self.slots.leave()
            return False
        return True

    async def _shed(self, request: BaseRequest) -> StreamResponse:
        """503, and when to come again."""
        self.sampled.tell("shed", "%d requests are in flight: others are refused with 503", self.slots.running)
        answer = Response(status=503, text="503 Service Unavailable\n", headers={"Retry-After": RETRY_AFTER})
        await self._send_instead(request, answer)
        return answer

    # A request.

    async def serve(self, exchange: Exchange) -> None:
        """The service of the connections: one request and its response."""
        self.requests_count += 1
        if self._retiring:
            exchange.keep_alive = False
        request = self._request_factory(exchange)
        request.server = self
        access = self._access
        logs = access is not None and access.enabled
        start = asyncio.get_running_loop().time() if logs else 0.0
        response: StreamResponse | None = None
        slots = self.slots
        if slots.running < slots.maximum:
            slots.running += 1
        elif not await self._find_place(request):
            response = await self._shed(request)
            if logs and access is not None:
                await self._log(access, request, response, start)
            return
        try:
            try:
                response = await self._handler(request)
                if type(response) is not Response:
                    await _checked(response).deliver(request)
                elif not response.send_at_once(request):
                    await response.deliver(request)
            except asyncio.CancelledError as exc:
                if _is_cancelled():
                    if logs and access is not None:
                        await self._log(access, request, _cancelled(request), start)
                    raise
                response = await self._answer_failure(request, response, exc)
            except Exception as exc:  # noqa: BLE001  # the boundary: whatever a handler raises becomes an answer
                response = await self._answer_failure(request, response, exc)
            if logs and access is not None:
                await self._log(access, request, response, start)
        finally:
            if self._placeless and exchange in self._placeless:
                self._placeless.remove(exchange)
            elif slots.queue:
                slots.leave()
            else:
                slots.running -= 1
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
            log_cause(request, exc)
            answer: StreamResponse = exception_response(exc)
            exc.with_traceback(None)  # of one that is raised again and again it would keep every request
        elif isinstance(exc, PeerDisconnected) and (
            request.transport is None or request.exchange.finished or request.exchange in self._websockets
        ):
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
            log_timeout(request, exc)
            return plain_error(request, 504)
        if isinstance(exc, RemoteProtocolError):
            self._logger.debug("answering %r with %d: %s", request, exc.status, exc.message)
            answer = plain_error(request, exc.status, detail=exc.message)
            if isinstance(exc, ContentCodingError) and exc.status == UNSUPPORTED:
                answer.headers["Accept-Encoding"] = _acceptable_codings()
            return answer
        log_failure(self._logger, request, exc)
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
                await answer.deliver(request)
            except PeerDisconnected:
                self._logger.debug("the client went away before it could be told the error in %r", request)
            except Exception as exc:
                message = "error sending %r for %r (request id %s)"
                self._logger.error(message, answer, request, request.id, exc_info=exc)
                send_last_resort(exchange, request.id)

    async def _log(self, access: AccessLog, request: BaseRequest, response: StreamResponse, start: float) -> None:
        try:
            if isinstance(access, AbstractAccessLogger):
                access.log(request, response, asyncio.get_running_loop().time() - start)
            else:
                await access.log(request, response, start)
        except Exception as exc:
            self._logger.error("error in the access log", exc_info=exc)


def _acceptable_codings() -> str:
    """What a client may send instead of a coding that is unknown here (RFC 9110 section 15.5.16)."""
    # Imported here: only this answer needs it.
    from levante.http.codings import ACCEPT_ENCODING

    return ACCEPT_ENCODING


def _is_cancelled() -> bool:
    """Whether somebody has cancelled this very task: not only what its handler was waiting for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cancelled(request: BaseRequest) -> Response:
    """What the access log tells of a handler that was cancelled; it is not sent."""
    return plain_error(request, CLIENT_GONE if request.is_disconnected() else UNAVAILABLE)


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
