"""The writing end: frames to the transport, waiting when the peer does not keep up, and pongs that do not pile up."""

import asyncio
from collections.abc import Callable

from levante.http.errors import PeerDisconnected

from .limits import WRITER_LOW_SHARE

__all__ = ["Outbox"]

Listener = Callable[[], None]


class Outbox:
    """Writes to one transport. After `lose` every write is refused with `PeerDisconnected`."""

    __slots__ = ("_limit", "_listeners", "_transport", "_waiters", "lost", "paused")

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._transport: asyncio.WriteTransport | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._listeners: list[Listener] | None = None
        self.paused = False
        self.lost = False

    def attach(self, transport: asyncio.WriteTransport) -> None:
        """Begin to write to `transport`."""
        self._transport = transport
        transport.set_write_buffer_limits(high=self._limit, low=self._limit // WRITER_LOW_SHARE)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self.lost or self._transport is None or self._transport.is_closing()

    def write(self, frame: bytes) -> None:
        """Hand a frame to the transport."""
        self._open_transport().write(frame)

    def _open_transport(self) -> asyncio.WriteTransport:
        transport = self._transport
        if self.lost or transport is None or transport.is_closing():
            raise PeerDisconnected("cannot write to a WebSocket whose connection is gone")
        return transport

    async def drain(self) -> None:
        """Wait until the peer has taken enough; raises `PeerDisconnected` when it is gone before that."""
        while self.paused and not self.lost:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            await waiter
        if self.lost:
            raise PeerDisconnected("the connection was lost while a message waited to be sent")

    def pause(self) -> None:
        """The transport holds more than the limit."""
        self.paused = True

    def resume(self) -> None:
        """The transport can take more."""
        self.paused = False
        self._wake()
        self.notify()

    def lose(self) -> None:
        """The connection is gone."""
        self.lost = True
        self._wake()
        self._listeners = None

    def add_listener(self, listener: Listener) -> None:
        """Call `listener` whenever writing has become possible again."""
        if self._listeners is None:
            self._listeners = []
        self._listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        """Undo `add_listener`."""
        if self._listeners is not None and listener in self._listeners:
            self._listeners.remove(listener)

    def notify(self) -> None:
        """Tell the listeners that they can write."""
        for listener in tuple(self._listeners or ()):
            if self.paused:
                return
            listener()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
