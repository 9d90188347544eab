"""Three times as many requests as can be answered: X13."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from peers import Peer
from scale import scaled
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

SECONDS = scaled(3, 60)
WORK = 0.1  # seconds of one request
AT_ONCE, QUEUED = 10, 10
CAPACITY = AT_ONCE / WORK  # requests a second, at best
CLIENTS = 60
MEASURED = 1.0  # seconds of a load that is not too much
PLATEAU = 1024 * 1024  # bytes that memory may grow by in the second half
TARGET = f"/busy?seconds={WORK}"


@dataclass
class Outcome:
    """What came of a load."""

    good: int = 0
    refusals: list[float] = field(default_factory=list)  # seconds that each took
    others: list[int] = field(default_factory=list)

    async def ask(self, peer: Peer) -> None:
        asked = time.monotonic()
        answer = await peer.request("GET", TARGET)
        if answer.status == 200:
            self.good += 1
        elif answer.status == 503 and answer.headers["Retry-After"] == "1":
            self.refusals.append(time.monotonic() - asked)
        else:
            self.others.append(answer.status)


async def load(server: Shop, clients: int, seconds: float, *, rate: float | None) -> Outcome:
    """Clients that each keep a connection, and ask `rate` times a second together, or as soon as they are answered."""
    outcome = Outcome()
    began = time.monotonic()

    async def client(number: int) -> None:
        peer = await server.connect()
        due = began + (0 if rate is None else number / rate)
        while (now := time.monotonic()) < began + seconds:
            await asyncio.sleep(max(0.0, due - now))
            await outcome.ask(peer)
            due += 0 if rate is None else clients / rate

    await asyncio.gather(*(client(number) for number in range(clients)))
    return outcome


async def recovery(server: Shop) -> float:
    """Seconds until as many at once as can be served are served."""
    began = time.monotonic()
    peers = [await server.connect() for _ in range(AT_ONCE)]
    while True:
        outcome = Outcome()
        await asyncio.gather(*(outcome.ask(peer) for peer in peers))
        if outcome.good == AT_ONCE:
            return time.monotonic() - began


@pytest.mark.hardening("X13")
async def test_overload_costs_nothing_but_what_is_too_much(shop: Start) -> None:
    """What the server can do is bounded by its limit of requests in flight, and not by the processor, which the load
    itself would take from it. The peak is the lesser of what was measured before and afterwards.
    """
    server = shop(max_in_flight=AT_ONCE, max_queued=QUEUED)
    peak = (await load(server, AT_ONCE, MEASURED, rate=None)).good / MEASURED
    assert 0.3 * CAPACITY < peak <= 1.2 * CAPACITY
    with Slowdown() as machine:
        halves = []
        memory = []
        for _ in range(2):
            halves.append(await load(server, CLIENTS, SECONDS / 2, rate=3 * CAPACITY))
            memory.append((await asyncio.to_thread(server.facts))["rss"])
        recovered = await recovery(server)
    assert [half.others for half in halves] == [[], []]
    again = (await load(server, AT_ONCE, MEASURED, rate=None)).good / MEASURED
    assert sum(half.good for half in halves) / SECONDS >= 0.9 * min(peak, again)
    refused = [seconds for half in halves for seconds in half.refusals]
    assert len(refused) > SECONDS * CAPACITY  # of three parts, one is served
    assert statistics.quantiles(refused, n=100)[-1] < machine.allows(0.05)
    assert recovered < machine.allows(2.0)
    assert memory[1] - memory[0] < PLATEAU
