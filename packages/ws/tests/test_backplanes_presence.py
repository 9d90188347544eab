"""How many are in a room across processes: right, gone with a process that dies, and no burden while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import free_port
from redis.asyncio import Redis
from redis_servers import RedisServer

from levante.ws import Rooms
from levante.ws.backplanes import presence
from levante.ws.backplanes.redis import RedisBackplane

pytestmark = pytest.mark.slow

NO_WAIT = 0.25  # seconds that nobody may wait longer than, whatever Redis does
TURNS = 100  # of the loop, which end what is due already


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator["Redis"]:
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


def process(server: RedisServer) -> Rooms:
    return Rooms(backplane=RedisBackplane(server.url))


async def until(question: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while not await question():
            await asyncio.sleep(0.01)


async def counted(rooms: Rooms, expected: int, room: str = "a") -> None:
    async def asked() -> bool:
        return await rooms.presence(room) == expected

    await until(asked)


async def members(loopback: Any, rooms: Rooms, count: int, room: str = "a") -> list[Any]:
    ours = [(await loopback.pair())[0] for _ in range(count)]
    for each in ours:
        rooms.join(each, room)
    return ours


async def cut_off(rooms: Rooms) -> None:
    """End the backplane as if the process were gone: nothing is told to Redis any more."""
    backplane: Any = rooms._backplane
    backplane._task.cancel()
    await asyncio.wait([backplane._task])
    backplane._task = None


@pytest.mark.parity("U20")
async def test_members_of_all_processes_are_counted(server: RedisServer, redis: "Redis", loopback: Any) -> None:
    one, two, three = process(server), process(server), process(server)
    early = await members(loopback, one, 2)
    async with one, two, three:
        await counted(two, 2)
        await members(loopback, two, 3)
        await members(loopback, two, 1, "b:c")
        for rooms in (one, two, three):
            await counted(rooms, 5)
            await counted(rooms, 1, "b:c")
            await counted(rooms, 0, "nobody")
        assert [rooms.count("a") for rooms in (one, two, three)] == [2, 3, 0]
        await members(loopback, two, 1, "d")
        await counted(three, 1, "d")
        assert await three.presence("a") == 5
        one.leave(early[0], "a")
        early[1].abort()
        for rooms in (one, two, three):
            await counted(rooms, 3)
        await two.stop()
        await counted(one, 0)
    assert await redis.keys("*") == []


@pytest.mark.hardening("X5")
async def test_a_process_that_dies_takes_its_members_along(
    server: RedisServer, redis: "Redis", loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PRESENCE_LIFE", 1)
    monkeypatch.setattr(presence, "PRESENCE_REFRESH", 0.2)
    living, dying = process(server), process(server)
    async with living:
        await dying.start()
        await members(loopback, dying, 3)
        await counted(living, 3)
        await asyncio.sleep(1.5)  # longer than a hash lives that is not renewed
        assert await living.presence("a") == 3
        await cut_off(dying)
        assert await living.presence("a") == 3
        await counted(living, 0)

        async def pruned() -> bool:
            return len(await redis.smembers("levante:rooms@everybody")) == 1

        await until(pruned)
        await dying.stop()


async def test_a_process_that_was_stopped_for_long_is_counted_again(
    server: RedisServer, redis: "Redis", loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PRESENCE_REFRESH", 0.2)
    one, two = process(server), process(server)
    async with one, two:
        await members(loopback, two, 2)
        await counted(one, 2)
        for key in await redis.keys("*:counts"):
            await redis.delete(key)  # as if it had expired
        await counted(one, 2)


@pytest.mark.hardening("X18")
async def test_redis_is_killed_and_comes_back_empty(server: RedisServer, loopback: Any) -> None:
    one, two = process(server), process(server)
    async with one, two:
        ours = await members(loopback, two, 2)
        await members(loopback, one, 1)
        await counted(one, 3)
        server.kill()
        assert await one.presence("a") == 1
        two.leave(ours[0])
        server.start()
        await counted(one, 2)
        await counted(two, 2)


@pytest.mark.hardening("X18")
async def test_nobody_waits_for_a_redis_that_hangs(server: RedisServer, loopback: Any) -> None:
    one, two = process(server), process(server)
    async with one, two:
        await members(loopback, two, 1)
        await counted(one, 1)
        server.hang()
        try:
            assert presence.PRESENCE_ANSWER < NO_WAIT
            asking = asyncio.gather(*(one.presence("a") for _ in range(50)))
            # By the clock of the same loop, which a busy machine holds up as well: where both are due, who asked needs
            # some more turns of it.
            await asyncio.sleep(2 * presence.PRESENCE_ANSWER)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert asking.done()
            assert await asking == [0] * 50
        finally:
            server.go_on()
        await counted(one, 1)


@pytest.mark.hardening("X18")
async def test_who_leaves_while_redis_hangs_is_not_counted_when_it_goes_on(
    server: RedisServer, loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has kept what it was told before."""
    monkeypatch.setattr("levante.ws.backplanes.redis.REDIS_ANSWER", 0.2)
    one, two = process(server), process(server)
    async with one, two:
        ours = await members(loopback, two, 1)
        await members(loopback, two, 1, "b")
        await counted(one, 1)
        server.hang()
        backplane: Any = two._backplane

        async def has_noticed() -> bool:
            return bool(backplane.outages)

        await until(has_noticed)
        two.leave(ours[0])
        server.go_on()
        await counted(one, 1, "b")
        await counted(one, 0)


async def test_a_thousand_changes_are_few_commands(server: RedisServer, redis: "Redis", loopback: Any) -> None:
    one, two = process(server), process(server)
    async with one, two:
        ours, _ = await loopback.pair()
        await counted(two, 0)
        before = (await redis.info("commandstats")).get("cmdstat_hset", {}).get("calls", 0)
        for number in range(1000):
            one.join(ours, str(number))
        await counted(two, 1, "999")
        assert await two.presence("0") == 1
        assert (await redis.info("commandstats"))["cmdstat_hset"]["calls"] - before <= 3


async def test_what_others_put_into_the_hashes_is_not_believed(
    server: RedisServer, redis: "Redis", loopback: Any
) -> None:
    one = process(server)
    async with one:
        await counted(one, 0)
        await redis.sadd("levante:rooms@everybody", "stranger")
        await redis.hset("stranger", ":a", "-7 apples")
        await members(loopback, one, 1)
        assert await one.presence("a") == 1
        await redis.delete("stranger")
        await redis.set("stranger", "no hash")
        assert await one.presence("a") == 1


@pytest.mark.hardening("X18")
async def test_a_redis_that_takes_no_writes_carries_broadcasts_all_the_same(
    server: RedisServer,
    redis: "Redis",
    loopback: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(presence, "PRESENCE_REFRESH", 0.05)
    await redis.replicaof("127.0.0.1", str(free_port()))
    one, two = process(server), process(server)
    async with one, two:
        ours, theirs = await loopback.pair()
        one.join(ours, "a")

        async def is_told_of() -> bool:
            return "does not take" in caplog.text

        await until(is_told_of)
        await asyncio.sleep(0.2)  # several tries
        assert caplog.text.count("does not take") == 2  # once a process
        await two.broadcast("a", "hello")
        assert (await theirs.receive()).data == "hello"
        assert await two.presence("a") == 0
        await redis.replicaof("NO", "ONE")
        await counted(two, 1)
        backplane: Any = one._backplane
        assert (backplane.connected, backplane.outages) == (True, 0)


async def test_a_cancellation_that_gets_lost_in_a_command_keeps_nobody(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As redis-py loses one now and then."""
    lost = asyncio.Event()
    begun = asyncio.Event()

    async def deaf(presence: Any, client: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            lost.set()

    monkeypatch.setattr(presence.Presence, "_prune", deaf)
    one = process(server)
    async with asyncio.timeout(10):
        async with one:
            await begun.wait()
    assert lost.is_set()
