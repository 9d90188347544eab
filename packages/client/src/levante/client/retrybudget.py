"""How many retries there may be beside the requests that are made anyway. When a server is down every request fails,
and three attempts each would treble the load that it comes back to; a budget makes that a tenth more. A bucket of
tokens for each origin: a request puts a share of one in, a retry takes one out."""

import time
from collections.abc import Callable

from yarl import URL

# Precedent: Finagle's retry budget: one retry for ten requests, and some for those that make few.
RATIO = 0.1
PER_SECOND = 0.5
BURST = 10.0
# Origins whose buckets are kept: one that is forgotten begins with a full one.
MAX_ORIGINS = 1024
# Ten times a tenth is a little less than one.
_ROUNDING = 1e-9


class RetryBudget:
    """Over any time, an origin gets at most `ratio` retries for each request, `per_second` for each second, and `burst`
    that have been saved up, which is what it begins with. ValueError for negative ones, and for a burst below 1."""

    def __init__(
        self,
        ratio: float = RATIO,
        *,
        per_second: float = PER_SECOND,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (ratio >= 0 and per_second >= 0 and burst >= 1):
            raise ValueError(
                f"expected ratio >= 0, per_second >= 0 and burst >= 1; got {ratio!r}, {per_second!r} and {burst!r}"
            )
        self._ratio = ratio
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[URL, tuple[float, float]] = {}

    def tokens(self, origin: URL) -> float:
        """How many retries of requests to `origin` may be made now."""
        now = self._clock()
        left, since = self._buckets.get(origin, (self._burst, now))
        return min(self._burst, left + (now - since) * self._per_second)

    def deposit(self, origin: URL) -> None:
        """A request is made to `origin`."""
        self._keep(origin, min(self._burst, self.tokens(origin) + self._ratio))

    def withdraw(self, origin: URL) -> bool:
        """Whether a retry to `origin` may be made; if so it is counted."""
        left = self.tokens(origin)
        if left < 1 - _ROUNDING:
            return False
        self._keep(origin, max(0.0, left - 1))
        return True

    def _keep(self, origin: URL, left: float) -> None:
        self._buckets.pop(origin, None)
        if len(self._buckets) >= MAX_ORIGINS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[origin] = (left, self._clock())
