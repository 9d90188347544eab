"""Counting in Redis, for all processes and machines of a service together, by the library `limits` (the extra `limits`,
with redis-py). A window slides over two counters: an approximation that keeps two numbers a key."""

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from levante.web.patience import Patience

from .rates import Rate, RateLimits, Verdict

PATIENCE: Final = 0.1
"""Seconds to wait for Redis: counting must not be what makes a request slow."""

PREFIX: Final = "levante:rates"

RETRIES: Final = 1
"""A restart of Redis kills all pooled connections; the second attempt makes a new one. What is counted twice then is
less than what a restart forgets."""

_Answer = TypeVar("_Answer")


class SharedLimits(RateLimits):
    """`url` of a Redis (redis://, rediss://, unix://); `patience` in seconds; every key begins with `prefix`."""

    def __init__(self, url: str, *, prefix: str = PREFIX, patience: float = PATIENCE) -> None:
        self._pool: ConnectionPool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), RETRIES))
        # The pool is handed over as an option, whose type the library writes for options of plain values only.
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=prefix, wrap_exceptions=True, **options
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._patience = Patience(patience)

    async def hit(self, key: str, rate: Rate) -> Verdict:
        return await self._in_time(lambda: self._hit(key, rate))

    async def forget(self, key: str, rate: Rate) -> None:
        item = _item(rate)
        await self._in_time(lambda: self._storage.clear_sliding_window(item.key_for(key), item.get_expiry()))

    async def close(self) -> None:
        await self._pool.aclose()

    async def _hit(self, key: str, rate: Rate) -> Verdict:
        item = _item(rate)
        allowed = await self._limiter.hit(item, key)
        before, before_ends_in, now, lives = await self._storage.get_sliding_window(item.key_for(key), rate.seconds)
        # The counter of this window lives on through the next one.
        window = _Window(before, before_ends_in, now, lives % rate.seconds or rate.seconds)
        return Verdict(allowed, window.remaining(rate), window.ends_in(), 0.0 if allowed else window.next_one_in(rate))

    async def _in_time(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            return await self._patience.wait(call)
        except StorageError as error:
            raise OSError(f"Redis could not count: {error.storage_error}") from error


class _Window(NamedTuple):
    """What two counters tell; times in seconds. The earlier one counts for less the closer its end is."""

    before: int
    before_ends_in: float
    now: int
    now_ends_in: float

    def used(self, rate: Rate) -> float:
        return self.before * self.before_ends_in / rate.seconds + self.now

    def remaining(self, rate: Rate) -> int:
        return max(0, rate.count - math.floor(self.used(rate)))

    def ends_in(self) -> float:
        return self.now_ends_in if self.now else self.before_ends_in

    def next_one_in(self, rate: Rate) -> float:
        """When so much has been given back that one more fits."""
        excess = self.used(rate) - (rate.count - 1)
        fading = self.before * self.before_ends_in / rate.seconds
        if self.before and excess <= fading:
            return excess * rate.seconds / self.before
        # Not before the window that is now fades as well.
        return self.now_ends_in + max(0, self.now - (rate.count - 1)) * rate.seconds / max(1, self.now)


def _item(rate: Rate) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rate.count, rate.seconds)
