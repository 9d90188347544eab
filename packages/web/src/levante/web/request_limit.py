"""How many requests run at once. Those beyond wait, in a queue that is bounded in length and in time, and what finds no
place there is refused at once: a server that takes on more than it can do does less than one that does not, and its
clients have given up by the time they are answered.
"""

import asyncio
import sys
from collections import deque
from typing import Final, TypeVar

MAX_IN_FLIGHT: Final = 1024
"""Requests that run at once in one process. hyper and granian have 1,024 for all processes together."""

MAX_QUEUED: Final = 1024
"""Requests that wait for one of those to end: as many again, which a server that works through its queue within
QUEUE_TIMEOUT can still answer.
"""

QUEUE_TIMEOUT: Final = 1.0
"""Seconds that a request waits for its turn; who waits longer for a page has pressed reload."""

_MARK = "_levante_never_shed"

T = TypeVar("T")


def never_shed(handler: T) -> T:
    """Mark a handler (a function or a View class) whose requests are served also when all places are taken: the
    question whether a server is alive must not depend on how busy it is. Works as a decorator.
    """
    setattr(handler, _MARK, True)
    return handler


def is_never_shed(handler: object) -> bool:
    """Whether `never_shed` has marked it."""
    return getattr(handler, _MARK, False) is True


class RequestLimit:
    """Places for running requests. `maximum` None is no limit; `timeout` is in seconds.

    A place is taken by adding one to `running` while `running < maximum`, or else by `wait`; it is given back by
    `leave`, or by taking one off while nobody is in the `queue`.
    """

    __slots__ = ("_max_queued", "_timeout", "maximum", "queue", "running", "shed")

    def __init__(
        self, maximum: int | None = MAX_IN_FLIGHT, *, max_queued: int = MAX_QUEUED, timeout: float = QUEUE_TIMEOUT
    ) -> None:
        if maximum is not None and maximum < 1:
            raise ValueError(f"max_in_flight is at least 1, or None for no limit; got {maximum!r}")
        self.maximum = sys.maxsize if maximum is None else maximum
        self.running = 0
        self.shed = 0
        self._max_queued = max_queued
        self._timeout = timeout
        self.queue: deque[asyncio.Future[None]] = deque()

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self.queue)

    async def wait(self) -> bool:
        """Wait for a place; False when there is none in time, or none to wait in."""
        if len(self.queue) >= self._max_queued:
            self.shed += 1
            return False
        turn = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            await asyncio.wait((turn,), timeout=self._timeout)
        except asyncio.CancelledError:
            if turn.done():
                self.leave()  # the place was given to somebody who does not want it any more
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self.queue.remove(turn)
        if turn.cancelled():
            self.shed += 1
            return False
        return True

    def leave(self) -> None:
        """Give a place back: to whoever has waited longest."""
        if self.queue:
            self.queue.popleft().set_result(None)
        else:
            self.running -= 1
