"""Asking something outside, a Redis for example, that may hang: nobody waits for it longer than is said, and when it
has not answered, those who come in the next moment are told at once. A thousand requests that each wait their turn
would be an outage of their own. redis-py loses a cancellation now and then, so one that is not heeded comes again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

REST: Final = 0.25
"""Seconds that what hangs is left alone; it is back for everybody that much later."""

AGAIN: Final = 0.05
"""Seconds between a cancellation and the next, until it is heeded."""

AT_ONCE: Final = 50
"""Questions that are under way at the same time; further ones wait for their turn. A pool of redis-py refuses to give a
101st connection, which would be an outage made of nothing but visitors."""

_Answer = TypeVar("_Answer")


class Patience:
    """Waits `seconds` for an answer, and not at all for `rest` seconds after one that did not come. At most `at_once`
    questions are under way."""

    def __init__(self, seconds: float, *, rest: float = REST, at_once: int = AT_ONCE) -> None:
        self._seconds = seconds
        self._rest = rest
        self._resting_until = 0.0
        self._turn = asyncio.Semaphore(at_once)

    async def wait(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer. Raises TimeoutError, and whatever `call` raises."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._resting_until:
            raise TimeoutError("there was no answer a moment ago")
        try:
            async with asyncio.timeout(self._seconds):
                with _cancelled_again(loop, self._seconds + AGAIN):
                    async with self._turn:
                        return await call()
        except TimeoutError:
            self._resting_until = loop.time() + self._rest
            raise


@contextmanager
def _cancelled_again(loop: asyncio.AbstractEventLoop, seconds: float) -> Iterator[None]:
    """Cancel the running task after so many seconds, and again and again until it leaves the block; the cancellations
    are taken back then, and the one of the timeout around it remains."""
    task = asyncio.current_task()
    timers: list[asyncio.TimerHandle] = []

    def cancel() -> None:
        if task is not None and task.cancel():
            timers.append(loop.call_later(AGAIN, cancel))

    timers.append(loop.call_later(seconds, cancel))
    try:
        yield
    finally:
        timers[-1].cancel()
        for _ in timers[1:]:
            if task is not None:
                task.uncancel()
