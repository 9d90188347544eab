"""The bounded queue between the engine and `receive()`."""

import asyncio
from collections import deque

from .arrival import Arrival
from .limits import QUEUE_BYTES, QUEUE_MESSAGES
from .messagetypes import WSMessage

__all__ = ["Inbox"]

_MOST = QUEUE_MESSAGES
_MOST_BYTES = QUEUE_BYTES


class Inbox:
    """Messages that wait for the application, and the one `receive()` that waits for a message.

    The queue itself never refuses: who puts asks `is_full` first, and wakes the reader when all is put. A message is
    only taken out by the reader itself, never handed to who waits, so that a cancelled `receive()` loses none. The
    first message that waits has a place of its own: most of the time there is no second one.
    """

    __slots__ = ("_arrival", "_first", "_messages", "_size")

    def __init__(self) -> None:
        self._first: WSMessage | None = None
        self._messages: deque[WSMessage] | None = None
        self._size = 0
        self._arrival: Arrival | None = None  # there is none where messages go to a listener

    def __len__(self) -> int:
        return (self._first is not None) + (0 if self._messages is None else len(self._messages))

    @property
    def size(self) -> int:
        """Bytes of payload that wait."""
        return self._size

    def put(self, message: WSMessage) -> None:
        """Append a message."""
        if self._first is None:
            self._first = message
        else:
            if self._messages is None:
                self._messages = deque()
            self._messages.append(message)
        self._size += message.size

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
        """Have the waiting reader take what there is, now: for calls of the event loop, at their end. It is left alone
        when there is nothing: looking anew begins its timeout anew."""
        if self._first is not None and self._arrival is not None:
            self._arrival.wake()

    def wake_soon(self) -> None:
        """Let the waiting reader look in the next round of the event loop."""
        if self._arrival is not None:
            self._arrival.wake_soon()

    def arrival(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> Arrival:
        """What the reader waits for; `TimeoutError` after `timeout` seconds (None: never). `stop_waiting` follows."""
        arrival = self._arrival
        if arrival is None:
            arrival = self._arrival = Arrival()
        arrival.begin(loop, timeout)
        return arrival

    def stop_waiting(self) -> None:
        """The reader has come back from waiting, whatever woke it."""
        if self._arrival is not None:
            self._arrival.end()
