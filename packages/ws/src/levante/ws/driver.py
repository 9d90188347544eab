"""The asyncio side of a WebSocket: transport to engine to queues, and everything that happens without the application.

It is an asyncio protocol by its methods: a compiled class cannot inherit from one written in Python.

Two rules shape it. First, order: what the application is told about (a message, a close frame, an error of the peer)
waits in one queue, and the answer to a close frame or an error leaves when the application comes to it, so that its
own answers to earlier messages leave before. Second, nothing waits for ever: an application that does not come is not
waited for longer than ANSWER_GRACE, a peer that does not hang up not longer than LINGER, and reading stops when the
queue is full.
"""

import asyncio
import logging
from typing import Any, cast

from .codes import WSCloseCode, WSMsgType
from .errors import WebSocketError
from .keepalive import KeepAlive
from .lifeline import Lifeline
from .limits import ANSWER_GRACE, MAX_PONGS_A_READ
from .messagetypes import WSMessage, WSMessageError

__all__ = ["WebSocketDriver"]


_logger = logging.getLogger("levante.ws")

_BINARY = WSMsgType.BINARY.value
_CLOSE = WSMsgType.CLOSE.value
_PING = WSMsgType.PING.value
_PONG = WSMsgType.PONG.value


class WebSocketDriver(Lifeline):
    """What comes from the event loop, on its way to the application, or to a listener. The application's side is
    `WebSocketConnection`, which extends this."""

    __slots__ = ()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the event loop, or by the HTTP driver that hands its transport over."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._outbox.attach(self._transport)
        if self._heartbeat is not None:
            self._keepalive = KeepAlive(self._heartbeat, now=self._loop.time())
            self._beat_timer = self._loop.call_at(self._keepalive.deadline, self._beat)
        if self._listener is not None:
            self._tell(self._listener.on_open)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._keepalive is not None:
            self._keepalive.received(self._loop.time())
        self._engine.receive_data(data)
        if self._stalled:
            self._pause_reading()
        else:
            self._advance()
            self._inbox.wake()

    def eof_received(self) -> bool | None:
        """The peer hung up; the transport closes itself."""
        return None

    def pause_writing(self) -> None:
        """The peer does not keep up."""
        self._outbox.pause()
        if self._listener is not None:
            self._tell(self._listener.on_pause_writing)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._outbox.paused = False
        self._pay_pong()
        self._outbox.resume()
        if self._listener is not None and not self._outbox.paused:
            self._tell(self._listener.on_resume_writing)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what was received before can still be read."""
        self._outbox.lose()
        self._stop_timers()
        self._closed = True
        if self._exception is None:
            self._exception = exc
        if self._ended:
            self._settle_code()
        elif not self._stalled:
            self._advance()
        self._wake_waiters()
        self._inbox.wake_soon()
        if not self._stalled:
            self._say_farewell()

    # From the engine to the inbox.

    def _pump(self) -> None:
        """`_advance` for callers in plain Python: what they can call, compiled code looks for an override of."""
        self._advance()
        self._inbox.wake_soon()

    def _advance(self) -> None:
        """Move messages from the engine to the inbox while it has room."""
        self._stalled = False
        self._pongs = 0
        try:
            while not self._held and not self._inbox.is_full():
                kind = self._engine.advance()
                if not kind:
                    self._pay_pong()
                    self._caught_up()
                    return
                self._dispatch(kind)
        except WebSocketError as error:
            self._pay_pong()
            self._peer_failed(error)
            return
        self._pay_pong()
        self._stalled = True

    def _dispatch(self, kind: int) -> None:
        """What to do with the message that the engine came to."""
        engine = self._engine
        if kind == _CLOSE:
            self._peer_closed(engine.message())
        elif engine.close_sent:
            # Nobody will read it, and nothing may be answered after our close frame.
            engine.take()
        elif self._listener is not None:
            self._hand_over(self._listener, kind, engine.take())
        elif kind == _PING and self._autoping:
            self._answer_ping(engine.take())
        elif kind != _PONG or not self._autoping:
            self._inbox.put(engine.message())
        else:
            engine.take()

    def _hand_over(self, listener: Any, kind: int, data: Any) -> None:  # Any: see WebSocketConnection; as kind has it
        """A message to its method."""
        if kind == _BINARY:
            tell = listener.on_binary
        elif kind == _PING:
            if self._autoping:
                self._answer_ping(data)
            tell = listener.on_ping
        elif kind == _PONG:
            tell = listener.on_pong
        else:
            tell = listener.on_text
        try:
            tell(self, data)
        except Exception as error:  # noqa: BLE001  # the boundary: a callback may raise anything
            self._listener_failed(error)

    def _tell(self, callback: Any) -> None:  # Any: a method of the listener that takes the connection alone
        try:
            callback(self)
        except Exception as error:  # noqa: BLE001  # as above
            self._listener_failed(error)

    def _listener_failed(self, error: Exception) -> None:
        _logger.error("a WebSocket's listener failed; the connection is closed with 1011", exc_info=error)
        if self._exception is None:
            self._exception = error
        self.close_soon(code=WSCloseCode.INTERNAL_ERROR)

    def close_soon(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"") -> None:
        """Begin to close, and go on without anybody who waits for it; what `close` does besides."""
        raise NotImplementedError

    def _say_farewell(self) -> None:
        """The listener's last call, when nothing is left that it has not been told."""
        listener: Any = self._listener  # Any: it is told of a WebSocketConnection, which extends this
        if listener is None or self._farewell_said:
            return
        self._farewell_said = True
        code = WSCloseCode.ABNORMAL_CLOSURE if self._close_code is None else self._close_code
        try:
            listener.on_close(self, code, self._close_reason)
        except Exception as error:  # as above
            _logger.error("the on_close of a WebSocket's listener failed", exc_info=error)

    def _caught_up(self) -> None:
        """Everything that came has been looked at."""
        if self._outbox.lost:
            if not self._ended:
                self._end(self._last_word)
            self._settle_code()
            self._say_farewell()
        else:
            self._resume_reading()

    def _end(self, message: WSMessage) -> None:
        self._ended = True
        if not self._engine.close_sent and self._listener is None:
            self._inbox.put(message)

    def _peer_closed(self, message: WSMessage) -> None:
        self._close_reason = message[2] or ""
        if self._engine.close_sent:
            self._ended = True
            self._settle_code()
            self._hang_up()
            self._wake_waiters()
            return
        self._end(message)
        if self._autoclose:
            self._await_application()

    def _peer_failed(self, error: WebSocketError) -> None:
        self._exception = error
        if self._engine.close_sent:
            self._ended = True
            self._close_code = WSCloseCode.ABNORMAL_CLOSURE
            self._hang_up()
            self._wake_waiters()
            return
        self._end(WSMessageError(error))
        self._await_application()

    def _await_application(self) -> None:
        """The answer leaves when the application comes to the end of the queue, and not much later than now."""
        if self._listener is not None:
            self._answer()
        elif not self._outbox.lost:
            self._grace_timer = self._loop.call_later(self._at_most(ANSWER_GRACE), self._answer)

    def _at_most(self, seconds: float) -> float:
        return seconds if self._close_timeout is None else min(seconds, self._close_timeout)

    def _answer(self) -> None:
        """Answer the peer's close frame, or its error, and hang up."""
        self._closed = True
        self._settle_code()
        if not self._engine.close_sent and not self._outbox.is_closing():
            self._outbox.write(self._engine.answer_close())
        self._hang_up()

    def _settle_code(self) -> None:
        """The close code, now that it is known how it ended."""
        engine = self._engine
        if engine.close_received is not None:
            self._close_code = engine.close_received
        elif self._close_code is None:
            self._close_code = WSCloseCode.ABNORMAL_CLOSURE if engine.error is None else engine.error.code

    # Pongs.

    def _answer_ping(self, payload: bytes) -> None:
        self._pongs += 1
        if self._pongs > MAX_PONGS_A_READ or self._outbox.paused:
            self._owed_pong = payload
        elif not self._outbox.is_closing():
            self._owed_pong = None
            self._outbox.write(self._engine.pong(payload))

    def _pay_pong(self) -> None:
        """Answer the latest of the pings that could not be answered one by one."""
        payload = self._owed_pong
        if payload is not None and not self._outbox.paused:
            self._owed_pong = None
            if not self._engine.close_sent and not self._outbox.is_closing():
                self._outbox.write(self._engine.pong(payload))

    # Reading.

    def pause_reading(self) -> None:
        """A listener's means against a peer that sends more than it can take: no callback until `resume_reading`."""
        self._held = True

    def resume_reading(self) -> None:
        """Go on after `pause_reading`, soon."""
        self._held = False
        if self._stalled and self._loop is not None:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._stalled:
            self._advance()
            self._inbox.wake_soon()
