"""Counting in this process, by the generic cell rate algorithm: of each key only one time is kept, at which all that it
used will be given back. So bursts up to the whole count are allowed, and what is given back comes evenly."""

import time
from collections.abc import Callable
from typing import Final

from .rates import Rate, RateLimits, Verdict

NANOSECONDS: Final = 10**9
"""In a second."""

MAX_KEYS: Final = 100_000
"""About 15 MB. Whoever can make keys at will (addresses of IPv6, names at a login) could fill the memory otherwise."""


class MemoryLimits(RateLimits):
    """Of more than `max_keys` keys the one that was used longest ago is forgotten. `clock` gives monotonic seconds."""

    def __init__(self, *, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._full_at: dict[tuple[str, Rate], int] = {}  # in the order of last use

    def __len__(self) -> int:
        return len(self._full_at)

    async def hit(self, key: str, rate: Rate) -> Verdict:
        # In parts of a nanosecond of which each one costs a whole number: fractions would add up to a little more than
        # the whole, and the last one of a burst would be refused.
        now = int(self._clock() * NANOSECONDS) * rate.count
        each = rate.seconds * NANOSECONDS
        whole, part = each * rate.count, NANOSECONDS * rate.count
        entry = key, rate
        used = max(self._full_at.get(entry, now) - now, 0)
        if used > whole - each:
            return Verdict(False, 0, used / part, (used - (whole - each)) / part)
        used += each
        self._full_at.pop(entry, None)
        while len(self._full_at) >= self._max_keys:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[entry] = now + used
        return Verdict(True, (whole - used) // each, used / part, 0.0)

    async def forget(self, key: str, rate: Rate) -> None:
        self._full_at.pop((key, rate), None)

    async def close(self) -> None:
        self._full_at.clear()
