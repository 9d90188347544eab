"""The way to Redis, for everything here that keeps something in it. Nothing waits for Redis longer than `patience`,
and whatever goes wrong with it is one error, SessionStoreUnavailable."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from levante.web.patience import Patience

from .errors import SessionStoreUnavailable

PATIENCE: Final = 0.2  # seconds: nobody waits for a page longer than a quarter of one, because of its session
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
        self._patience = Patience(patience)

    def __repr__(self) -> str:
        return "<Redis>"  # its URL may hold a password

    async def ask(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer to what `call` asks. Raises SessionStoreUnavailable."""
        try:
            return await self._patience.wait(call)
        except (RedisError, OSError) as error:  # TimeoutError is one of OSError
            raise SessionStoreUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close the client, if it is our own."""
        if self._owned:
            await self.client.aclose()


def text(value: Any) -> str:  # Any: redis-py gives bytes or str, as the client was made
    """A value from Redis as str."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
