"""The asyncio driver of a dialled connection: the mirror image of the accepted one.

One exchange at a time. Bytes that arrive while none is running belong to nobody and close the connection, so that no
response is ever taken for the answer to a later request. An exchange is over when the request has been sent and the
response been received; its owner is told by `on_done` and asks `is_reusable()` whether the connection may go back to
the pool.
"""

import asyncio
from typing import Any, cast

from .clientexchange import ClientExchange, DialingLink
from .clock import now
from .errors import ExchangeTimeout, IncompleteMessage, LocalProtocolError, PeerDisconnected, RemoteProtocolError
from .h1 import POLL_DATA, POLL_END, POLL_HEAD, Role
from .heads import ResponseHead
from .limits import Limits
from .links import EARLY
from .outgoing import PreparedRequest
from .streams import StreamReader

# Constants of other modules, typed when compiled.
_HEAD = POLL_HEAD
_DATA = POLL_DATA
_END = POLL_END


class DialedConnection(DialingLink):
    """An asyncio protocol (by its methods) for one connection that was dialled.

    `read_timeout` is the longest silence, in seconds, while a response is expected; None: no limit. An exchange takes
    it over and may change it. `lenient` forgives servers what h1.Connection says.
    """

    __slots__ = ("_read_timeout", "_upgraded")

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        read_timeout: float | None = None,
        write_timeout: float | None = None,
        lenient: bool = False,
    ) -> None:
        super().__init__(Role.CLIENT, Limits() if limits is None else limits, write_timeout or 0.0, lenient=lenient)
        self.loop = loop
        self._read_timeout = read_timeout
        self._upgraded = False
        self.current = None

    def __repr__(self) -> str:
        state = "closed" if self.is_closed() else "idle" if self.current is None else "busy"
        return f"<DialedConnection {state}>"

    # For the pool and the session.

    def begin(self) -> ClientExchange:
        """Start an exchange; PeerDisconnected if the connection is gone, LocalProtocolError while another one runs."""
        if self.lost or self.transport is None or self.is_closing():
            raise self.disconnected_error()
        if self.current is not None:
            raise LocalProtocolError(
                "an exchange on a connection where another one is running; begin it when that is done"
            )
        exchange = ClientExchange.__new__(ClientExchange)
        exchange.begin(self, self._h1, self._read_timeout)
        self.current = exchange
        return exchange

    def ask(
        self,
        request: PreparedRequest,
        body: bytes = b"",
        read_timeout: float | None = None,
        total_timeout: float | None = None,
    ) -> ClientExchange:
        """Start an exchange and send all of its request in one write. The timeouts (seconds, None: no limit) bound the
        peer's silence and the whole exchange. Raises as `begin` and `ClientExchange.send_head` do.
        """
        exchange = self.begin()
        exchange.read_timeout = read_timeout
        if total_timeout is not None:
            exchange.expires = now() + total_timeout
        exchange.send_prepared(request, body)
        return exchange

    def is_reusable(self) -> bool:
        """Whether another exchange may begin."""
        return self.current is None and not self.is_closed() and not self._upgraded and not self._eof

    def is_closed(self) -> bool:
        """Whether the connection is gone, or going."""
        return self.is_closing()

    def close(self) -> None:
        """Close the connection; a running exchange fails."""
        if self.current is not None:
            self.abort()
        else:
            self._close_transport()

    # asyncio's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opened(transport)

    def data_received(self, data: bytes) -> None:
        exchange = self.current
        if exchange is None or self._closing:
            if not self._upgraded:
                self._close_transport()  # bytes that nobody asked for
            return
        exchange.started = True
        self._h1.receive_data(data if type(data) is bytes else bytes(data))
        self._advance(exchange)

    def eof_received(self) -> bool | None:
        self._eof = True
        exchange = self.current
        if exchange is not None and not self._upgraded:
            self._h1.receive_data(None)
            self._advance(exchange)
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended(exc)
        exchange = self.current
        if exchange is not None:
            if not self._eof and exc is None:
                # A loss without an error is an end of stream for whoever reads until close.
                self._eof = True
                self._h1.receive_data(None)
                self._advance(exchange)
            if self.current is exchange:
                self._fail(exchange, self.disconnected_error())

    # Beneath.

    def watch_reading(self, exchange: ClientExchange) -> None:
        """Start or restart the clock on the peer's silence."""
        if self.current is not exchange:
            self._read_deadline = 0.0
            return
        moment = exchange.expires
        if exchange.read_timeout and not self._paused:
            silent_until = now() + exchange.read_timeout
            moment = silent_until if not moment or silent_until < moment else moment
        self._read_until(moment)

    def settle(self) -> None:
        """Begin anew, or close, if both sides of the current exchange are done."""
        exchange = self.current
        h1 = self._h1
        if exchange is None or not exchange.finished or not h1.is_peer_done():
            return
        self.current = None
        self._read_deadline = 0.0
        if h1.keep_alive and h1.buffered() == 0 and not self._eof:
            h1.start_next_cycle()
            self.resume_reading()
        else:
            self._close_transport()
        exchange.tell_done()

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Give the transport to `protocol`, beginning with the bytes behind the response's head."""
        transport = self.transport
        exchange = self.current
        if transport is None or self.lost or exchange is None:
            raise self.disconnected_error()
        rest = self._h1.trailing_data()
        self.resume_reading()
        self._upgraded = True
        self.current = None
        self._ended(None)  # for us this is the end; the transport lives on
        self.transport = None
        transport.set_protocol(protocol)
        receiver: Any = protocol  # protocols are known by their methods
        receiver.connection_made(transport)
        if rest:
            receiver.data_received(rest)
        exchange.tell_done()
        return transport

    def _advance(self, exchange: ClientExchange) -> None:
        h1 = self._h1
        try:
            while self.current is exchange:
                event = h1.poll()
                if event == _HEAD:
                    self._take_head(exchange, cast("ResponseHead", h1.head))
                elif event == _DATA:
                    exchange.body.feed_data(h1.data, h1.chunk_ends or ())
                elif event == _END:
                    self._take_end(exchange)
                else:
                    break
        except RemoteProtocolError as error:
            if isinstance(error, IncompleteMessage) and not exchange.started:
                self._fail(exchange, PeerDisconnected("the peer closed the connection instead of answering"))
            else:
                self._fail(exchange, error)
            return
        if self.current is exchange:
            self.watch_reading(exchange)

    def _take_head(self, exchange: ClientExchange, head: ResponseHead) -> None:
        if head.status >= 200 and not self._h1.is_switched():
            exchange.body = StreamReader(self, self.limits.read_bufsize, loop=self.loop)
        exchange.take_head(head)

    def _take_end(self, exchange: ClientExchange) -> None:
        self._read_until(exchange.expires)  # the rest of an upload is bounded as well
        trailers = self._h1.trailers
        self.settle()
        exchange.body.feed_eof(trailers)

    def _fail(self, exchange: ClientExchange, error: BaseException) -> None:
        self.current = None
        self.abort()
        exchange.fail(error)
        exchange.tell_done()

    def _reading_changed(self) -> None:
        if self.current is not None:
            self.watch_reading(self.current)

    def _expired(self) -> None:
        exchange = self.current
        if exchange is not None:
            total = exchange.expires and now() + EARLY >= exchange.expires
            self._fail(exchange, ExchangeTimeout("total" if total else "read"))
