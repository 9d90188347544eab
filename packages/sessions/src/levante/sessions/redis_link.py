"""The way to Redis, for everything here that keeps something in it. Nothing waits for Redis longer than `patience`,
and whatever goes wrong with it is one error, SessionStoreUnavailable. When it hangs, those who come in the next moment
are told at once: a thousand requests that each wait their turn would be an outage of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .errors import SessionStoreUnavailable

PATIENCE: Final = 0.2  # seconds: nobody waits for a page longer than a quarter of one, because of its session
REST: Final = 0.25  # seconds that a Redis that hangs is left alone; it is back for everybody that much later
# A restart of Redis kills all pooled connections; the second attempt makes a new one. Every command here is safe to
# repeat: writes compare a version first.
RETRIES: Final = 1

_Answer = TypeVar("_Answer")


class RedisLink:
    """A client of one's own, made from a URL (redis://, rediss://, unix://), or somebody else's, which stays open."""

    def __init__(self, redis: "Redis | str", *, patience: float = PATIENCE) -> None:
        self._owned = isinstance(redis, str)
        self.client: Redis = (
            Redis.from_url(redis, retry=Retry(NoBackoff(), RETRIES)) if isinstance(redis, str) else redis
        )
        self._patience = patience
        self._resting_until = 0.0

    def __repr__(self) -> str:
        return "<Redis>"  # its URL may hold a password

    async def ask(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer to what `call` asks. Raises SessionStoreUnavailable."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._resting_until:
            raise SessionStoreUnavailable("TimeoutError")
        try:
            async with asyncio.timeout(self._patience):
                return await call()
        except TimeoutError:
            self._resting_until = loop.time() + REST
            raise SessionStoreUnavailable("TimeoutError") from None
        except (RedisError, OSError) as error:
            raise SessionStoreUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close the client, if it is our own."""
        if self._owned:
            await self.client.aclose()


def text(value: Any) -> str:  # Any: redis-py gives bytes or str, as the client was made
    """A value from Redis as str."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
