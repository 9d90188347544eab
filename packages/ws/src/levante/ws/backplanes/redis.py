"""A backplane on Redis: rooms across processes and machines by publish and subscribe.

Every room is a channel, and each process subscribes to those in which it has members. A broadcast carries the identity
of the process that it comes from and a number that only grows: so nobody hears himself, and a batch that is published
again after a failure is heard once. One task keeps a session with Redis: subscribe, then read, publish and follow what
is watched at the same time, until anything fails; then it waits a little, longer each time, and begins anew. Redis
that hangs is told from one that is silent by a ping. Nothing here ever waits for Redis but that task; while Redis is
away broadcasts wait in a bounded queue. Delivery is at most once: what is published while a process is not connected,
that process never hears.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from levante.ws.limits import (
    CANCEL_AGAIN,
    OUTGOING_BATCH,
    OUTGOING_BYTES,
    OUTGOING_MESSAGES,
    REDIS_ANSWER,
    REDIS_RETRY_FIRST,
    REDIS_RETRY_LAST,
    REMEMBERED_ORIGINS,
    SUBSCRIBE_BATCH,
)
from levante.ws.rooms import Deliver

from .cancellation import is_cancelled
from .outgoing import Outgoing
from .presence import Presence

__all__ = ["RedisBackplane"]

_logger = logging.getLogger("levante.ws")

# A broadcast on the wire: version, kind, origin, number (big-endian), then the payload.
_VERSION = 1
_TEXT, _BINARY = b"T", b"B"
_ORIGIN_BYTES = 8
_NUMBER_BYTES = 8
_HEAD_BYTES = 2 + _ORIGIN_BYTES + _NUMBER_BYTES


class RedisBackplane:
    """Give it to `Rooms(backplane=...)`; every process that uses the same Redis and `prefix` takes part.

    `url` is one that redis-py takes: `redis://`, `rediss://` or `unix://`. `max_messages` and `max_bytes` bound what
    waits while Redis is away or slow. `outages` counts how often Redis was lost or not found, `rejected` what was found
    in a channel and is no broadcast.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "levante:rooms:",
        max_messages: int = OUTGOING_MESSAGES,
        max_bytes: int = OUTGOING_BYTES,
    ) -> None:
        self._url = url
        self._prefix = prefix
        self._become_somebody()
        self._number = 0
        self._outgoing = Outgoing(max_messages=max_messages, max_bytes=max_bytes, batch=OUTGOING_BATCH)
        self._rooms: set[str] = set()
        self._changes: dict[str, bool] = {}
        self._changed = asyncio.Event()
        self._in_session = False
        self._heard: OrderedDict[bytes, int] = OrderedDict()
        self._deliver: Deliver | None = None
        self._task: asyncio.Task[None] | None = None
        self._decided = asyncio.Event()
        self._lost_at: float | None = None
        self._lost_before = 0
        self._overflowing = False
        self.connected = False
        self.outages = 0
        self.rejected = 0

    @property
    def lost(self) -> int:
        """Broadcasts that were dropped before Redis took them."""
        return self._outgoing.lost

    @property
    def waiting(self) -> int:
        """Broadcasts that Redis has not taken yet."""
        return len(self._outgoing)

    async def start(self, deliver: Deliver) -> None:
        """Begin; returns when the first attempt to reach Redis has succeeded or failed. An outage does not raise."""
        if self._task is not None:
            raise RuntimeError("the backplane was started already; each Rooms needs one of its own")
        if self._process != os.getpid():
            self._become_somebody()  # made before a fork, of whose children each is a process of its own
        self._deliver = deliver
        self._task = asyncio.create_task(self._run(deliver))
        await self._decided.wait()

    def count_changed(self, room: str, count: int) -> None:
        """Subscribe to `room` with its first member, give that up with its last, soon; tell the others the count."""
        self._presence.set_count(room, count)
        if not count:
            self._rooms.discard(room)
            self._change(room, wanted=False)
        elif room not in self._rooms:
            self._rooms.add(room)
            self._change(room, wanted=True)

    async def count_elsewhere(self, room: str) -> int:
        """The members of `room` in other processes; 0 while Redis is away or does not answer within 0.2 seconds. A
        process that was killed is counted for up to 15 seconds more."""
        return await self._presence.elsewhere(room)

    async def publish(self, room: str, data: str | bytes) -> None:
        """Queue a broadcast for the others; never waits."""
        lost = self.lost
        self._number += 1
        kind, payload = (_TEXT, data.encode("utf-8")) if isinstance(data, str) else (_BINARY, bytes(data))
        number = self._number.to_bytes(_NUMBER_BYTES, "big")
        self._outgoing.put(self._prefix + room, bytes([_VERSION]) + kind + self._origin + number + payload)
        if self.lost > lost and self.connected and not self._overflowing:
            self._overflowing = True
            _logger.warning("a broadcast was dropped: Redis takes them more slowly than they come, or it is too large")

    async def stop(self) -> None:
        """Publish what waits, if Redis is there and takes it within a second, and disconnect."""
        task, self._task = self._task, None
        if task is None:
            return
        if self.connected:
            with contextlib.suppress(RedisError, OSError):  # TimeoutError is one
                async with asyncio.timeout(REDIS_ANSWER):
                    await self._outgoing.wait_idle()
                    await self._presence.withdraw()
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN)
        self.connected = False
        self._decided.clear()
        if count := self._outgoing.clear():
            _logger.warning("%d broadcasts were not passed on to other processes before the stop", count)

    def _become_somebody(self) -> None:
        """Take an identity that no other process has."""
        self._process = os.getpid()
        self._origin = os.urandom(_ORIGIN_BYTES)
        family = self._prefix.rstrip(":")
        # No room has it: it is there for the process to be subscribed to something, and to see that it is.
        self._own_channel = f"{family}@{self._origin.hex()}"
        self._presence = Presence(f"{family}@{self._origin.hex()}:counts", f"{family}@everybody")

    # The session with Redis.

    async def _run(self, deliver: Deliver) -> None:
        delay = REDIS_RETRY_FIRST
        while True:
            try:
                await self._session(deliver)
            except* (RedisError, OSError) as errors:
                self._lose_redis(errors.exceptions[0])
            except* Exception as errors:
                # Nobody awaits this task: what went wrong is told here, and the next session goes on behind it.
                _logger.exception("delivering a broadcast of another process failed", exc_info=errors.exceptions[0])
                self._lose_redis(errors.exceptions[0])
            if self._task is None:
                return  # it was cancelled, and that has become an error on its way
            if self.connected:
                self.connected, delay = False, REDIS_RETRY_FIRST
            # The chance is for spreading attempts, and guards nothing.
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311
            delay = min(delay * 2, REDIS_RETRY_LAST)

    async def _session(self, deliver: Deliver) -> None:
        client = Redis.from_url(
            self._url,
            protocol=2,  # what every server that speaks like Redis understands
            decode_responses=False,
            socket_timeout=REDIS_ANSWER,
            socket_connect_timeout=REDIS_ANSWER,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        try:
            async with client.pubsub() as channels:
                await self._subscribe(channels, deliver)
                self._find_redis()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(channels, deliver))
                    group.create_task(self._follow(channels))
                    group.create_task(self._send(client))
                    group.create_task(self._presence.keep(client))
        finally:
            self._in_session = False
            await client.aclose()

    async def _subscribe(self, channels: PubSub, deliver: Deliver) -> None:
        """Subscribe to all that is watched, and see it confirmed."""
        self._changes.clear()
        self._in_session = True
        await self._apply(channels.subscribe, tuple(self._rooms))
        await channels.subscribe(self._own_channel)
        own = self._own_channel.encode()
        while True:
            message = await channels.get_message(timeout=REDIS_ANSWER)
            if message is None:
                raise TimeoutError(f"no answer to SUBSCRIBE within {REDIS_ANSWER:g} s")
            if message["type"] == "subscribe" and message["channel"] == own:
                return
            await self._arrived(message, deliver)

    async def _read(self, channels: PubSub, deliver: Deliver) -> None:
        while not is_cancelled():
            message = await channels.get_message(timeout=REDIS_ANSWER)
            if message is None:
                await channels.ping()
                message = await channels.get_message(timeout=REDIS_ANSWER)
                if message is None:
                    raise TimeoutError(f"no answer to PING within {REDIS_ANSWER:g} s")
            await self._arrived(message, deliver)

    async def _follow(self, channels: PubSub) -> None:
        """Subscribe to what becomes watched, and unsubscribe from what no longer is."""
        while not is_cancelled():
            await self._changed.wait()
            self._changed.clear()
            changes, self._changes = self._changes, {}
            await self._apply(channels.subscribe, [room for room, wanted in changes.items() if wanted])
            await self._apply(channels.unsubscribe, [room for room, wanted in changes.items() if not wanted])

    async def _apply(self, command: Any, rooms: Iterable[str]) -> None:  # Any: redis-py leaves its type open
        names = (self._prefix + room for room in rooms)
        while batch := tuple(islice(names, SUBSCRIBE_BATCH)):
            await command(*batch)

    async def _send(self, client: "Redis") -> None:
        while not is_cancelled():
            batch = await self._outgoing.take()
            async with client.pipeline(transaction=False) as pipeline:
                for channel, payload in batch:
                    pipeline.publish(channel, payload)
                await pipeline.execute()
            self._outgoing.confirm()
            if not self._outgoing:
                self._overflowing = False

    # What comes.

    async def _arrived(self, message: dict[str, Any], deliver: Deliver) -> None:  # as redis-py has it
        if message["type"] != "message":
            return
        data: bytes = message["data"]
        origin, kind = data[2 : 2 + _ORIGIN_BYTES], data[1:2]
        if origin == self._origin:
            return
        text: str | bytes = data[_HEAD_BYTES:]
        try:
            room = message["channel"].decode("utf-8").removeprefix(self._prefix)
            if len(data) < _HEAD_BYTES or data[0] != _VERSION or kind not in (_TEXT, _BINARY):
                raise ValueError(f"got {data[:_HEAD_BYTES]!r}; expected a broadcast of version {_VERSION}")
            if kind == _TEXT:
                text = data[_HEAD_BYTES:].decode("utf-8")
        except ValueError as error:
            self.rejected += 1
            _logger.warning("something in a channel of the rooms is no broadcast: %s", error)
            return
        if self._is_news(origin, int.from_bytes(data[2 + _ORIGIN_BYTES : _HEAD_BYTES], "big")):
            await deliver(room, text)

    def _is_news(self, origin: bytes, number: int) -> bool:
        if number <= self._heard.get(origin, 0):
            return False
        self._heard[origin] = number
        self._heard.move_to_end(origin)
        if len(self._heard) > REMEMBERED_ORIGINS:
            self._heard.popitem(last=False)
        return True

    # How it goes.

    def _change(self, room: str, *, wanted: bool) -> None:
        if self._in_session:  # else the next one begins with all that is watched
            self._changes[room] = wanted
            self._changed.set()

    def _find_redis(self) -> None:
        self.connected = True
        if self._lost_at is not None:
            seconds = asyncio.get_running_loop().time() - self._lost_at
            _logger.warning(
                "Redis is back after %.1f s; rooms span processes again, %d broadcasts were dropped and %d waited",
                seconds,
                self.lost - self._lost_before,
                self.waiting,
            )
            self._lost_at = None
        self._decided.set()

    def _lose_redis(self, error: BaseException) -> None:
        """Say so once an outage."""
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
            self._lost_before = self.lost
            self.outages += 1
            _logger.warning("Redis is away (%s: %s); rooms go on in this process alone", type(error).__name__, error)
        self._decided.set()
