"""The asyncio driver of an accepted connection: bytes to exchanges, one task a request, and what surrounds them.

The common path is short: a head that arrived whole is parsed, an exchange made, a task started (eagerly where Python
can), and the response leaves in one write; nothing is scheduled. Requests of a pipelining peer wait as bytes and are
taken up in a loop, not by recursion. After a message that cannot be trusted, or a body that nobody read, the connection
lingers: it stops sending, swallows a bounded amount for a bounded time, and closes, so that the peer can read the
answer before a reset destroys it.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, cast

from .errors import (
    ExchangeTimeout,
    IncompleteMessage,
    PayloadAccessError,
    ProtocolError,
    RemoteProtocolError,
)
from .exchange import Exchange
from .h1 import POLL_DATA, POLL_END, POLL_HEAD, POLL_NEED_DATA
from .heads import RequestHead
from .limits import MAX_BACK_TO_BACK, MAX_DRAINED_BODY, MAX_UNPARSED, Limits, ServerTimeouts
from .lingering import DRAINING, IDLE, LINGERING, SERVING, UPGRADED, LingeringLink
from .streams import EMPTY_PAYLOAD, StreamReader
from .versions import SERVER_SOFTWARE

Service = Callable[[Exchange], Coroutine[Any, Any, None]]

logger: Final = logging.getLogger("levante.http")

# An eager task runs at once, up to where it first waits: a handler that never waits never visits the event loop.
_EAGER: Final = sys.version_info >= (3, 12)

# Constants of other modules, typed when compiled.
_NOTHING = POLL_NEED_DATA
_HEAD = POLL_HEAD
_DATA = POLL_DATA
_END = POLL_END
_TURNS_LIMIT = MAX_BACK_TO_BACK
_DRAINED_LIMIT = MAX_DRAINED_BODY
_UNPARSED_LIMIT = MAX_UNPARSED
_IDLE = IDLE
_SERVING = SERVING
_DRAINING = DRAINING
_LINGERING = LINGERING
_UPGRADED = UPGRADED
_Task: Any = asyncio.Task  # Any: eager_start is not known to every version


class ConnectionOwner(Protocol):
    """Whoever keeps the accepted connections: a server."""

    def connection_made(self, connection: "AcceptedConnection") -> None:
        """A connection has been accepted."""

    def connection_lost(self, connection: "AcceptedConnection", exc: BaseException | None) -> None:
        """A connection is gone, whatever protocol it spoke in the end."""

    def request_started(self, connection: "AcceptedConnection") -> None:
        """A request is about to be given to the service."""


class AcceptedConnection(LingeringLink):
    """An asyncio protocol (by its methods) that serves HTTP/1.1 on one connection.

    `service` is called with each Exchange and must have finished it when its coroutine returns; if it has not, or
    raises, that is logged once and answered with 500, or with a reset if the head has been sent.
    """

    __slots__ = (
        "_body_timeout",
        "_busy",
        "_cancel_on_disconnect",
        "_head_begun",
        "_head_timeout",
        "_keepalive_timeout",
        "_logger",
        "_next",
        "_owner",
        "_retiring",
        "_server_line",
        "_service",
        "_tcp_keepalive",
        "current",
    )

    def __init__(
        self,
        service: Service,
        *,
        owner: ConnectionOwner | None = None,
        limits: Limits | None = None,
        timeouts: ServerTimeouts | None = None,
        tcp_keepalive: bool = True,
        cancel_on_disconnect: bool = False,
        server_header: str = SERVER_SOFTWARE,
        logger: logging.Logger = logger,
    ) -> None:
        times = ServerTimeouts() if timeouts is None else timeouts
        super().__init__(Limits() if limits is None else limits, times.write or 0.0, times.lingering or 0.0)
        # Seconds, 0 for none.
        self._head_timeout = times.head or 0.0
        self._body_timeout = times.body_idle or 0.0
        self._keepalive_timeout = times.keepalive or 0.0
        self._service = service
        self._owner = owner
        self._tcp_keepalive = tcp_keepalive
        self._cancel_on_disconnect = cancel_on_disconnect
        self._server_line = f"Server: {server_header}\r\n" if server_header else ""
        self._logger = logger
        self._busy = False  # _advance() is at work further up the stack
        self._head_begun = True  # the deadline for a head is running; for the first one it does from the beginning
        self._retiring = False  # close_when_idle() has been called
        self._next: Any = None  # the protocol after an upgrade; Any: protocols are known by their methods
        self.current: Exchange | None = None

    def __repr__(self) -> str:
        state = ("idle", "serving", "draining", "lingering", "upgraded")[self._activity]
        return f"<AcceptedConnection {'closed' if self.lost else 'closing' if self.is_closing() else state}>"

    # asyncio's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opened(transport, tcp_keepalive=self._tcp_keepalive)
        self._read_within(self._head_timeout)
        if self._owner is not None:
            self._owner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._activity == _UPGRADED:
            self._next.data_received(data)
        elif self._activity == _LINGERING:
            self._swallow(len(data))
        elif not self._closing:
            self._h1.receive_data(data if type(data) is bytes else bytes(data))
            if not self._busy:
                self._advance()

    def eof_received(self) -> bool | None:
        if self._activity == _UPGRADED:
            return bool(self._next.eof_received())
        self._eof = True
        if self._activity == _LINGERING or self._closing:
            self._close_transport()
            return False
        self._h1.receive_data(None)
        exchange = self.current
        if exchange is not None:
            exchange.note_gone()
            if exchange.cancel_on_disconnect:
                self.abort()
                return False
            exchange.keep_alive = False
        if not self._busy:
            self._advance()
        return not self.is_closing() and not self.is_secure()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._activity == _UPGRADED:
            self._next.connection_lost(exc)
        self._ended(exc)
        exchange = self.current
        if exchange is not None:
            exchange.note_gone()
            if not exchange.body.is_eof():
                exchange.body.set_exception(self.disconnected_error())
            if exchange.cancel_on_disconnect and exchange.task is not None:
                exchange.task.cancel()
        if self._owner is not None:
            self._owner.connection_lost(self, exc)

    def pause_writing(self) -> None:
        if self._activity == _UPGRADED:
            self._next.pause_writing()
        else:
            super().pause_writing()

    def resume_writing(self) -> None:
        if self._activity == _UPGRADED:
            self._next.resume_writing()
            return
        super().resume_writing()
        if self._activity == _IDLE and not self._busy and not self._closing:
            self._advance()

    # For the owner.

    def is_idle(self) -> bool:
        """Whether nothing is being answered and nothing of a further request has come."""
        return self._activity == _IDLE and self._h1.buffered() == 0

    def buffered(self) -> int:
        """How many bytes of further requests have been received and not been looked at."""
        return self._h1.buffered()

    def close_when_idle(self) -> None:
        """Finish what is running with `Connection: close`, then close; an idle connection closes at once."""
        self._retiring = True
        self._linger_briefly()
        exchange = self.current
        if exchange is not None:
            exchange.keep_alive = False
        elif self.is_idle():
            self._close_transport()

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Forward everything to `protocol` from now on, beginning with what came behind the request."""
        transport = self.transport
        if transport is None:
            raise self.disconnected_error()
        self._next = protocol
        self._activity = _UPGRADED
        self._read_deadline = 0.0
        self._write_deadline = 0.0
        rest = self._h1.trailing_data()
        self._next.connection_made(transport)
        if rest:
            self._next.data_received(rest)
        if self.write_paused:
            self._next.pause_writing()
        self.resume_reading()
        if self._eof:
            self._next.eof_received()
        return transport

    # Bytes to exchanges.

    def _advance(self) -> None:
        """Walk over what has been received as far as it goes."""
        self._busy = True
        turns = _TURNS_LIMIT
        try:
            while self._step():
                if self._activity == _IDLE:
                    turns -= 1
                    if turns == 0 and self.loop is not None:
                        self.loop.call_soon(self._resume_advance)
                        break
        finally:
            self._busy = False
        if self._activity == _SERVING and not self._paused and self._h1.buffered() > _UNPARSED_LIMIT:
            self.pause_reading()

    def _resume_advance(self) -> None:
        if not self._busy and not self._closing and self._activity != _UPGRADED:
            self._advance()

    def _step(self) -> bool:
        """Take one event; whether it is worth asking for another."""
        if self._closing or self._activity >= _LINGERING or (self._activity == _IDLE and self.write_paused):
            return False
        try:
            event = self._h1.poll()
        except RemoteProtocolError as error:
            return self._refuse(error)
        if event == _HEAD:
            self._begin(cast("RequestHead", self._h1.head))
            return True
        if event == _DATA:
            self._take_data()
            return True
        if event == _END:
            self._take_end()
            return True
        self._wait_for_peer()
        return False

    def _wait_for_peer(self) -> None:
        """Nothing can be done before more bytes come: choose the deadline for that."""
        if self._activity == _IDLE:
            if self._eof:
                self._close_transport()
            elif self._h1.buffered() > 0 and not self._head_begun:
                self._head_begun = True
                self._read_within(self._head_timeout)
        elif self._activity == _SERVING:
            self._reading_changed()

    def _begin(self, head: RequestHead) -> None:
        self._head_begun = False
        self._read_deadline = 0.0
        self._activity = _SERVING
        if head.has_body:
            body = StreamReader(self, self.limits.read_bufsize, loop=self.loop)
        else:
            body = EMPTY_PAYLOAD
        exchange = Exchange(self, self._h1, head, body, self._server_line)
        exchange.cancel_on_disconnect = self._cancel_on_disconnect
        if self._retiring:
            exchange.keep_alive = False
        self.current = exchange
        # What came with the head belongs in the body before the service looks: a small one is then read without
        # waiting.
        try:
            event = self._h1.poll() if self._h1.has_body_event() else _NOTHING
            while event in (_DATA, _END):
                if event == _DATA:
                    self._take_data()
                else:
                    self._take_end()
                event = self._h1.poll() if self._h1.has_body_event() else _NOTHING
        except RemoteProtocolError as error:
            body.set_exception(error)
        if exchange.continue_due:
            body.on_first_wait = exchange.send_continue
        self._serve(exchange)

    def _refuse(self, error: RemoteProtocolError) -> bool:
        """The peer broke the rules."""
        if self._activity == _IDLE:
            if isinstance(error, IncompleteMessage):
                self._close_transport()  # half a head, then the end: nobody waits for an answer
                return False
            self._serve_error(error)
        elif self._activity == _SERVING:
            if self.current is not None and not self.current.body.is_eof() and self.current.body.exception() is None:
                self.current.body.set_exception(error)
        else:
            self._linger()
        return False

    def _serve_error(self, error: ProtocolError) -> None:
        """Let the service answer what is no request."""
        self._read_deadline = 0.0
        self._activity = _SERVING
        exchange = Exchange(self, self._h1, RequestHead.build("UNKNOWN", "/"), EMPTY_PAYLOAD, self._server_line)
        exchange.error = error
        exchange.keep_alive = False
        self.current = exchange
        self._serve(exchange)

    def _take_data(self) -> None:
        h1 = self._h1
        if self._activity == _SERVING and self.current is not None:
            self.current.body.feed_data(h1.data, h1.chunk_ends or ())
        else:
            self._swallow(len(h1.data))

    def _take_end(self) -> None:
        if self._activity == _DRAINING:
            self._next_cycle()
        elif self.current is not None and self.current.head.has_body:
            self._read_deadline = 0.0
            self.current.body.feed_eof(self._h1.trailers)

    # Exchanges to tasks.

    def _serve(self, exchange: Exchange) -> None:
        if self._owner is not None:
            self._owner.request_started(self)
        coroutine = self._service(exchange)
        if _EAGER:
            task = _Task(coroutine, loop=self.loop, name="levante-request", eager_start=True)
        else:
            task = _Task(coroutine, loop=self.loop, name="levante-request")
        if task.done():
            self._served(task)
        else:
            exchange.running = task
            task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        """The service is done with the current exchange."""
        exchange = self.current
        if exchange is None:
            return
        self.current = None
        if task.cancelled() and task.cancelling():
            if not exchange.finished or exchange.head_pending():
                exchange.reset()
        else:
            error = _outcome(task)
            if error is not None or not exchange.finished:
                exchange.answer_failure(error, self._logger)
        exchange.running = None  # the two would keep each other alive
        if self._activity == _UPGRADED or self.lost:
            return
        if not exchange.body.is_eof() and exchange.body.exception() is None:
            exchange.body.set_exception(
                PayloadAccessError("the body of a request that has been answered; read it before")
            )
        self._activity = _IDLE
        if self._closing:
            return
        self._settle(exchange)
        if not self._busy:
            self._advance()

    def _settle(self, exchange: Exchange) -> None:
        """Decide what becomes of the connection after `exchange`."""
        h1 = self._h1
        if h1.is_our_turn_over() and h1.keep_alive and exchange.keep_alive:
            if h1.is_peer_done():
                self._next_cycle()
            elif h1.remaining_body() <= _DRAINED_LIMIT and not self._eof:
                self._drain_body()
            else:
                self._linger()
        elif h1.is_peer_done() and h1.buffered() == 0:
            self._close_transport()
        else:
            self._linger()

    def _next_cycle(self) -> None:
        self._activity = _IDLE
        self._h1.start_next_cycle()
        if self._retiring and self._h1.buffered() == 0:
            self._close_transport()
            return
        if self._paused:
            self.resume_reading()
        self._read_within(self._keepalive_timeout)

    def _reading_changed(self) -> None:
        """While a handler is ready for more body, the peer must not be silent for too long."""
        if self._activity != _SERVING or self._h1.is_peer_done():
            return
        waits_for_us = self._paused or (self.current is not None and self.current.continue_due)
        if waits_for_us or self._h1.remaining_body() == 0:
            self._read_deadline = 0.0
        else:
            self._read_within(self._body_timeout)

    def _expired(self) -> None:
        if self._activity == _SERVING:
            exchange = self.current
            if exchange is not None and not exchange.body.is_eof():
                exchange.keep_alive = False
                exchange.body.set_exception(ExchangeTimeout("body"))
        elif self._activity == _IDLE and self._h1.buffered() > 0:
            self._serve_error(RemoteProtocolError("the head of a request did not come in time", status=408))
        else:
            self._close_transport()


def _outcome(task: "asyncio.Task[None]") -> BaseException | None:
    """What `task` raised: also a CancelledError that nobody asked for, as of another task that it waited for."""
    try:
        return task.exception()
    except asyncio.CancelledError as error:
        return error
