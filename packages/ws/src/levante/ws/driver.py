"""The asyncio side of a WebSocket: transport to engine to queues, and everything that happens without the application.

Two rules shape it. First, order: what the application is told about (a message, a close frame, an error of the peer)
waits in one queue, and the answer to a close frame or an error leaves when the application comes to it, so that its
own answers to earlier messages leave before. Second, nothing waits for ever: an application that does not come is not
waited for longer than ANSWER_GRACE, a peer that does not hang up not longer than LINGER, and reading stops when the
queue is full.
"""

import asyncio
from typing import Any, cast

from levante.http import Role

from .codes import WSCloseCode, WSMsgType
from .errors import WebSocketError
from .inbox import Inbox
from .keepalive import KeepAlive, Verdict
from .limits import ANSWER_GRACE, LINGER, MAX_PONGS_A_READ
from .manners import MANNERS
from .messagetypes import WS_CLOSED_MESSAGE, WSMessage, WSMessageError
from .outbox import Outbox
from .protocol import WebSocketProtocol

__all__ = ["WebSocketDriver"]


class WebSocketDriver(asyncio.Protocol):
    """One transport, one engine and the two queues. The application's side is `WebSocketConnection`, which extends
    this."""

    def __init__(
        self,
        engine: WebSocketProtocol,
        *,
        heartbeat: float | None,
        close_timeout: float | None,
        autoping: bool,
        autoclose: bool,
        writer_limit: int,
    ) -> None:
        self._engine = engine
        self._manners = MANNERS[engine.role]
        self._inbox = Inbox()
        self._outbox = Outbox(limit=writer_limit)
        self._heartbeat = heartbeat
        self._close_timeout = close_timeout
        self._autoping = autoping
        self._autoclose = autoclose
        self._transport: asyncio.Transport | None = None
        self._keepalive: KeepAlive | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_deadline = 0.0
        self._reading_paused = False
        # The engine may hold messages for which the inbox had no room.
        self._stalled = False
        # The last message that there will ever be is in the inbox, or has been taken from it.
        self._ended = False
        # What it will be when the connection is lost.
        self._last_word: WSMessage = WS_CLOSED_MESSAGE
        self._closed = False
        self._close_code: int | None = None
        self._exception: BaseException | None = None
        self._pongs = 0
        self._owed_pong: bytes | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def role(self) -> Role:
        """Which end of the connection this is."""
        return self._engine.role

    @property
    def closed(self) -> bool:
        """Whether sending is over: `close()` was called, the end was received, or the connection is lost."""
        return self._closed

    @property
    def close_code(self) -> int | None:
        """The close code (RFC 6455 section 7.1.5): the peer's, 1005 when its close frame had none, 1006 when none
        came; None while the connection is open."""
        return self._close_code

    def exception(self) -> BaseException | None:
        """What broke the connection: the peer's fault (`WebSocketError`), a silent peer (`TimeoutError`), the
        network; or None."""
        return self._exception

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The transport's extra information, such as `peername` or `sslcontext` (the values' types are the
        transport's)."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    async def wait_closed(self) -> None:
        """Wait until the TCP connection is gone."""
        while not self._outbox.lost:
            await self._change()

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the event loop, or by the HTTP driver that hands its transport over."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._outbox.attach(self._transport)
        if self._heartbeat is not None:
            self._keepalive = KeepAlive(self._heartbeat, now=self._loop.time())
            self._beat_timer = self._loop.call_at(self._keepalive.deadline, self._beat)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._keepalive is not None:
            self._keepalive.received(self._loop.time())
        self._engine.receive_data(data)
        if self._stalled:
            self._pause_reading()
        else:
            self._pump()

    def eof_received(self) -> bool | None:
        """The peer hung up; the transport closes itself."""
        return None

    def pause_writing(self) -> None:
        """The peer does not keep up."""
        self._outbox.pause()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._outbox.paused = False
        self._pay_pong()
        self._outbox.resume()

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
            self._pump()
        self._wake_waiters()

    # From the engine to the inbox.

    def _pump(self) -> None:
        """Move messages from the engine to the inbox while it has room."""
        self._stalled = False
        self._pongs = 0
        try:
            while not self._inbox.is_full():
                message = self._engine.next_event()
                if message is None:
                    self._pay_pong()
                    self._caught_up()
                    return
                self._dispatch(message)
        except WebSocketError as error:
            self._pay_pong()
            self._peer_failed(error)
            return
        self._pay_pong()
        self._stalled = True

    def _dispatch(self, message: WSMessage) -> None:
        if message.type is WSMsgType.CLOSE:
            self._peer_closed(message)
        elif self._engine.close_sent:
            # Nobody will read it, and nothing may be answered after our close frame.
            return
        elif message.type is WSMsgType.PING and self._autoping:
            self._answer_ping(message.data)
        elif message.type is not WSMsgType.PONG or not self._autoping:
            self._inbox.put(message)

    def _caught_up(self) -> None:
        """Everything that came has been looked at."""
        if self._outbox.lost:
            if not self._ended:
                self._end(self._last_word)
            self._settle_code()
        else:
            self._resume_reading()

    def _end(self, message: WSMessage) -> None:
        self._ended = True
        if not self._engine.close_sent:
            self._inbox.put(message)

    def _peer_closed(self, message: WSMessage) -> None:
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
        if not self._outbox.lost:
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

    # The heartbeat.

    def _beat(self) -> None:
        keepalive = self._keepalive
        if keepalive is None or self._engine.close_sent or self._ended:
            return
        now = self._loop.time()
        if self._reading_paused:
            keepalive.received(now)
        verdict = keepalive.check(now)
        if verdict is Verdict.DEAD:
            self._die(TimeoutError(f"got nothing from the peer for {keepalive.answer_time:g} s after a ping"))
            return
        if verdict is Verdict.PING and not self._outbox.is_closing():
            self._outbox.write(self._engine.ping())
        self._beat_timer = self._loop.call_at(keepalive.deadline, self._beat)

    def _die(self, error: Exception) -> None:
        """The peer is not there any more: no close frame would reach it."""
        self._exception = error
        self._close_code = WSCloseCode.ABNORMAL_CLOSURE
        self._closed = True
        self._last_word = WSMessageError(error)
        self.abort()

    # The end of the TCP connection.

    def _hang_up(self) -> None:
        """The last frame is written: let the peer read it, then close."""
        transport = self._transport
        if self._outbox.lost or transport is None or self._linger_timer is not None:
            return
        self._stop_timers()
        self._linger_deadline = self._loop.time() + (self._close_timeout or 0.0)
        self._linger_timer = self._loop.call_later(LINGER, self._stop_lingering)
        if transport.is_closing():
            return
        self._resume_reading()
        if self._manners.hangs_up_first:
            # Shutting only our direction down leaves no unread bytes for which the kernel would send a reset.
            if not transport.can_write_eof():
                transport.close()
                return
            try:
                transport.write_eof()
            except OSError:  # the peer has reset the connection, and the loop has not told us yet
                transport.abort()

    def _stop_lingering(self) -> None:
        transport = self._transport
        if transport is None:
            return
        in_time = self._close_timeout is None or self._loop.time() < self._linger_deadline
        if transport.get_write_buffer_size() and in_time:
            self._linger_timer = self._loop.call_later(LINGER, self._stop_lingering)
        else:
            transport.abort()

    def _stop_timers(self) -> None:
        for timer in (self._beat_timer, self._grace_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()

    # Small things.

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = False
            if self._keepalive is not None:
                self._keepalive.received(self._loop.time())
            self._transport.resume_reading()

    async def _change(self) -> None:
        """Wait until the peer's close frame, its error or the loss of the connection."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
