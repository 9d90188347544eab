"""Counting in this process, by the generic cell rate algorithm: of each key only one time is kept, at which all that it
used will be given back. So bursts up to the whole count are allowed, and what is given back comes evenly."""

import time
from collections.abc import Callable
from typing import Final

from .rates import Rate, RateLimits, Verdict

MAX_KEYS: Final = 100_000
"""About 15 MB. Whoever can make keys at will (addresses of IPv6, names at a login) could fill the memory otherwise."""


class MemoryLimits(RateLimits):
    """Of more than `max_keys` keys the one that was used longest ago is forgotten. `clock` gives monotonic seconds."""

    def __init__(self, *, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._full_at: dict[str, float] = {}  # in the order of last use

    def __len__(self) -> int:
        return len(self._full_at)

    async def hit(self, key: str, rate: Rate) -> Verdict:
        now = self._clock()
        each = rate.seconds / rate.count
        full_at = max(self._full_at.get(key, now), now)
        if full_at - now > rate.seconds - each:
            return Verdict(False, 0, full_at - now, full_at - now - (rate.seconds - each))
        full_at += each
        self._full_at.pop(key, None)
        while len(self._full_at) >= self._max_keys:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[key] = full_at
        return Verdict(True, int((now + rate.seconds - full_at) / each), full_at - now, 0.0)

    async def forget(self, key: str, rate: Rate) -> None:
        del rate
        self._full_at.pop(key, None)

    async def close(self) -> None:
        self._full_at.clear()
