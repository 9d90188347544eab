"""A server that is told to end while it is busy: X1 and X3."""

import asyncio
import itertools
import random
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from peers import Peer
from processes import PATIENCE
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

RATE = 50  # requests a second
LONGEST = 2.0  # seconds of the slowest
STREAMS, IDLE, WEBSOCKETS = 10, 100, 50
PIECES = 30  # of a stream, one in 50 ms
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GOING_AWAY = 1001


@dataclass
class Seen:
    """What the clients saw."""

    failures: list[str] = field(default_factory=list)
    answers: list[tuple[float, str | None]] = field(default_factory=list)  # when, and what Connection says
    refused: int = 0


async def one_request(shop: Shop, seconds: float, seen: Seen) -> None:
    """On a connection of its own; that it is refused is the only thing that may go wrong."""
    try:
        peer = await shop.connect()
    except ConnectionError:
        seen.refused += 1
        return
    try:
        answer = await peer.request("GET", f"/busy?seconds={seconds:.3f}")
    except (OSError, EOFError) as exc:
        seen.failures.append(f"{seconds:.3f} s: {exc!r}")
        return
    seen.answers.append((time.monotonic(), answer.headers.get("Connection")))
    if (answer.status, answer.text) != (200, "done"):
        seen.failures.append(f"status {answer.status}")


async def ask_at_a_rate(shop: Shop, seen: Seen) -> None:
    """Until connections are refused."""
    chance = random.Random(1)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            if seen.refused:
                return
            group.create_task(one_request(shop, chance.uniform(0.0, LONGEST), seen))


async def one_stream(shop: Shop, seen: Seen, begun: asyncio.Semaphore) -> None:
    peer = await shop.connect()
    await peer.send(b"GET /stream?pieces=%d HTTP/1.1\r\nHost: a\r\n\r\n" % PIECES)
    head = await peer.head()
    begun.release()
    try:
        body = await peer.chunks()
    except (OSError, EOFError) as exc:
        seen.failures.append(f"stream: {exc!r}")
        return
    if head.status != 200 or body != b"piece\n" * PIECES:
        seen.failures.append(f"stream: status {head.status}, {len(body)} bytes")


async def one_websocket(shop: Shop, begun: asyncio.Semaphore) -> int:
    """The code with which it was closed."""
    peer = await shop.connect()
    await peer.send(UPGRADE)
    assert (await peer.head()).status == 101
    begun.release()
    first, length = await peer.reader.readexactly(2)
    assert first == 0x88
    payload = await peer.reader.readexactly(length)
    await peer.send(struct.pack("!BBI", 0x88, 0x82, 0) + payload[:2])  # masked with zeros
    assert await peer.is_closed()
    return int.from_bytes(payload[:2], "big")


async def idle_end(peer: Peer) -> float:
    """When it was closed."""
    async with asyncio.timeout(PATIENCE):
        assert await peer.reader.read() == b""
    return time.monotonic()


@pytest.mark.hardening("X1")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_signal_under_load_fails_nothing_that_has_begun(shop: Start, workers: int) -> None:
    """A connection that the server has not accepted yet counts as begun as well. There is no HTTP/2 yet, and so no
    GOAWAY to be sent.
    """
    server = shop(workers=workers)
    seen, begun = Seen(), asyncio.Semaphore(0)
    idle = [await server.connect() for _ in range(IDLE)]
    for peer in idle:
        assert (await peer.request("GET", "/hello")).status == 200
    with Slowdown() as machine:
        websockets = [asyncio.create_task(one_websocket(server, begun)) for _ in range(WEBSOCKETS)]
        load = asyncio.create_task(ask_at_a_rate(server, seen))
        await asyncio.sleep(LONGEST - 1.0)  # the rate is what counts, and soon as many end as begin
        streams = [asyncio.create_task(one_stream(server, seen, begun)) for _ in range(STREAMS)]
        for _ in range(WEBSOCKETS + STREAMS):
            await begun.acquire()
        ends = [asyncio.create_task(idle_end(peer)) for peer in idle]
        await asyncio.sleep(0)
        server.program.send(signal.SIGTERM)
        told = time.monotonic()
        closed = max(await asyncio.gather(*ends))
        codes = await asyncio.gather(*websockets)
        await asyncio.gather(load, *streams)
        status = await asyncio.to_thread(server.program.end)
        ended = time.monotonic()
    assert seen.failures == []
    late = [said for when, said in seen.answers if when > closed + 0.02]  # by then it knew of its end for certain
    assert len(late) > RATE // 2
    assert set(late) == {"close"}
    assert set(codes) == {GOING_AWAY}
    assert status == 0
    assert closed - told < machine.allows(0.1)
    assert ended - told < machine.allows(LONGEST + 1.0)


DRAIN = 2.0  # seconds for the whole shutdown
FIRST_PART = 0.8  # of it, until handlers are cancelled: the rest is for their cleanup


@pytest.mark.hardening("X3")
@pytest.mark.parametrize("workers", [1, 2])
async def test_what_does_not_end_in_time_is_cancelled_and_counted(shop: Start, workers: int) -> None:
    """The time is shorter than in production, so that the test is."""
    server = shop(workers=workers, shutdown_timeout=DRAIN)
    stuck = [await server.connect() for _ in range(3)]
    for peer in stuck:
        await peer.send(b"GET /forever HTTP/1.1\r\nHost: a\r\n\r\n")
    server.program.wait_for("ENTERED", count=len(stuck))
    with Slowdown() as machine:
        server.program.send(signal.SIGTERM)
        told = time.monotonic()
        status = await asyncio.to_thread(server.program.end)
        ended = time.monotonic()
    assert status == 0
    finished = [when for when, _ in server.program.found("FINALLY")]
    assert len(finished) == len(stuck)
    assert DRAIN * FIRST_PART - 0.1 < finished[0] - told < machine.allows(DRAIN)
    assert ended - told < machine.allows(DRAIN + 1.0)
    assert sum(int(count) for _, count in server.program.found(r"CANCELLED (\d+)")) == len(stuck)
    told_of = [int(count) for _, count in server.program.found(r"(\d+) requests did not end before the server did")]
    assert sum(told_of) == len(stuck)
    assert len(told_of) <= workers
    for peer in stuck:
        assert await peer.is_closed()
