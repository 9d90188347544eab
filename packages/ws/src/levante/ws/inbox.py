"""The bounded queue between the engine and `receive()`."""

import asyncio
from collections import deque

from .limits import QUEUE_BYTES, QUEUE_MESSAGES
from .messagetypes import WSMessage

__all__ = ["Inbox"]


class Inbox:
    """Messages that wait for the application, and the one `receive()` that waits for a message.

    The queue itself never refuses: who puts asks `is_full` first. A message is only taken out by the reader
    itself, never handed to a waiting future, so that a cancelled `receive()` loses none.
    """

    __slots__ = ("_messages", "_size", "_waiter")

    def __init__(self) -> None:
        self._messages: deque[WSMessage] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, message: WSMessage) -> None:
        """Append a message and wake the reader."""
        self._messages.append(message)
        self._size += message.size
        self.wake()

    def pop(self) -> WSMessage | None:
        """The oldest message, None when there is none."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._size -= message.size
        return message

    def clear(self) -> None:
        """Drop everything that waits."""
        self._messages.clear()
        self._size = 0

    def is_full(self) -> bool:
        """Whether a limit is reached; a single message can be larger than the limit."""
        return len(self._messages) >= QUEUE_MESSAGES or self._size >= QUEUE_BYTES

    def wake(self) -> None:
        """Let the waiting reader look."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout: float | None) -> None:
        """Wait until woken; `TimeoutError` after `timeout` seconds (None: never)."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = None if timeout is None else loop.call_later(timeout, _time_out, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no message came in time"))
