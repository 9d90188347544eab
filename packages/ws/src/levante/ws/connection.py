"""The asyncio WebSocket that applications talk to, for both roles: send, receive, iterate, close.

It is the protocol that takes over a transport after the opening handshake. Its semantics are those of aiohttp's
WebSocketResponse and ClientWebSocketResponse, for which `levante.web` and `levante.client` have thin adapters; where
the two differ, `manners` says how.
"""

import asyncio
from collections.abc import Callable

from levante.http import Role
from levante.http.errors import PeerDisconnected

from .codes import WSCloseCode, WSMsgType
from .conversation import Conversation
from .deflate import DeflateParams
from .driver import WebSocketDriver
from .frames import RSV1
from .limits import CLOSE_TIMEOUT, COMPRESS_INLINE, FRAGMENT_SIZE, MAX_MSG_SIZE, WRITER_LIMIT
from .messagetypes import WS_CLOSED_MESSAGE, WS_CLOSING_MESSAGE, WSMessage
from .protocol import WebSocketProtocol

__all__ = ["WebSocketConnection"]

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)


class WebSocketConnection(WebSocketDriver, Conversation):
    """One end of an open WebSocket.

    `protocol` and `deflate` are what the handshake agreed on. Times in seconds: `heartbeat` of silence before a ping,
    half of it for the answer (None: no heartbeat); `receive_timeout` is `receive()`'s default (None: none);
    `close_timeout` bounds the close handshake. `max_msg_size` in bytes, 0 for no limit. `autoping=False` hands pings
    and pongs to the application, `autoclose=False` leaves the answer to a close frame to it. Above `writer_limit`
    unsent bytes sending waits. Messages above `fragment_size` bytes are sent in fragments. `decode_text=False` gives
    text as bytes. `on_closed` is called once, with the connection, when it is lost.
    """

    def __init__(
        self,
        role: Role,
        *,
        protocol: str | None = None,
        deflate: DeflateParams | None = None,
        max_msg_size: int = MAX_MSG_SIZE,
        heartbeat: float | None = None,
        receive_timeout: float | None = None,
        close_timeout: float | None = CLOSE_TIMEOUT,
        autoping: bool = True,
        autoclose: bool = True,
        writer_limit: int = WRITER_LIMIT,
        fragment_size: int = FRAGMENT_SIZE,
        decode_text: bool = True,
        on_closed: Callable[["WebSocketConnection"], object] | None = None,
    ) -> None:
        if fragment_size < 1:
            raise ValueError(f"got fragment_size {fragment_size!r}; expected bytes, at least 1")
        super().__init__(
            WebSocketProtocol(role, deflate=deflate, max_msg_size=max_msg_size, decode_text=decode_text),
            heartbeat=heartbeat,
            close_timeout=close_timeout,
            autoping=autoping,
            autoclose=autoclose,
            writer_limit=writer_limit,
        )
        self.protocol = protocol
        self._receive_timeout = receive_timeout
        self._fragment_size = fragment_size
        self._receiving = False
        # The application has seen the peer's close frame and, with autoclose off, has not answered it yet.
        self._closing = False
        self._receives_after_close = 0
        self._send_lock: asyncio.Lock | None = None
        self._sends: set[asyncio.Task[None]] = set()
        self._on_closed: list[Callable[[WebSocketConnection], object]] = [] if on_closed is None else [on_closed]

    @property
    def deflate(self) -> DeflateParams | None:
        """What was agreed on about compression, None when nothing was."""
        return self._engine.deflate

    def add_closed_callback(self, callback: Callable[["WebSocketConnection"], object]) -> None:
        """Call `callback(connection)` when the connection is lost; at once if it is."""
        if self._outbox.lost:
            callback(self)
        else:
            self._on_closed.append(callback)

    def remove_closed_callback(self, callback: Callable[["WebSocketConnection"], object]) -> None:
        """Undo `add_closed_callback`."""
        if callback in self._on_closed:
            self._on_closed.remove(callback)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        callbacks, self._on_closed = self._on_closed, []
        for callback in callbacks:
            callback(self)

    # Receiving.

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """The next message; control messages are dealt with here unless `autoping` is off.

        At the end: CLOSE (the peer's, answered by now), ERROR (`exception()` tells what), CLOSING (our `close()` was
        called meanwhile) or CLOSED. `TimeoutError` leaves the connection open. Raises `RuntimeError` for a second
        call while one waits, and on a server for the fifth call after the end.
        """
        if self._receiving:
            raise RuntimeError("receive() was called while another receive() waits; only one task may read")
        self._receiving = True
        try:
            while True:
                message = self._inbox.pop()
                if message is not None:
                    return message if message.type in _DATA else self._arrived(message)
                if self._stalled:
                    # A long backlog is worked off in turns with everybody else.
                    await asyncio.sleep(0)
                    self._pump()
                elif self._ended or self._engine.close_sent:
                    return self._after_the_end()
                else:
                    await self._inbox.wait(timeout or self._receive_timeout)
        except (TimeoutError, asyncio.CancelledError):
            if self._manners.timeout_marks_abnormal and not self._closed:
                self._close_code = WSCloseCode.ABNORMAL_CLOSURE
            raise
        finally:
            self._receiving = False

    def _arrived(self, message: WSMessage) -> WSMessage:
        """The application has come to a message that is more than data."""
        kind = message.type
        if kind is WSMsgType.CLOSE:
            self._closing = True
            self._settle_code()
            if self._autoclose:
                self._answer()
        elif kind is WSMsgType.ERROR:
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

    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        """Send one message of kind `opcode`: TEXT, BINARY, PING or PONG; waits while the peer does not keep up.

        `compress` (window bits, 9 to 15) compresses this message on its own; without effect unless compression was
        agreed on. Long messages are compressed in a thread and sent in fragments; cancelling does not take such a
        message back. Raises `PeerDisconnected` when the connection is closing or gone.
        """
        self._check_sendable()
        engine = self._engine
        if opcode is WSMsgType.PING:
            self._outbox.write(engine.ping(message))
        elif opcode is WSMsgType.PONG:
            self._outbox.write(engine.pong(message))
        elif opcode not in _DATA:
            raise ValueError(
                f"got opcode {opcode!r} to send; expected TEXT, BINARY, PING or PONG (to close, call close())"
            )
        elif self._is_long(message) or self.is_sending():
            await self._send_long(message, opcode, compress)
            return
        else:
            self._outbox.write(engine.send_data(opcode, message, compress=compress))
        if self._outbox.paused:
            await self._outbox.drain()

    def is_sending(self) -> bool:
        """Whether a long message is on its way, behind which others have to wait."""
        return self._send_lock is not None and self._send_lock.locked()

    def _is_long(self, message: bytes) -> bool:
        return len(message) > (self._fragment_size if self._engine.deflate is None else COMPRESS_INLINE)

    async def _send_long(self, message: bytes, opcode: WSMsgType, compress: int | None) -> None:
        """In a task of its own: a message begun must be ended, or the stream (and the compressor) is lost."""
        task = asyncio.create_task(self._send_in_turn(message, opcode, compress))
        self._sends.add(task)
        task.add_done_callback(self._sent)
        await asyncio.shield(task)

    async def _send_in_turn(self, message: bytes, opcode: WSMsgType, compress: int | None) -> None:
        if self._send_lock is None:
            self._send_lock = asyncio.Lock()
        engine = self._engine
        async with self._send_lock:
            rsv1 = 0
            if engine.deflate is not None:
                rsv1 = RSV1
                message = await asyncio.get_running_loop().run_in_executor(None, _compress, engine, message, compress)
            for fragment in engine.split(opcode, message, size=self._fragment_size, rsv1=rsv1):
                self._check_sendable()
                self._outbox.write(engine.frame(*fragment))
                await self._outbox.drain()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled():
            # The sender has it, unless it was cancelled; then nobody is left to be told.
            task.exception()
        if not self._outbox.lost and not self.is_sending():
            self._outbox.notify()

    def _check_sendable(self) -> None:
        if self._engine.close_sent or self._outbox.is_closing():
            raise PeerDisconnected("cannot send on a WebSocket that is closing or closed")

    # What a room needs: frames made once for all its members.

    def offer_frame(self, frame: bytes) -> bool:
        """Write an encoded frame now; False when it would have to wait. Nothing is written to a connection that is
        closing."""
        if self._outbox.paused or self.is_sending():
            return False
        if not self._engine.close_sent and not self._outbox.is_closing():
            self._outbox.write(frame)
        return True

    def add_writable_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `offer_frame` may succeed again."""
        self._outbox.add_listener(listener)

    def remove_writable_listener(self, listener: Callable[[], None]) -> None:
        """Undo `add_writable_listener`."""
        self._outbox.remove_listener(listener)

    # Closing.

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close with `code` and the reason `message` (at most 123 bytes of UTF-8; more is cut); False if closed
        already.

        Sends the close frame, waits at most `close_timeout` for the peer's, discarding data, then for the end of the
        TCP connection. A pending `receive()` in another task returns CLOSING. `close_code` is then the peer's code,
        1006 if none came. With `drain=False` it does not wait for what was sent before to leave. Raises `ValueError`
        for a code that must not be sent.
        """
        if self._closed:
            return False
        if self._transport is None:
            raise RuntimeError("close() was called on a WebSocket that is not connected yet")
        frame = self._engine.close(code, message) if self._engine.error is None else self._engine.answer_close()
        self._closed = True
        self._inbox.clear()
        if self._receiving:
            self._inbox.put(WS_CLOSING_MESSAGE)
        try:
            async with asyncio.timeout(self._close_timeout):
                await self._shake_hands(frame, drain=drain)
        except TimeoutError as error:
            self._close_code = WSCloseCode.ABNORMAL_CLOSURE
            self._exception = error
            self.abort()
        except asyncio.CancelledError:
            self._close_code = WSCloseCode.ABNORMAL_CLOSURE
            self.abort()
            raise
        await self.wait_closed()
        return True

    async def _shake_hands(self, frame: bytes, *, drain: bool) -> None:
        engine = self._engine
        if not self._outbox.is_closing():
            self._outbox.write(frame)
            if not engine.is_readable():
                # The peer's close frame, or its error, was there before ours.
                self._settle_code()
                self._hang_up()
        self._pump()
        if drain and self._outbox.paused:
            await self._drain_for_close()
        while engine.is_readable() and not self._outbox.lost:
            await self._change()

    async def _drain_for_close(self) -> None:
        try:
            await self._outbox.drain()
        except PeerDisconnected as error:
            self._exception = self._exception or error


def _compress(engine: WebSocketProtocol, message: bytes, window_bits: int | None) -> bytes:
    """For a thread: keyword arguments do not pass through `run_in_executor`."""
    return engine.compress(message, window_bits=window_bits)
