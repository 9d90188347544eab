"""The client's side of one request and its response; the mirror image of `exchange`.

The head waits in memory until the first byte of the body, so that a small request leaves in one write.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from .clock import now
from .errors import LocalProtocolError, PeerDisconnected
from .exchange import Buffer
from .h1 import Connection
from .heads import ResponseHead
from .limits import MAX_JOINED_BODY
from .links import Link
from .outgoing import UNKNOWN_LENGTH, PreparedRequest, prepare_request
from .streams import EMPTY_PAYLOAD, StreamReader
from .versions import HttpVersion, HttpVersion11
from .writers import Headers

# Constants of other modules, typed when compiled.
_UNKNOWN_LENGTH = UNKNOWN_LENGTH
_JOINED_LIMIT = MAX_JOINED_BODY

_CONTINUE: Final = 100


class ClientExchange:
    """One request and its response, from the client's side.

    Send with `send_head`, `write`, `finish` (or all at once with `request` or `send_prepared`), then await `response()`
    and read `body`. `informational` are the interim responses so far; `started` says whether anything of an answer has
    come, without which an idempotent request may be sent again.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_continue",
        "_h1",
        "_head_bytes",
        "_response",
        "body",
        "connection",
        "error",
        "expires",
        "finished",
        "head",
        "informational",
        "read_timeout",
        "started",
    )

    def __init__(self, connection: "DialingLink", h1: Connection, read_timeout: float | None) -> None:
        self.begin(connection, h1, read_timeout)

    def begin(self, connection: "DialingLink", h1: Connection, read_timeout: float | None) -> None:
        """Set everything. The driver makes exchanges past __init__, which costs a call through Python."""
        self.connection = connection
        self.head: ResponseHead | None = None
        self.body: StreamReader = EMPTY_PAYLOAD
        self.informational: tuple[ResponseHead, ...] = ()
        self.read_timeout = read_timeout
        self.expires = 0.0  # see expire_in()
        self.started = False
        self.finished = False  # the request has been sent
        self.error: BaseException | None = None
        self._h1 = h1
        self._head_bytes = b""
        self._response: asyncio.Future[None] | None = None
        self._continue: asyncio.Future[bool] | None = None
        self._callbacks: list[Callable[[ClientExchange], None]] | None = None

    def __repr__(self) -> str:
        return f"<ClientExchange {'done' if self.done() else 'sent' if self.finished else 'open'} {self.head!r}>"

    # The request.

    def send_head(
        self,
        method: str,
        target: str,
        headers: Headers,
        *,
        length: int | None,
        expect_continue: bool = False,
        version: HttpVersion = HttpVersion11,
    ) -> None:
        """Begin the request with its head; it is written together with the first piece of the body.

        `headers` must have a Host. `length` is that of the body, 0 for none, None for unknown (chunked). With
        `expect_continue`, which adds the Expect field, the head leaves at once; await `wait_continue()` before the
        body. `version` may be HttpVersion10: see Outgoing.send_request. IllegalCharacter and LocalProtocolError are
        raised before anything is written.
        """
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if expect_continue:
            pairs.append(("Expect", "100-continue"))
        self._check_connected()
        size = _UNKNOWN_LENGTH if length is None else length
        self._head_bytes = self._h1.send_request(method, target, pairs, size, version)
        if expect_continue:
            self._send(b"")

    def request(
        self, method: str, target: str, headers: Headers, body: bytes = b"", version: HttpVersion = HttpVersion11
    ) -> None:
        """Send a whole request in one write. Raises as `send_head` does."""
        self._check_connected()
        self.send_prepared(prepare_request(method, target, headers, version), body)

    def send_prepared(self, request: PreparedRequest, body: bytes = b"") -> None:
        """Send a whole request in one write. Raises as `send_head` does."""
        self._check_connected()
        head = self._h1.send_prepared(request, len(body))
        data = self._h1.send_data(body if type(body) is bytes else bytes(body))
        tail = self._h1.end(None)
        if len(data) > _JOINED_LIMIT:
            self._send(head)
            self._send(data + tail)
        else:
            self._send(head + data + tail if data or tail else head)
        self._finished()

    async def write(self, data: Buffer) -> None:
        """Write a piece of the body; waits while more is unsent than the high-water mark allows.

        PeerDisconnected when the connection is gone, LocalProtocolError beyond Content-Length. After an early final
        response writing goes on to work; whoever does not want to stops, and the connection is then not reused.
        """
        self._send(self._h1.send_data(data if type(data) is bytes else bytes(data)))
        if self.connection.write_paused:
            await self.connection.wait_writable()
        elif self.connection.has_failed():
            await self.connection.wait_closed()
            raise self.connection.disconnected_error()

    async def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """End the request; `trailers` need a chunked body. LocalProtocolError for a body shorter than its length."""
        self._check_connected()
        self._send(self._h1.end(trailers))
        self._finished()

    async def wait_continue(self) -> bool:
        """Wait for 100 (Continue): True when it came, False when a final response came instead."""
        if any(head.status == _CONTINUE for head in self.informational):
            return True
        if self.head is not None:
            return False
        if self.error is not None:
            raise self.error
        self._continue = asyncio.get_running_loop().create_future()
        self.connection.watch_reading(self)
        return await self._continue

    # The response.

    async def response(self) -> ResponseHead:
        """The head of the final response (101 counts as one).

        PeerDisconnected if the connection is lost before a byte of it, IncompleteMessage if inside it,
        RemoteProtocolError if it is malformed, ExchangeTimeout when nothing comes for `read_timeout`, or not all before
        the time of `expire_in`.
        """
        waiter = self.answer()
        if waiter is not None:
            await waiter
        return self.final_head()

    def answer(self) -> asyncio.Future[None] | None:
        """What to wait for, None when that is over, before `final_head()` tells what `response()` returns or raises:
        the same without a coroutine.
        """
        if self.head is not None or self.error is not None:
            return None
        if self._response is not None and not self._response.done():
            raise RuntimeError("response() while another coroutine waits for it; only one may")
        self._response = (self.connection.loop or asyncio.get_running_loop()).create_future()
        self.connection.watch_reading(self)
        return self._response

    def final_head(self) -> ResponseHead:
        """The head that has come; the error that came instead."""
        if self.head is None:
            raise self.error or PeerDisconnected("the connection is gone")
        return self.head

    def expire_in(self, seconds: float | None) -> None:
        """Fail with ExchangeTimeout if the response is not complete in `seconds`, whether or not anybody reads it. None
        takes back what was said before.
        """
        self.expires = 0.0 if seconds is None else now() + seconds
        self.connection.watch_reading(self)

    def done(self) -> bool:
        """Whether the request has been sent and the response been received, or the exchange failed."""
        return self.error is not None or (self.finished and self.head is not None and self._h1_done())

    def on_done(self, callback: "Callable[[ClientExchange], None]") -> None:
        """Call `callback` with this exchange once it is done, at once if it is; then ask the connection whether it is
        reusable.
        """
        if self.connection.current is not self:
            callback(self)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def reset(self) -> None:
        """Drop the connection."""
        self.connection.abort()

    def upgrade(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Hand the connection over to `protocol` after 101 or a 2xx to CONNECT, with every byte that came behind the
        head.
        """
        if not self._h1.is_switched():
            raise LocalProtocolError("upgrade() without a response that switches protocols")
        return self.connection.hand_over(protocol)

    # For the connection.

    def take_head(self, head: ResponseHead) -> None:
        """A head came: interim ones are kept, the final one wakes whoever waits."""
        if head.status < 200 and head.status != 101:
            self.informational += (head,)
            if head.status == _CONTINUE:
                self._continued(True)
            return
        self.head = head
        self._continued(False)
        if self._response is not None and not self._response.done():
            self._response.set_result(None)

    def fail(self, error: BaseException) -> None:
        """The exchange cannot go on: everybody who waits gets `error`."""
        if self.error is None:
            self.error = error
        if self.body is not EMPTY_PAYLOAD and not self.body.is_eof() and self.body.exception() is None:
            self.body.set_exception(error)
        for waiter in (self._response, self._continue):
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)

    def tell_done(self) -> None:
        """Call back whoever asked for it."""
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback(self)

    # Beneath.

    def _h1_done(self) -> bool:
        return self._h1.is_peer_done() or self._h1.is_switched() or self.connection.current is not self

    def _continued(self, came: bool) -> None:
        if self._continue is not None and not self._continue.done():
            self._continue.set_result(came)

    def _finished(self) -> None:
        self.finished = True
        self.connection.settle()

    def _check_connected(self) -> None:
        if self.connection.lost or self.connection.transport is None:
            raise self.error or self.connection.disconnected_error()
        if self.finished:
            raise LocalProtocolError(f"{self!r} has been sent; the connection may be carrying another request by now")

    def _send(self, data: bytes) -> None:
        head = self._head_bytes
        if head:
            self._head_bytes = b""
            data = head + data if data else head
        self._check_connected()
        transport = self.connection.transport
        if data and transport is not None:
            transport.write(data)


class DialingLink(Link):
    """What an exchange needs of its connection, beyond a link; `current` is the exchange that runs on it."""

    __slots__ = ("current",)

    current: ClientExchange | None

    def watch_reading(self, exchange: ClientExchange) -> None:
        """Start or restart the clock on the peer's silence."""
        raise NotImplementedError("a dialled connection must say how long it waits")

    def settle(self) -> None:
        """Begin anew, or close, if both sides of the current exchange are done."""
        raise NotImplementedError("a dialled connection must say what follows an exchange")
