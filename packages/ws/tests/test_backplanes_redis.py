"""The backplane on a real Redis: rooms of several processes hear each other, and an outage is survived and healed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis_servers import RedisServer

from levante.ws import Rooms, WebSocketConnection
from levante.ws.backplanes.redis import RedisBackplane

SHORTLY = 0.01
HEALED = 2.0  # seconds, from Redis being back to hearing each other


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator["Redis"]:
    async with Redis.from_url(server.url) as client:
        yield client


async def until(question: Callable[[], Awaitable[object] | object]) -> float:
    """Ask until the answer is true; the seconds that took."""
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        while True:
            answer = question()
            if await answer if isinstance(answer, Awaitable) else answer:
                return asyncio.get_running_loop().time() - started
            await asyncio.sleep(SHORTLY)


async def subscribed(redis: "Redis", channel: str, count: int = 1) -> None:
    async def asked() -> bool:
        return dict(await redis.pubsub_numsub(channel))[channel.encode()] == count

    await until(asked)


class Side:
    """One process, as far as rooms go: its rooms with one member, and what that member's client was sent."""

    def __init__(self, server: RedisServer, **options: Any) -> None:
        self.backplane = RedisBackplane(server.url, **options)
        self.rooms = Rooms(backplane=self.backplane)
        self.client: WebSocketConnection
        self.got: list[Any] = []
        self._reading: asyncio.Task[None] | None = None

    async def open(self, loopback: Any, room: str = "a") -> "Side":
        await self.rooms.start()
        ours, self.client = await loopback.pair()
        self.rooms.join(ours, room)
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        async for message in self.client:
            self.got.append(message.data)

    async def close(self) -> None:
        await self.rooms.stop()
        if self._reading is not None:
            await self._reading


@pytest.fixture
async def sides(server: RedisServer, redis: "Redis", loopback: Any) -> AsyncIterator[tuple[Side, Side]]:
    """Two processes with one member each in room "a", connected."""
    here, there = await Side(server).open(loopback), await Side(server).open(loopback)
    await subscribed(redis, "levante:rooms:a", 2)
    yield here, there
    await here.close()
    await there.close()


@pytest.mark.parity("U20")
async def test_rooms_of_two_processes_hear_each_other_and_nobody_himself(sides: tuple[Side, Side]) -> None:
    here, there = sides
    for number in range(300):
        assert await here.rooms.broadcast("a", f"grüße {number}") == 1
    await there.rooms.broadcast("a", b"\x00bytes")
    texts = [f"grüße {number}" for number in range(300)]
    await until(lambda: there.got == [b"\x00bytes", *texts])
    await until(lambda: here.got == [*texts, b"\x00bytes"])
    assert (here.backplane.lost, here.backplane.waiting, here.backplane.rejected) == (0, 0, 0)


async def test_only_rooms_with_members_are_subscribed_to(
    server: RedisServer, redis: "Redis", loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.backplanes.redis.SUBSCRIBE_BATCH", 2)
    rooms = Rooms(backplane=RedisBackplane(server.url, prefix="p:"))
    ours, _ = await loopback.pair()
    names = ["ü", "b", "c", "d", "e"]
    for name in names[:3]:
        rooms.join(ours, name)  # before the start
    async with rooms:
        for name in names[3:]:
            rooms.join(ours, name)
        for name in names:
            await subscribed(redis, f"p:{name}")
        rooms.leave(ours, "ü")
        await subscribed(redis, "p:ü", 0)
        rooms.join(ours, "ü")
        await subscribed(redis, "p:ü")
        ours.abort()
        for name in names:
            await subscribed(redis, f"p:{name}", 0)
    assert await redis.pubsub_channels() == []


async def test_what_is_no_broadcast_is_counted_and_what_comes_twice_is_heard_once(
    sides: tuple[Side, Side], redis: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    here, _ = sides
    head = b"\x01T" + b"stranger" + (7).to_bytes(8, "big")
    wrong = [b"", b"hello", head[:-1], b"\x02" + head[1:], b"\x01X" + head[2:], head + b"\xff"]
    for data in wrong:
        await redis.publish("levante:rooms:a", data)
    for data in (head + b"first", head + b"again", b"\x01B" + head[2:-1] + b"\x08next"):
        await redis.publish("levante:rooms:a", data)
    await until(lambda: here.got == ["first", b"next"])
    assert here.backplane.rejected == len(wrong)
    assert "is no broadcast" in caplog.text


async def test_strangers_are_forgotten_in_the_end(
    sides: tuple[Side, Side], redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.backplanes.redis.REMEMBERED_ORIGINS", 3)
    here, _ = sides
    for number in range(10):
        await redis.publish("levante:rooms:a", b"\x01T" + b"%08d" % number + (1).to_bytes(8, "big") + b"%d" % number)
    await until(lambda: len(here.got) == 10)
    assert list(here.backplane._heard) == [b"%08d" % number for number in (7, 8, 9)]


@pytest.mark.hardening("X18")
async def test_redis_is_killed_and_restarted_during_a_stream_of_broadcasts(
    sides: tuple[Side, Side], server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = sides
    sent: list[str] = []
    is_over = False

    async def stream() -> None:
        while not is_over:
            sent.append(str(len(sent)))
            before = asyncio.get_running_loop().time()
            await here.rooms.broadcast("a", sent[-1])
            assert asyncio.get_running_loop().time() - before < 0.25
            await asyncio.sleep(0.002)

    streaming = asyncio.create_task(stream())
    try:
        await until(lambda: len(there.got) > 20)
        server.kill()
        await until(lambda: not here.backplane.connected and not there.backplane.connected)
        during = len(sent)
        await until(lambda: len(sent) > during + 50)
        await asyncio.to_thread(server.start)
        heard = len(there.got)
        assert await until(lambda: len(there.got) > heard + 20) < HEALED
    finally:
        is_over = True
        await streaming
    await until(lambda: here.got == sent)  # local delivery has never stopped
    await until(lambda: there.got and there.got[-1] == sent[-1])
    numbers = [int(text) for text in there.got]
    assert numbers == sorted(set(numbers))  # in order, nothing twice
    assert (here.backplane.outages, there.backplane.outages, here.backplane.lost) == (1, 1, 0)
    assert caplog.text.count("Redis is away") == caplog.text.count("Redis is back") == 2


@pytest.mark.hardening("X18")
async def test_redis_that_hangs_is_found_out_and_hinders_nobody(
    sides: tuple[Side, Side], server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.backplanes.redis.REDIS_ANSWER", 0.2)
    here, there = sides
    await until(lambda: here.backplane.connected)
    server.hang()
    started = asyncio.get_running_loop().time()
    await here.rooms.broadcast("a", "alone")
    assert asyncio.get_running_loop().time() - started < 0.25
    await until(lambda: here.got == ["alone"])
    await until(lambda: here.backplane.outages and there.backplane.outages)
    assert here.backplane.waiting == 1
    server.go_on()
    assert await until(lambda: here.backplane.connected and there.backplane.connected) < HEALED
    await here.rooms.broadcast("a", "together")
    await until(lambda: there.got[-1:] == ["together"])


@pytest.mark.hardening("X18")
async def test_a_silent_redis_is_told_from_one_that_hangs(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.backplanes.redis.REDIS_ANSWER", 0.3)
    pings = []
    ping = PubSub.ping
    monkeypatch.setattr(PubSub, "ping", lambda channels: pings.append(None) or ping(channels))
    backplane = RedisBackplane(server.url)
    await backplane.start(nobody)
    await until(lambda: len(pings) > 2)
    assert (backplane.connected, backplane.outages) == (True, 0)
    server.hang()
    await until(lambda: backplane.outages)
    assert "no answer to PING" in caplog.text
    server.go_on()
    await until(lambda: backplane.connected)
    await backplane.stop()


@pytest.mark.hardening("X18")
async def test_a_wrong_password_is_said_once_and_local_delivery_goes_on(
    tmp_path: Path, loopback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path, password="right") as server:
        side = await Side(server).open(loopback)
        await side.rooms.broadcast("a", "hello")
        await until(lambda: side.got == ["hello"])
        attempts = []
        side.backplane._session = count(attempts, side.backplane._session)  # type: ignore[method-assign]
        await until(lambda: len(attempts) > 2)
        assert (side.backplane.connected, side.backplane.outages) == (False, 1)
        assert caplog.text.count("Redis is away") == 1
        assert "right" not in caplog.text
        await side.close()
        assert "1 broadcasts were not passed on" in caplog.text


def count(calls: list[None], function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def counted(*args: Any) -> None:
        calls.append(None)
        await function(*args)

    return counted


async def test_what_waits_for_redis_is_bounded(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    backplane = RedisBackplane(server.url, max_messages=3, max_bytes=1000)
    await backplane.start(nobody)
    await until(lambda: backplane.connected)
    for _ in range(5):
        await backplane.publish("a", "x")
    await backplane.publish("a", bytes(2000))
    assert (backplane.lost, backplane.waiting) == (3, 3)
    assert caplog.text.count("a broadcast was dropped") == 1
    await until(lambda: not backplane.waiting)
    await until(lambda: not backplane._overflowing)
    await backplane.stop()
    await backplane.stop()


async def nobody(room: str, data: str | bytes) -> None:
    """Where broadcasts go that nobody is there for."""


async def test_a_stop_publishes_what_waits(sides: tuple[Side, Side]) -> None:
    here, there = sides
    for number in range(200):
        await here.rooms.broadcast("a", str(number))
    await here.rooms.stop()
    await until(lambda: there.got == [str(number) for number in range(200)])
    assert here.backplane.lost == 0


async def test_a_stop_ends_though_a_cancellation_is_lost_on_the_way(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As redis-py loses one that meets it while it connects."""
    lost = []

    async def session(deliver: Any) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            lost.append(None)
            raise ConnectionResetError from None

    backplane = RedisBackplane(server.url)
    monkeypatch.setattr(backplane, "_session", session)
    starting = asyncio.create_task(backplane.start(nobody))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await backplane.stop()
    assert len(lost) == 1
    starting.cancel()


async def test_children_of_a_fork_are_not_taken_for_each_other(
    server: RedisServer, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before the fork (by gunicorn's preload, say) is the same in all of them."""
    heard: list[str | bytes] = []

    async def deliver(room: str, data: str | bytes) -> None:
        heard.append(data)

    monkeypatch.setattr("os.urandom", lambda count: bytes(count))
    here, there = RedisBackplane(server.url), RedisBackplane(server.url)
    monkeypatch.undo()
    assert here._origin == there._origin
    there._process += 1
    there.count_changed("a", 1)
    await there.start(deliver)
    await here.start(nobody)
    await subscribed(redis, "levante:rooms:a")
    await here.publish("a", "hello")
    await until(lambda: heard == ["hello"])
    await here.stop()
    await there.stop()


async def test_an_error_in_delivery_is_told_and_the_next_broadcast_is_delivered(
    server: RedisServer, redis: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str | bytes] = []

    async def deliver(room: str, data: str | bytes) -> None:
        got.append(data)
        if data == "bad":
            raise RuntimeError("a fault of ours")

    here, there = RedisBackplane(server.url), RedisBackplane(server.url)
    there.count_changed("a", 1)
    await there.start(deliver)
    await here.start(nobody)
    await here.publish("a", "bad")
    await until(lambda: there.outages == 1)
    await until(lambda: there.connected)
    await here.publish("a", "good")
    await until(lambda: got == ["bad", "good"])
    assert caplog.text.count("a fault of ours") >= 1
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]
    with pytest.raises(RuntimeError, match="started already"):
        await here.start(deliver)
    await here.stop()
    await there.stop()
