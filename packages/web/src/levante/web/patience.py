"""Asking something outside, a Redis for example, that may hang: nobody waits for it longer than is said, and when it
has not answered, those who come in the next moment are told at once. A thousand requests that each wait their turn
would be an outage of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from levante.http.insistence import insistent_timeout

REST: Final = 0.25
"""Seconds that what hangs is left alone; it is back for everybody that much later."""

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
            async with insistent_timeout(self._seconds), self._turn:
                return await call()
        except TimeoutError:
            self._resting_until = loop.time() + self._rest
            raise
