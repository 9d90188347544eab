"""A member of rooms: one connection, the rooms it is in, and the frames that wait for it while it does not keep up.

What waits is bounded in messages and in bytes by whoever asks (`has_room`); a frame is one object for all members, so
a thousand slow ones hold it once.
"""

import asyncio
from collections import deque

from .connection import WebSocketConnection
from .deflate import DeflateParams

__all__ = ["Member"]


class Member:
    """One connection, the rooms it is in, and the frames that wait for it."""

    __slots__ = ("_bytes", "_waiters", "connection", "queue", "rooms", "take", "window_bits")

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.take = connection.offer_frame
        self.rooms: set[str] = set()
        self.window_bits = shared_window(connection.deflate)
        self.queue: deque[bytes] | None = None
        self._bytes = 0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def waiting_bytes(self) -> int:
        """How much waits."""
        return self._bytes

    def has_room(self, size: int, max_messages: int, max_bytes: int) -> bool:
        """Whether a frame of `size` bytes fits; an empty queue takes any one frame."""
        queue = self.queue
        return not queue or (len(queue) < max_messages and self._bytes + size <= max_bytes)

    def is_over(self, max_messages: int, max_bytes: int) -> bool:
        """Whether more waits than these bounds allow; one frame may always wait: an empty queue takes any."""
        count = len(self.queue) if self.queue is not None else 0
        return count > 1 and (count > max_messages or self._bytes > max_bytes)

    def enqueue(self, frame: bytes) -> None:
        """Let the frame wait."""
        if self.queue is None:
            self.queue = deque()
            self.connection.add_writable_listener(self._flush)
        self.queue.append(frame)
        self._bytes += len(frame)

    def drop_for(self, size: int, max_messages: int, max_bytes: int) -> int:
        """Drop the oldest frames until one of `size` bytes fits; how many."""
        dropped = 0
        while self.queue and not self.has_room(size, max_messages, max_bytes):
            self._bytes -= len(self.queue.popleft())
            dropped += 1
        return dropped

    async def progress(self) -> None:
        """Wait until something has left the queue, or the member is gone."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def retire(self) -> None:
        """The member is gone: nothing waits for it any more."""
        self._empty_queue()
        self._wake()

    def _flush(self) -> None:
        queue = self.queue
        while queue and self.take(queue[0]):
            self._bytes -= len(queue.popleft())
        if not queue:
            self._empty_queue()
        self._wake()

    def _empty_queue(self) -> None:
        if self.queue is not None:
            self.connection.remove_writable_listener(self._flush)
        self.queue = None
        self._bytes = 0

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def shared_window(deflate: DeflateParams | None) -> int:
    """The window bits of compressed frames that others may get as well; 0 where that cannot be.

    With context takeover a server's compressor and its client's inflater remember the same messages; a frame that the
    compressor has not made would part them. So it takes an agreement without it (RFC 7692 section 7.1.1.1).
    """
    return deflate.server_max_window_bits if deflate is not None and deflate.server_no_context_takeover else 0
