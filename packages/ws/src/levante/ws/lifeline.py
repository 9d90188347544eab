"""The life of one WebSocket on its transport: what it consists of, its heartbeat, and its end.

Nothing waits for ever: a peer that does not answer a ping is dropped, one that does not hang up is not waited for
longer than LINGER.
"""

import asyncio
from typing import Any

from levante.http import Role

from .codes import WSCloseCode
from .inbox import Inbox
from .keepalive import KeepAlive, Verdict
from .limits import LINGER
from .listener import WebSocketListener
from .manners import MANNERS
from .messagetypes import WS_CLOSED_MESSAGE, WSMessage, WSMessageError
from .outbox import Outbox
from .protocol import WebSocketProtocol

__all__ = ["Lifeline"]


class Lifeline:
    """The parts of a connection, its timers, and how it ends; `WebSocketDriver` says what happens in between."""

    __slots__ = (
        "__weakref__",
        "_autoclose",
        "_autoping",
        "_beat_timer",
        "_close_code",
        "_close_reason",
        "_close_timeout",
        "_closed",
        "_ended",
        "_engine",
        "_exception",
        "_farewell_said",
        "_grace_timer",
        "_heartbeat",
        "_held",
        "_inbox",
        "_keepalive",
        "_last_word",
        "_linger_deadline",
        "_linger_timer",
        "_listener",
        "_loop",
        "_manners",
        "_outbox",
        "_owed_pong",
        "_pongs",
        "_reading_paused",
        "_stalled",
        "_transport",
        "_waiters",
    )

    def __init__(
        self,
        engine: WebSocketProtocol,
        *,
        heartbeat: float | None,
        close_timeout: float | None,
        autoping: bool,
        autoclose: bool,
        writer_limit: int,
        listener: WebSocketListener | None,
    ) -> None:
        self._engine = engine
        self._manners = MANNERS[engine.role]
        self._inbox = Inbox()
        self._outbox = Outbox(limit=writer_limit)
        self._listener = listener
        self._heartbeat = heartbeat
        self._close_timeout = close_timeout
        self._autoping = autoping
        self._autoclose = autoclose
        self._transport: asyncio.Transport | None = None
        self._loop: Any = None  # the running one; Any: there is none before the connection is made
        self._keepalive: KeepAlive | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_deadline = 0.0
        self._reading_paused = False
        # The listener wants no more messages for now.
        self._held = False
        # The engine may hold messages for which the inbox had no room.
        self._stalled = False
        # The last message that there will ever be is in the inbox, or has been taken from it.
        self._ended = False
        # What it will be when the connection is lost.
        self._last_word: WSMessage = WS_CLOSED_MESSAGE
        self._closed = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._exception: BaseException | None = None
        self._pongs = 0
        self._owed_pong: bytes | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._farewell_said = False  # to the listener

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

    @property
    def close_reason(self) -> str:
        """The reason in the peer's close frame, "" when there was none."""
        return self._close_reason

    def exception(self) -> BaseException | None:
        """What broke the connection: the peer's fault (`WebSocketError`), a silent peer (`TimeoutError`), the
        network, what a listener raised; or None."""
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
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
