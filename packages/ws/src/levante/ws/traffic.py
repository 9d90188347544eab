"""Messages into and out of the application, as far as nobody has to wait: the hot half of `WebSocketConnection`.

Nothing here is a coroutine. Where something must be waited for, the caller gets told, or gets what to await; so the
usual message costs one call in each direction.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from levante.http.errors import PeerDisconnected

from .arrival import Arrival
from .codes import WSCloseCode, WSMsgType
from .conversation import END_MESSAGES
from .driver import WebSocketDriver
from .frames import FIN
from .limits import COMPRESS_INLINE
from .listener import WebSocketListener
from .messagetypes import (
    WS_CLOSED_MESSAGE,
    WS_CLOSING_MESSAGE,
    WSMessage,
    WSMessageBinary,
    WSMessageClose,
    WSMessageError,
    WSMessageText,
)
from .protocol import WebSocketProtocol

__all__ = ["Traffic"]

_FIN = FIN
_TEXT = WSMsgType.TEXT.value
_BINARY = WSMsgType.BINARY.value
_TEXT_MESSAGE = WSMessageText
_BINARY_MESSAGE = WSMessageBinary
_INLINE = COMPRESS_INLINE

# What became of a message: nothing, since it has to wait its turn; written; written, and the peer does not keep up.
_WAITS = 0
_WRITTEN = 1
_FULL = 2


class Traffic(WebSocketDriver):
    """A driver with the sending and the receiving of messages."""

    __slots__ = (
        "_closing",
        "_fragment_size",
        "_receive_timeout",
        "_receives_after_close",
        "_receiving",
        "_sends",
        "_told",
    )

    # What is raised to whom sends on a connection that is closing or gone.
    gone_error: type[ConnectionError] = PeerDisconnected

    def __init__(
        self,
        engine: WebSocketProtocol,
        *,
        fragment_size: int,
        receive_timeout: float | None,
        heartbeat: float | None,
        close_timeout: float | None,
        autoping: bool,
        autoclose: bool,
        writer_limit: int,
        listener: WebSocketListener | None,
    ) -> None:
        super().__init__(
            engine,
            heartbeat=heartbeat,
            close_timeout=close_timeout,
            autoping=autoping,
            autoclose=autoclose,
            writer_limit=writer_limit,
            listener=listener,
        )
        self._fragment_size = fragment_size
        self._receive_timeout = receive_timeout
        self._receiving = False
        # The application has seen the peer's close frame and, with autoclose off, has not answered it yet.
        self._closing = False
        # The application was handed a message that says that this is the end.
        self._told = False
        self._receives_after_close = 0
        # Long messages on their way, behind which others have to wait; a set is made for the first.
        self._sends: set[asyncio.Task[None]] | None = None

    # Receiving.

    def begin_receiving(self) -> WSMessage | None:
        """What `receive()` returns, None when it has to wait for `arrival`; RuntimeError when another one waits."""
        if self._receiving:
            raise RuntimeError("receive() was called while another receive() waits; only one task may read")
        if self._listener is not None:
            raise RuntimeError("receive() was called on a WebSocket whose messages go to a listener")
        return self._next()

    @property
    def knows_of_the_end(self) -> bool:
        """Whether `receive()`, or iteration, has told the application that the connection ends."""
        return self._told

    def take(self) -> WSMessage | None:
        """The next message for the application, which has waited for it; None when there is none after all."""
        self._receiving = False
        self._inbox.stop_waiting()
        return self._next()

    def _next(self) -> WSMessage | None:
        message = self._inbox.pop()
        if message is None:
            if not self._stalled and (self._ended or self._engine.close_sent):
                return self._after_the_end()
            return None
        kind = type(message)
        return message if kind is _TEXT_MESSAGE or kind is _BINARY_MESSAGE else self._arrived(message)

    def arrival(self, timeout: float | None) -> Arrival:
        """What to await before `take`; `TimeoutError` after `timeout` seconds. `failed` must follow if it raises."""
        loop = asyncio.get_running_loop() if self._loop is None else self._loop
        self._receiving = True
        arrival = self._inbox.arrival(loop, timeout or self._receive_timeout)
        if self._stalled:
            # A long backlog is worked off in turns with everybody else.
            loop.call_soon(self._go_on)
        return arrival

    def failed(self, error: BaseException) -> None:
        """`receive()` timed out or was cancelled, or is thrown away."""
        self._receiving = False
        self._inbox.stop_waiting()
        given_up = isinstance(error, TimeoutError | asyncio.CancelledError)
        if given_up and self._manners.timeout_marks_abnormal and not self._closed:
            self._close_code = WSCloseCode.ABNORMAL_CLOSURE

    def _arrived(self, message: WSMessage) -> WSMessage:
        """The application has come to a message that is more than data."""
        kind = type(message)
        if kind in END_MESSAGES or kind is WSMessageError:
            self._told = True
        if kind is WSMessageClose:
            self._closing = True
            self._settle_code()
            if self._autoclose:
                self._answer()
        elif kind is WSMessageError:
            self._answer()
        return message

    def _after_the_end(self) -> WSMessage:
        if self._closing and not self._closed:
            return WS_CLOSING_MESSAGE
        self._receives_after_close += 1
        limit = self._manners.max_receives_after_close
        if limit is not None and self._receives_after_close >= limit:
            raise RuntimeError(
                f"receive() was called {limit} times on a closed WebSocket; stop at CLOSE, CLOSING or CLOSED"
            )
        return WS_CLOSED_MESSAGE

    # Sending.

    def begin_str(self, data: str, compress: int | None = None) -> Awaitable[None] | None:
        """`send_str` for those who must not pay for a coroutine: None when the message is written and that is all,
        else what is to be awaited."""
        return self._begin_text(data, compress)

    def begin_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> Awaitable[None] | None:
        """`send_bytes`, as `begin_str`."""
        return self._begin(_BINARY, _as_bytes(data), compress)

    def write_str(self, data: str, compress: int | None = None) -> bool:
        """Send a text message without waiting, from a callback; False when the peer does not keep up, so that what is
        written from now on piles up in memory (`on_resume_writing` says when it does not any more)."""
        return self._write_text(data, compress)

    def write_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> bool:
        """Send a binary message without waiting, as `write_str`."""
        return self._write_now(_BINARY, _as_bytes(data), compress)

    def is_sending(self) -> bool:
        """Whether a long message is on its way, behind which others have to wait."""
        return bool(self._sends)

    def offer_frame(self, frame: bytes) -> bool:
        """Write an encoded frame now; False when it would have to wait. Nothing is written to a connection that is
        closing."""
        if self._outbox.paused or self._sends:
            return False
        if not self._engine.close_sent and not self._outbox.is_closing():
            self._outbox.write(frame)
        return True

    def begin(self, opcode: int, message: bytes, compress: int | None) -> Awaitable[None] | None:
        """Send one message of kind `opcode`, TEXT or BINARY; what is returned is as for `begin_str`."""
        return self._begin(opcode, message, compress)

    def _begin_text(self, data: str, compress: int | None) -> Awaitable[None] | None:
        state = self._put_ascii(data)
        if state == _WAITS:
            return self._begin(_TEXT, _as_utf8(data), compress)
        return None if state == _WRITTEN else self._drained()

    def _write_text(self, data: str, compress: int | None) -> bool:
        state = self._put_ascii(data)
        return self._write_now(_TEXT, _as_utf8(data), compress) if state == _WAITS else state == _WRITTEN

    def _begin(self, opcode: int, message: bytes, compress: int | None) -> Awaitable[None] | None:
        state = self._put(opcode, message, compress)
        if state == _WRITTEN:
            return None
        return self._drained() if state == _FULL else self._send_long(opcode, message, compress)

    def _write_now(self, opcode: int, message: bytes, compress: int | None) -> bool:
        state = self._put(opcode, message, compress)
        if state == _WAITS:
            self._start_long(opcode, message, compress)
        return state == _WRITTEN

    def _put_ascii(self, data: object) -> int:
        """Write a text that can leave as it is; any other, which is most of them on a client, has to wait."""
        engine = self._engine
        if type(data) is not str or engine.masking or engine.deflate is not None or engine.close_sent or self._sends:
            return _WAITS
        text = data
        if len(text) > self._fragment_size or not text.isascii():
            return _WAITS
        try:
            self._outbox.write(engine.ascii_frame(text))
        except PeerDisconnected as error:
            raise self._gone() from error
        return _FULL if self._outbox.paused else _WRITTEN

    def _put(self, opcode: int, message: bytes, compress: int | None) -> int:
        """Write the message unless it is long or has to wait for a long one."""
        engine = self._engine
        if engine.close_sent:
            raise self._gone()
        size = len(message)
        compressing = engine.deflate is not None
        if self._sends or size > (_INLINE if compressing else self._fragment_size):
            if self._outbox.is_closing():
                raise self._gone()
            return _WAITS
        try:
            if compressing:
                self._outbox.write(engine.send_data(opcode, message, compress=compress))
            else:
                self._outbox.write(engine.frame(opcode, message, _FIN))
        except PeerDisconnected as error:
            raise self._gone() from error
        return _FULL if self._outbox.paused else _WRITTEN

    def _gone(self) -> ConnectionError:
        kind: type[ConnectionError] = self.gone_error
        return kind("cannot send on a WebSocket that is closing or closed")

    # What takes time, for WebSocketConnection to do.

    def _drained(self) -> Awaitable[None]:
        raise NotImplementedError

    def _send_long(self, opcode: int, message: bytes, compress: int | None) -> Awaitable[None]:
        raise NotImplementedError

    def _start_long(self, opcode: int, message: bytes, compress: int | None) -> Any:
        raise NotImplementedError


def _as_utf8(data: str) -> bytes:
    if not isinstance(data, str):
        raise TypeError(f"got {type(data).__name__} to send as text; expected str")
    if type(data) is not str:
        return str.encode(data, "utf-8")
    text = data
    return text.encode("utf-8")


def _as_bytes(data: bytes | bytearray | memoryview) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, (bytearray, memoryview)):
        raise TypeError(f"got {type(data).__name__} to send as binary; expected bytes, bytearray or memoryview")
    return bytes(data)
