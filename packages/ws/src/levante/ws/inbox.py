"""The bounded queue between the engine and `receive()`."""

import asyncio
from collections import deque

from .limits import QUEUE_BYTES, QUEUE_MESSAGES
from .messagetypes import WSMessage

__all__ = ["Inbox"]

_MOST = QUEUE_MESSAGES
_MOST_BYTES = QUEUE_BYTES


class Inbox:
    """Messages that wait for the application, and the one `receive()` that waits for a message.

    The queue itself never refuses: who puts asks `is_full` first. A message is only taken out by the reader
    itself, never handed to a waiting future, so that a cancelled `receive()` loses none. The first message that waits
    has a place of its own: most of the time there is no second one.
    """

    __slots__ = ("_first", "_messages", "_size", "_timer", "_waiter")

    def __init__(self) -> None:
        self._first: WSMessage | None = None
        self._messages: deque[WSMessage] | None = None
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return (self._first is not None) + (0 if self._messages is None else len(self._messages))

    @property
    def size(self) -> int:
        """Bytes of payload that wait."""
        return self._size

    def put(self, message: WSMessage) -> None:
        """Append a message and wake the reader."""
        if self._first is None:
            self._first = message
        else:
            if self._messages is None:
                self._messages = deque()
            self._messages.append(message)
        self._size += message.size
        if self._waiter is not None:
            self.wake()

    def pop(self) -> WSMessage | None:
        """The oldest message, None when there is none."""
        message = self._first
        if message is not None:
            self._first = self._messages.popleft() if self._messages else None
            self._size -= message.size
        return message

    def clear(self) -> None:
        """Drop everything that waits."""
        self._first = None
        self._messages = None
        self._size = 0

    def is_full(self) -> bool:
        """Whether a limit is reached; a single message can be larger than the limit."""
        return self._size >= _MOST_BYTES or (self._messages is not None and len(self._messages) + 1 >= _MOST)

    def wake(self) -> None:
        """Let the waiting reader look."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def arrival(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> "asyncio.Future[None]":
        """What the reader waits for; `TimeoutError` after `timeout` seconds (None: never). `stop_waiting` follows."""
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiter = waiter
        if timeout is not None:
            self._timer = loop.call_later(timeout, _time_out, waiter)
        return waiter

    def stop_waiting(self) -> None:
        """The reader has come back from waiting, whatever woke it."""
        self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _time_out(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no message came in time"))
