"""Clients that go away in the middle: X14."""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable

import pytest
from processes import PATIENCE
from scale import scaled
from servers import get
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

TIMES = scaled(150, 2_500)  # of each of the four ways
BATCH = 15  # at once
LARGE = 1_500_000  # bytes of a file: more than stays in memory
PART = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + bytes(LARGE)
FORM = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n"
TOLD_BY = {
    "cancel": {"CancelledError"},
    "ask": {"disconnected"},
    "post": {"PeerDisconnected", "IncompleteMessage"},
    "write": {"PeerDisconnected"},
}


async def go_away(server: Shop, way: str, name: str, *, abruptly: bool) -> float:
    """Begin a request, be sure that its handler has begun, and leave; gives when."""
    peer = await server.connect()
    method, fields = (b"POST", FORM) if way == "post" else (b"GET", b"")
    target = f"/notice?name={name}&way={way}".encode()
    await peer.send(method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    async with asyncio.timeout(PATIENCE):
        await peer.reader.readuntil(b"\r\n\r\n")
        if way == "post":
            await peer.send(PART)
    left = time.monotonic()
    if abruptly:
        peer.reset()
    else:
        peer.writer.transport.abort()  # what was not read yet makes the system send a reset anyway
    server.peers.remove(peer)
    return left


@pytest.mark.hardening("X14")
@pytest.mark.parametrize("way", TOLD_BY)
async def test_handlers_are_told_and_nothing_is_left(shop: Start, way: str) -> None:
    """By choice: cancelled, or asked for; or by an error from what reads the upload or writes the response."""
    server = shop()
    before = await asyncio.to_thread(server.facts)
    left: dict[str, float] = {}
    with Slowdown() as machine:
        for first in range(0, TIMES, BATCH):
            names = [f"{way}{number}" for number in range(first, first + BATCH)]
            leaving = [go_away(server, way, name, abruptly=number % 2 == 0) for number, name in enumerate(names)]
            left.update(zip(names, await asyncio.gather(*leaving), strict=True))
        await server.has_again({name: before[name] for name in ("fds", "tasks", "connections")})
    told = json.loads(get(server.port, "/noticed")[1])
    assert told.keys() == left.keys()
    assert Counter(how for how, _ in told.values()).keys() <= TOLD_BY[way]
    late = [when - left[name] for name, (_, when) in told.items()]
    assert statistics.quantiles(late, n=100)[-1] < machine.allows(0.1)
    assert "Traceback" not in server.program.log
