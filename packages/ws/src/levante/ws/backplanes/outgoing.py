"""What waits to be published: a bounded queue that drops its oldest and counts what it drops.

A batch that was taken stays in the queue's hands until it is confirmed: after a failure nobody knows how much of it was
sent, so the same batch is handed out again. Whoever receives it knows by its numbers what came before.
"""

import asyncio
from collections import deque

__all__ = ["Outgoing"]

Item = tuple[str, bytes]


class Outgoing:
    """Pairs of channel and payload, in order. `max_messages` and `max_bytes` bound what waits, the batch included."""

    def __init__(self, *, max_messages: int, max_bytes: int, batch: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._batch_size = batch
        self._queue: deque[Item] = deque()
        self._batch: list[Item] = []
        self._bytes = 0
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.lost = 0
        """How many were dropped, of all that ever came."""

    def __len__(self) -> int:
        return len(self._queue) + len(self._batch)

    def put(self, channel: str, payload: bytes) -> None:
        """Append; what is larger than the whole queue is lost itself."""
        if len(payload) > self._max_bytes:
            self.lost += 1
            return
        while self._queue and (len(self) >= self._max_messages or self._bytes + len(payload) > self._max_bytes):
            self._bytes -= len(self._queue.popleft()[1])
            self.lost += 1
        self._queue.append((channel, payload))
        self._bytes += len(payload)
        self._ready.set()
        self._idle.clear()

    async def take(self) -> list[Item]:
        """The batch that is not confirmed yet, else the next one; waits for there to be one."""
        if not self._batch:
            await self._ready.wait()
            while self._queue and len(self._batch) < self._batch_size:
                self._batch.append(self._queue.popleft())
        return self._batch

    def confirm(self) -> None:
        """The batch is published."""
        self._bytes -= sum(len(payload) for _, payload in self._batch)
        self._batch = []
        if not self._queue:
            self._ready.clear()
            self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until all is published."""
        await self._idle.wait()

    def clear(self) -> int:
        """Lose all that waits; how many that were."""
        count = len(self)
        self.lost += count
        self._queue.clear()
        self._batch = []
        self._bytes = 0
        self._ready.clear()
        self._idle.set()
        return count
