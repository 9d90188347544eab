"""What both asyncio drivers have in common: a transport, its backpressure in both directions, and one coarse timer.

A link is an asyncio protocol by its methods (a compiled class cannot inherit from one written in Python, and asyncio
asks for no more). Timers are deadlines in two numbers, one for reading and one for writing; a single handle is armed
for the nearer one and, when it fires early because a deadline has moved on meanwhile, armed again. Moving a deadline
therefore costs an addition, not a call to the event loop.
"""

import asyncio
import socket
from typing import Any, Final, cast

from .clock import now
from .errors import PeerDisconnected
from .h1 import Connection, Role
from .limits import Limits
from .sendqueue import unsent

# Event loops fire a little before the time they were given, by the resolution of their clock.
EARLY: Final = 0.002


class Link:
    """A transport under a Connection; the drivers say what to do with bytes, deadlines and the end."""

    __slots__ = (
        "__weakref__",
        "_closed_waiters",
        "_closing",
        "_eof",
        "_h1",
        "_least_sent",
        "_paused",
        "_read_deadline",
        "_timer",
        "_timer_at",
        "_unsent",
        "_waiters",
        "_write_deadline",
        "limits",
        "loop",
        "lost",
        "lost_by",
        "transport",
        "write_paused",
        "write_timeout",
    )

    def __init__(
        self, role: Role, limits: Limits, write_timeout: float, min_write_rate: float = 0.0, *, lenient: bool = False
    ) -> None:
        self.limits = limits
        self.transport: asyncio.Transport | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.lost_by: BaseException | None = None
        self._h1 = Connection(role, limits, lenient=lenient)
        self.lost = False  # connection_lost() has been called
        self._closing = False  # nothing is read any more
        self._eof = False  # the peer has finished sending
        self._paused = False
        self.write_paused = False
        self.write_timeout = write_timeout  # seconds, 0: none
        self._waiters: list[asyncio.Future[None]] | None = None
        self._closed_waiters: list[asyncio.Future[None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._read_deadline = 0.0
        self._write_deadline = 0.0
        self._unsent = 0
        self._least_sent = max(1, int(min_write_rate * write_timeout))  # bytes, in the time of write_timeout

    # The life of the transport.

    def _opened(self, transport: asyncio.BaseTransport, *, tcp_keepalive: bool = False) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.transport.set_write_buffer_limits(self.limits.write_high, self.limits.write_low)
        if tcp_keepalive:
            endpoint = transport.get_extra_info("socket")
            if endpoint is not None and endpoint.family in (socket.AF_INET, getattr(socket, "AF_INET6", None)):
                try:
                    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                except OSError:
                    pass  # the system is short of memory, or the peer is gone: the connection does without it

    def _ended(self, exc: BaseException | None) -> None:
        """Note the loss of the connection and wake everybody who waits for it."""
        self.lost = True
        self._closing = True
        self.lost_by = exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.write_paused = False
        self._wake_writers()
        waiters, self._closed_waiters = self._closed_waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        """Return what the transport knows under `name`: peername, sockname, socket, ssl_object, ..."""
        return default if self.transport is None else self.transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether the connection is gone, or going."""
        return self._closing or (self.transport is not None and self.transport.is_closing())

    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self.lost

    def has_eof(self) -> bool:
        """Whether the peer has finished sending (it may still be reading)."""
        return self._eof or self.lost

    def is_secure(self) -> bool:
        """Whether the transport is TLS."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def abort(self) -> None:
        """Drop the connection at once; what has not been sent is lost."""
        self._closing = True
        # One that closed by itself once all was sent cannot be aborted any more: asyncio's fails then.
        if self.transport is not None and not self.lost:
            self.transport.abort()

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        if self.lost or self.loop is None:
            return
        waiter = self.loop.create_future()
        if self._closed_waiters is None:
            self._closed_waiters = []
        waiters = self._closed_waiters
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)

    def _close_transport(self) -> None:
        """Close once everything is sent, or abort when that makes no progress."""
        self._closing = True
        self._read_deadline = 0.0
        transport = self.transport
        # What closes already must not be closed again: asyncio's TLS transport can be asked nothing more after that.
        if transport is None or self.lost or transport.is_closing():
            return
        if self._write_deadline == 0.0 and transport.get_write_buffer_size() > 0:
            self._watch_writing()
        transport.close()

    # Backpressure.

    def pause_reading(self) -> None:
        """Stop receiving; what is in flight may still arrive."""
        if not self._paused and not self.is_closing() and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._reading_changed()

    def resume_reading(self) -> None:
        """Go on receiving."""
        if self._paused:
            self._paused = False
            if not self.lost and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()
        self._reading_changed()

    def _reading_changed(self) -> None:
        """A driver's chance to move its deadline."""

    def pause_writing(self) -> None:
        """asyncio: more is unsent than the high-water mark allows."""
        self.write_paused = True
        self._watch_writing()

    def resume_writing(self) -> None:
        """asyncio: little enough is unsent."""
        self.write_paused = False
        self._write_deadline = 0.0
        self._wake_writers()

    async def wait_writable(self) -> None:
        """Return when the write buffer is below its marks; PeerDisconnected if the connection is lost before."""
        while self.write_paused and self.loop is not None:
            waiter = self.loop.create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            await waiter
        if self.lost:
            raise self.disconnected_error()

    def has_failed(self) -> bool:
        """Whether what is written now goes nowhere: the transport could not send, but has not come to say so. It takes
        everything then, and never pauses; whoever writes on and on would keep the loop from ever telling.
        """
        return self.transport is None or self.transport.is_closing()

    def disconnected_error(self) -> PeerDisconnected:
        """The error for whoever still wants something of a lost connection."""
        error = PeerDisconnected("the connection is gone")
        error.__cause__ = self.lost_by
        return error

    def _wake_writers(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Give the transport, and every byte that came behind the last message, to `protocol`."""
        raise NotImplementedError

    # Time.

    def _read_within(self, seconds: float) -> None:
        """Set the reading deadline; 0: none."""
        self._read_until(now() + seconds if seconds > 0.0 else 0.0)

    def _read_until(self, moment: float) -> None:
        """Set the reading deadline to a moment of the clock; 0: none."""
        self._read_deadline = moment
        if moment and (self._timer is None or self._timer_at > moment):
            self._arm(moment)

    def _watch_writing(self) -> None:
        if self.write_timeout > 0.0 and self.transport is not None:
            self._unsent = unsent(self.transport)
            self._write_deadline = now() + self.write_timeout
            if self._timer is None or self._timer_at > self._write_deadline:
                self._arm(self._write_deadline)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.loop is not None and not self.lost:
            self._timer_at = when
            self._timer = self.loop.call_later(max(when - now(), 0.0), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        moment = now() + EARLY
        if self._write_deadline and moment >= self._write_deadline:
            self._write_deadline = 0.0
            if self.is_stalled(self._unsent):
                self._stalled()
                return
            self._watch_writing()
        if self._read_deadline and moment >= self._read_deadline:
            self._read_deadline = 0.0
            self._expired()
        self._rearm()

    def _rearm(self) -> None:
        """Arm the timer for the nearer deadline, unless something just did."""
        read = self._read_deadline
        write = self._write_deadline
        if self._timer is None and (read or write):
            self._arm(write if not read or (write and write < read) else read)

    def is_stalled(self, before: int) -> bool:
        """Whether the peer has taken too little of the bytes that were unsent `write_timeout` seconds ago, none having
        been written since.
        """
        return self.transport is None or before - unsent(self.transport) < self._least_sent

    def _stalled(self) -> None:
        """The peer has taken too little of what we wrote for as long as it may."""
        self.abort()

    def _expired(self) -> None:
        """The reading deadline has passed."""
        raise NotImplementedError
