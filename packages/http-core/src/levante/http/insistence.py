"""A timeout that insists. `asyncio.timeout` cancels once, and a library may lose that: redis-py does now and then, when
it comes while a connection is made or given back, and then waits for the next thing. Here the cancellation comes again
until the block is left."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

__all__ = ["AGAIN", "insistent_timeout"]

AGAIN: Final = 0.05
"""Seconds between a cancellation and the next, until it is heeded."""


@asynccontextmanager
async def insistent_timeout(seconds: float) -> AsyncIterator[None]:
    """Give the block `seconds`; then cancel what runs in it until that ends, and raise TimeoutError. What comes to a
    good end even so is no error."""
    async with asyncio.timeout(seconds):
        with _cancelled_again(asyncio.get_running_loop(), seconds + AGAIN):
            yield


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
