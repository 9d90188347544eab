"""The asyncio driver of an accepted connection: bytes to exchanges, and what surrounds them.

The common path is short: a head that arrived whole is parsed, an exchange made, a task started (see serving.py), and
the response leaves in one write; nothing is scheduled. Requests of a pipelining peer wait as bytes and are taken up in
a loop, not by recursion. After a message that cannot be trusted, or a body that nobody read, the connection lingers: it
stops sending, swallows a bounded amount for a bounded time, and closes, so that the peer can read the answer before a
reset destroys it.
"""

import asyncio
import logging
from typing import Any, Final, cast

from .clock import now
from .errors import ExchangeTimeout, IncompleteMessage, ProtocolError, RemoteProtocolError
from .exchange import Exchange
from .h1 import POLL_DATA, POLL_END, POLL_HEAD
from .heads import RequestHead
from .limits import MAX_BACK_TO_BACK, MAX_UNPARSED, Limits, ServerTimeouts
from .lingering import DRAINING, IDLE, LINGERING, SERVING, UPGRADED
from .pace import Pace
from .serving import ConnectionOwner, Service, ServingLink
from .streams import EMPTY_PAYLOAD, StreamReader
from .versions import SERVER_SOFTWARE

logger: Final = logging.getLogger("levante.http")

# Constants of other modules, typed when compiled.
_HEAD = POLL_HEAD
_DATA = POLL_DATA
_END = POLL_END
_TURNS_LIMIT = MAX_BACK_TO_BACK
_UNPARSED_LIMIT = MAX_UNPARSED
_EMPTY = EMPTY_PAYLOAD
_IDLE = IDLE
_SERVING = SERVING
_DRAINING = DRAINING
_LINGERING = LINGERING
_UPGRADED = UPGRADED


class AcceptedConnection(ServingLink):
    """An asyncio protocol (by its methods) that serves HTTP/1.1 on one connection.

    `service` is called with each Exchange and must have finished it when its coroutine returns; if it has not, or
    raises, that is logged once and answered with 500, or with a reset if the head has been sent.
    """

    __slots__ = (
        "_body_grace",
        "_body_rate",
        "_body_timeout",
        "_cancel_on_disconnect",
        "_head_begun",
        "_head_timeout",
        "_next",
        "_pace",
        "_tcp_keepalive",
        "_yielded",
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
        super().__init__(
            service, owner, Limits() if limits is None else limits, times, server_header=server_header, logger=logger
        )
        # Seconds, 0 for none.
        self._head_timeout = times.head or 0.0
        self._body_timeout = times.body_idle or 0.0
        self._body_grace = times.body_grace
        self._body_rate = times.min_body_rate or 0.0  # bytes a second
        self._pace: Pace | None = None  # of the body that is coming
        self._tcp_keepalive = tcp_keepalive
        self._cancel_on_disconnect = cancel_on_disconnect
        self._head_begun = True  # the deadline for a head is running; for the first one it does from the beginning
        self._yielded = False  # the event loop has its turn, and will call _resume_advance()
        self._next: Any = None  # the protocol after an upgrade; Any: protocols are known by their methods

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
        self._go_on()

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
                if self._activity == _IDLE and self._h1.buffered() > 0:
                    turns -= 1
                    if turns == 0 or self.is_closing():
                        break
        finally:
            self._busy = False
        if turns == 0 and not self._yielded and self.loop is not None:
            self._yielded = True
            self.loop.call_soon(self._resume_advance)
        waits = self._activity == _SERVING or self._yielded or self.write_paused
        if waits and not self._paused and self._h1.buffered() > _UNPARSED_LIMIT:
            self.pause_reading()

    def _resume_advance(self) -> None:
        self._yielded = False
        self._go_on()

    def _go_on(self) -> None:
        """Take up again what waits as bytes, if nothing else has done so meanwhile."""
        if self._activity == _IDLE and not self._busy and not self._closing:
            self.resume_reading()
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
        exchange = Exchange.__new__(Exchange)
        self.current = exchange
        if head.chunked or head.length > 0:
            body = StreamReader(self, self.limits.read_bufsize, loop=self.loop)
            exchange.begin(self, self._h1, head, body, self._server_line)
            self._begin_body(exchange)
        else:
            exchange.begin(self, self._h1, head, _EMPTY, self._server_line)
            self._h1.poll()  # its end, of which there is nothing to tell
        exchange.cancel_on_disconnect = self._cancel_on_disconnect
        self._serve(exchange)

    def _begin_body(self, exchange: Exchange) -> None:
        """Take what came with the head before the service looks: a small body is then read without waiting."""
        if self._body_rate > 0.0:
            self._pace = Pace(self._body_rate, self._body_grace, self._body_timeout)
        h1 = self._h1
        try:
            while h1.has_body_event():
                event = h1.poll()
                if event == _DATA:
                    self._take_data()
                elif event == _END:
                    self._take_end()
                else:
                    break
        except RemoteProtocolError as error:
            exchange.body.set_exception(error)
        if exchange.continue_due:
            exchange.body.on_first_wait = exchange.send_continue

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
        exchange = Exchange(self, self._h1, RequestHead.build("UNKNOWN", "/"), _EMPTY, self._server_line)
        exchange.error = error
        exchange.keep_alive = False
        self.current = exchange
        self._serve(exchange)

    def _take_data(self) -> None:
        h1 = self._h1
        if self._activity == _SERVING and self.current is not None:
            if self._pace is not None:
                self._pace.take(len(h1.data))
            self.current.body.feed_data(h1.data, h1.chunk_ends or ())
        else:
            self._swallow(len(h1.data))

    def _take_end(self) -> None:
        self._pace = None
        if self._activity == _DRAINING:
            self._next_cycle()
        elif self.current is not None:
            self._read_deadline = 0.0
            self.current.body.feed_eof(self._h1.trailers)

    # The peer's time.

    def _reading_changed(self) -> None:
        """While a handler is ready for more body, the peer must not be silent for too long, nor deliver in drips."""
        exchange = self.current
        if self._activity != _SERVING or exchange is None or self._h1.is_peer_done():
            return
        pace = self._pace
        if self._paused or exchange.continue_due or self._h1.remaining_body() == 0:
            self._read_deadline = 0.0
            if pace is not None:
                pace.stop(now())
            return
        patience = self._body_timeout
        if pace is not None:
            moment = now()
            pace.start(moment)
            left = pace.time_left(moment)
            if left < 0.0:
                self._expired()
                return
            patience = patience or left
        self._read_within(patience)

    def _expired(self) -> None:
        if self._activity == _SERVING:
            exchange = self.current
            if exchange is not None and not exchange.body.is_eof() and exchange.body.exception() is None:
                exchange.keep_alive = False
                exchange.body.set_exception(ExchangeTimeout("body"))
        elif self._activity == _IDLE and self._h1.buffered() > 0:
            self._serve_error(RemoteProtocolError("the head of a request did not come in time", status=408))
        else:
            self._close_transport()
