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
from .conversation import END_MESSAGES, Conversation, as_bytes
from .deflate import DeflateParams
from .frames import RSV1
from .limits import CLOSE_TIMEOUT, FRAGMENT_SIZE, MAX_MSG_SIZE, WRITER_LIMIT
from .listener import WebSocketListener
from .messagetypes import WS_CLOSING_MESSAGE, WSMessage
from .protocol import WebSocketProtocol
from .traffic import Traffic

__all__ = ["WebSocketConnection"]

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)


class WebSocketConnection(Traffic, Conversation, asyncio.Protocol):
    """One end of an open WebSocket.

    `protocol` and `deflate` are what the handshake agreed on. Times in seconds: `heartbeat` of silence before a ping,
    half of it for the answer (None: no heartbeat); `receive_timeout` is `receive()`'s default (None: none);
    `close_timeout` bounds the close handshake. `max_msg_size` in bytes, 0 for no limit. `autoping=False` hands pings
    and pongs to the application, `autoclose=False` leaves the answer to a close frame to it. Above `writer_limit`
    unsent bytes sending waits. Messages above `fragment_size` bytes are sent in fragments. `decode_text=False` gives
    text as bytes. `on_closed` is called once, with the connection, when it is lost. With a `listener` messages go to
    its methods instead of `receive()`, and a close frame of the peer is always answered.
    """

    __slots__ = ("_closings", "_on_closed", "_send_lock", "protocol")

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
        listener: WebSocketListener | None = None,
    ) -> None:
        if fragment_size < 1:
            raise ValueError(f"got fragment_size {fragment_size!r}; expected bytes, at least 1")
        super().__init__(
            WebSocketProtocol(
                role, deflate=deflate, max_msg_size=max_msg_size, decode_text=decode_text, views=listener is not None
            ),
            fragment_size=fragment_size,
            receive_timeout=receive_timeout,
            heartbeat=heartbeat,
            close_timeout=close_timeout,
            autoping=autoping,
            autoclose=autoclose or listener is not None,
            writer_limit=writer_limit,
            listener=listener,
        )
        self.protocol = protocol
        self._send_lock: asyncio.Lock | None = None
        self._closings: set[asyncio.Task[bool]] | None = None
        self._on_closed: list[Callable[[WebSocketConnection], object]] | None = None
        if on_closed is not None:
            self._on_closed = [on_closed]

    @property
    def deflate(self) -> DeflateParams | None:
        """What was agreed on about compression, None when nothing was."""
        return self._engine.deflate

    def add_closed_callback(self, callback: Callable[["WebSocketConnection"], object]) -> None:
        """Call `callback(connection)` when the connection is lost; at once if it is."""
        if self._outbox.lost:
            callback(self)
        elif self._on_closed is None:
            self._on_closed = [callback]
        else:
            self._on_closed.append(callback)

    def remove_closed_callback(self, callback: Callable[["WebSocketConnection"], object]) -> None:
        """Undo `add_closed_callback`."""
        if self._on_closed is not None and callback in self._on_closed:
            self._on_closed.remove(callback)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; called by the event loop, or by the HTTP driver."""
        super().connection_lost(exc)
        callbacks, self._on_closed = self._on_closed, None
        for callback in callbacks or ():
            callback(self)

    # Receiving.

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """The next message; control messages are dealt with here unless `autoping` is off.

        At the end: CLOSE (the peer's, answered by now), ERROR (`exception()` tells what), CLOSING (our `close()` was
        called meanwhile) or CLOSED. `TimeoutError` leaves the connection open. Raises `RuntimeError` for a second
        call while one waits, and on a server for the fifth call after the end.
        """
        message = self.begin_receiving()
        while message is None:
            try:
                await self.arrival(timeout)
            except BaseException as error:
                self.failed(error)
                raise
            message = self.take()
        return message

    async def __anext__(self) -> WSMessage:
        """The next message; iteration ends when the connection does, and yields ERROR before."""
        # Not `await self.receive()`, which would make every message pay for a second coroutine.
        message = self.begin_receiving()
        while message is None:
            try:
                await self.arrival(None)
            except BaseException as error:
                self.failed(error)
                raise
            message = self.take()
        if type(message) in END_MESSAGES:
            raise StopAsyncIteration
        return message

    # Sending.

    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        """Send one message of kind `opcode`: TEXT, BINARY, PING or PONG; waits while the peer does not keep up.

        `compress` (window bits, 9 to 15) compresses this message on its own; without effect unless compression was
        agreed on. Long messages are compressed in a thread and sent in fragments; cancelling does not take such a
        message back. Raises `PeerDisconnected` when the connection is closing or gone.
        """
        if opcode in _DATA:
            pending = self.begin(opcode, message, compress)
            if pending is not None:
                await pending
            return
        self._check_sendable()
        if opcode is WSMsgType.PING:
            self._outbox.write(self._engine.ping(message))
        elif opcode is WSMsgType.PONG:
            self._outbox.write(self._engine.pong(message))
        else:
            raise ValueError(
                f"got opcode {opcode!r} to send; expected TEXT, BINARY, PING or PONG (to close, call close())"
            )
        if self._outbox.paused:
            await self._drained()

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text message; waits while the peer does not keep up."""
        pending = self.begin_str(data, compress)
        if pending is not None:
            await pending

    async def send_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> None:
        """Send a binary message; waits while the peer does not keep up."""
        pending = self.begin_bytes(data, compress)
        if pending is not None:
            await pending

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written; raises `PeerDisconnected` when it is gone."""
        await self._drained()

    async def _drained(self) -> None:
        try:
            await self._outbox.drain()
        except PeerDisconnected as error:
            raise self.gone_error(str(error)) from error

    async def _send_long(self, opcode: int, message: bytes, compress: int | None) -> None:
        """In a task of its own: a message begun must be ended, or the stream (and the compressor) is lost."""
        await asyncio.shield(self._start_long(opcode, message, compress))

    def _start_long(self, opcode: int, message: bytes, compress: int | None) -> asyncio.Task[None]:
        task = asyncio.create_task(self._send_in_turn(opcode, message, compress))
        if self._sends is None:
            self._sends = set()
        self._sends.add(task)
        task.add_done_callback(self._sent)
        return task

    async def _send_in_turn(self, opcode: int, message: bytes, compress: int | None) -> None:
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
                await self._drained()

    def _sent(self, task: asyncio.Task[None]) -> None:
        if self._sends is not None:
            self._sends.discard(task)
        if not task.cancelled():
            # The sender has it, unless it was cancelled; then nobody is left to be told.
            task.exception()
        if not self._outbox.lost and not self.is_sending():
            self._outbox.notify()

    def _check_sendable(self) -> None:
        if self._engine.close_sent or self._outbox.is_closing():
            raise self.gone_error("cannot send on a WebSocket that is closing or closed")

    # What a room needs, beside `offer_frame`: to be told when the next frame can be offered.

    def add_writable_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `offer_frame` may succeed again."""
        self._outbox.add_listener(listener)

    def remove_writable_listener(self, listener: Callable[[], None]) -> None:
        """Undo `add_writable_listener`."""
        self._outbox.remove_listener(listener)

    # Closing.

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"", drain: bool = True) -> bool:
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
        frame = (
            self._engine.close(code, as_bytes(message)) if self._engine.error is None else self._engine.answer_close()
        )
        self._closed = True
        self._inbox.clear()
        if self._receiving:
            self._inbox.put(WS_CLOSING_MESSAGE)
            self._inbox.wake_soon()
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

    def close_soon(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"") -> None:
        """`close`, in a task of its own: for callbacks. An error in the arguments is raised here."""
        if self._closed or self._engine.close_sent:
            return
        self._engine.check_close_code(code)
        task = asyncio.ensure_future(self.close(code=code, message=message))
        if self._closings is None:
            self._closings = set()
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

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
