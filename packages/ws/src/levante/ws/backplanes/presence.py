"""How many members rooms have in other processes, kept in Redis so that a process that dies takes its members along.

Every process has a hash of its own with the count of each of its rooms; the hash lives for PRESENCE_LIFE and is renewed
long before. What changed is written a moment later, all of it together, so a thousand members that leave at once are
one command. Who asks reads the hashes of the others. Nothing here is locked and nothing has to be cleaned up: a hash
that expired (its process is dead, or was stopped for long) counts for nothing, and its process, should it go on, writes
it whole.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from levante.http.insistence import insistent_timeout
from levante.ws.limits import PRESENCE_ANSWER, PRESENCE_LIFE, PRESENCE_PAUSE, PRESENCE_REFRESH

from .cancellation import is_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["Presence"]

_logger = logging.getLogger("levante.ws")

# Fields of rooms begin with this; the one that does not is there for the hash of a process without members to exist.
_ROOM = ":"
_ALIVE = "alive"


class Presence:
    """The counts of one process, named `own`, among those of all; `everybody` is the set of their names."""

    def __init__(self, own: str, everybody: str) -> None:
        self._own = own
        self._everybody = everybody
        self._counts: dict[str, int] = {}
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._asking = asyncio.Lock()  # a burst of questions does not become a burst of connections
        self._client: Redis | None = None
        self._is_refused = False

    def set_count(self, room: str, count: int) -> None:
        """`room` has `count` members here now."""
        if count:
            self._counts[room] = count
        else:
            self._counts.pop(room, None)
        if self._client is not None:  # else the next session begins with all counts
            self._changed.add(room)
            self._news.set()

    async def keep(self, client: "Redis") -> None:
        """Tell Redis, for as long as a session with it lasts."""
        self._client = client
        try:
            while not is_cancelled():
                try:
                    await self._follow(client)
                except ResponseError as error:
                    self._complain(error)
                    await asyncio.sleep(PRESENCE_REFRESH)
        finally:
            self._client = None

    async def _follow(self, client: "Redis") -> None:
        await self._write_all(client)
        self._is_refused = False
        await self._prune(client)
        while not is_cancelled():
            try:
                async with asyncio.timeout(PRESENCE_REFRESH):
                    await self._news.wait()
            except TimeoutError:
                await self._prune(client)
            self._news.clear()
            if not await self._write(client, self._take_changed()):
                await self._write_all(client)
            await asyncio.sleep(PRESENCE_PAUSE)

    def _complain(self, error: ResponseError) -> None:
        """Redis is there, and takes no counts: it is read-only, or full, or the user may not write. Say so once."""
        if not self._is_refused:
            self._is_refused = True
            _logger.warning("Redis does not take how many members rooms have here (%s)", error)

    async def elsewhere(self, room: str) -> int:
        """How many members `room` has in other processes; 0 while Redis cannot tell."""
        client = self._client
        if client is None:
            return 0
        try:
            async with insistent_timeout(PRESENCE_ANSWER), self._asking:
                others = await self._others(client)
                async with client.pipeline(transaction=False) as pipeline:
                    for name in others:
                        pipeline.hget(name, _ROOM + room)
                    counts: list[bytes | None] = await pipeline.execute()
        except (RedisError, OSError):  # TimeoutError is one
            return 0  # the session notices, and logs it
        return sum(int(count) for count in counts if count is not None and count.isdigit())

    async def withdraw(self) -> None:
        """Nobody is here any more."""
        client = self._client
        if client is not None:
            async with client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._own)
                pipeline.srem(self._everybody, self._own)
                await pipeline.execute()

    def _take_changed(self) -> Iterable[str]:
        changed, self._changed = self._changed, set()
        return changed

    async def _write_all(self, client: "Redis") -> None:
        self._changed.clear()
        await self._write(client, tuple(self._counts), anew=True)

    async def _write(self, client: "Redis", rooms: Iterable[str], *, anew: bool = False) -> bool:
        """Write the counts of `rooms` and renew the hash; False when it was gone, so that it takes more than these."""
        # Any: redis-py wants the union of all that it takes
        present: dict[Any, Any] = {_ROOM + room: self._counts[room] for room in rooms if room in self._counts}
        absent = [_ROOM + room for room in rooms if room not in self._counts]
        async with client.pipeline(transaction=True) as pipeline:
            if anew:
                pipeline.delete(self._own)
            else:
                pipeline.exists(self._own)
            pipeline.hset(self._own, mapping={_ALIVE: 1, **present})
            if absent:
                pipeline.hdel(self._own, *absent)
            pipeline.expire(self._own, PRESENCE_LIFE)
            pipeline.sadd(self._everybody, self._own)
            existed, *_ = await pipeline.execute()
        return anew or bool(existed)

    async def _others(self, client: "Redis") -> list[bytes]:
        own = self._own.encode()
        names: Any = await client.smembers(self._everybody)  # Any: redis-py leaves it open
        return [name for name in names if name != own]

    async def _prune(self, client: "Redis") -> None:
        """Strike out the names whose hash has expired; one whose process goes on enters its name again."""
        others = await self._others(client)
        async with client.pipeline(transaction=False) as pipeline:
            for name in others:
                pipeline.exists(name)
            found = await pipeline.execute()
        if dead := [name for name, exists in zip(others, found, strict=True) if not exists]:
            await client.srem(self._everybody, *dead)
