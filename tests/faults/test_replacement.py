"""Workers that die or hang, and what others notice of it: X5 and X6."""

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from peers import Peer
from processes import PATIENCE
from servers import ENVIRONMENT, Load, is_running
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

MEASURED = 1.5  # seconds at least that one connection keeps asking
HICCUP = 0.02  # seconds: what the system's scheduler does to anybody


async def connected_to(server: Shop, pid: int) -> Peer:
    """A connection to one of the workers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            peer = await server.connect()
            if (await peer.request("GET", "/pid")).text == str(pid):
                return peer


async def latencies(peer: Peer, until: "asyncio.Future[Any]") -> list[float]:
    """Ask without a pause, for a time at least and until the future is done; the seconds that each answer took."""
    took: list[float] = []
    began = time.monotonic()
    while not until.done() or time.monotonic() - began < MEASURED:
        asked = time.monotonic()
        assert (await peer.request("GET", "/hello")).text == "hello"
        took.append(time.monotonic() - asked)
    return took


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[-1]


async def import_as_a_worker_does(folder: Path) -> float:
    """A fresh interpreter that imports the service: the work of a replacement. The seconds it took."""
    began = time.monotonic()
    code = "import shop_subject, levante.web.worker_main"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=folder, env=environment)
    assert await process.wait() == 0
    return time.monotonic() - began


async def one_that_aborts(server: Shop, pid: int) -> None:
    """A request at which C code of the worker ends it all."""
    peer = await connected_to(server, pid)
    await peer.send(b"GET /abort HTTP/1.1\r\nHost: a\r\n\r\n")


async def one_that_is_killed(server: Shop, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.hardening("X5")
@pytest.mark.parametrize(("end", "reason"), [(one_that_is_killed, "SIGKILL"), (one_that_aborts, "SIGABRT")])
async def test_a_worker_that_dies_fails_only_its_own_requests(
    shop: Start, tmp_path: Path, end: Callable[[Shop, int], Coroutine[None, None, None]], reason: str
) -> None:
    """The other worker is compared with itself while an interpreter starts beside it, for a replacement has to start
    and processors are few; a hiccup of the system is granted above the doubled time. A replacement has a second, or
    twice what importing took just before.
    """
    server = shop(workers=2, shutdown_timeout=1.0, max_connection_requests=0)
    victim, other = server.workers()
    peer, own = await connected_to(server, other), await connected_to(server, victim)
    await own.send(b"GET /busy?seconds=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
    importing = asyncio.ensure_future(import_as_a_worker_does(tmp_path))
    before = await latencies(peer, importing)
    with Load(server.port, clients=4, target="/hello") as load, Slowdown() as machine:
        await end(server, victim)
        died = time.monotonic()
        replaced = asyncio.ensure_future(asyncio.to_thread(server.program.wait_for, r"worker (\d+) serves", count=3))
        during = await latencies(peer, replaced)
        when, _ = await replaced
    assert await own.is_closed()
    assert p99(during) < 2 * p99(before) + HICCUP
    assert when - died < max(machine.allows(1.0), 2 * await importing)
    assert all("Reset" in failure or "BrokenPipe" in failure for failure in load.failures)
    assert len(load.failures) <= 4  # one a client: what it was asking of the victim
    assert len(server.program.found(f"killed by {reason}")) == 1
    assert is_running(other)
    assert load.answers["hello"] > 0


@pytest.mark.hardening("X6")
async def test_a_worker_that_blocks_shows_where_and_is_not_ready(shop: Start) -> None:
    """First for a time that it survives, then for ever. The times are shorter than in production."""
    server = shop(workers=2, watchdog_timeout=4.0, shutdown_timeout=1.0)
    victim = server.workers()[0]
    peer, probe = await connected_to(server, victim), await connected_to(server, victim)
    assert (await probe.request("GET", "/readyz")).status == 200
    await peer.send(b"GET /block?seconds=2.5 HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.to_thread(server.program.wait_for, r'shop_subject\.py", line \d+ in block')
    await asyncio.to_thread(server.program.wait_for, rf"worker {victim} is blocked since [\d.]+ s")
    assert server.program.found("has been blocked for") == []
    answer = await probe.request("GET", "/readyz")
    assert (answer.status, answer.text) == (503, '{"status": "lagging"}')
    assert (await peer.answer()).text == "blocked"
    async with asyncio.timeout(PATIENCE):
        while (await probe.request("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.05)
    assert (await peer.request("GET", "/pid")).text == str(victim)
    shown = len(server.program.found(r'shop_subject\.py", line \d+ in block'))
    await peer.send(b"GET /block?seconds=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.to_thread(server.program.wait_for, rf"worker {victim} has been blocked for \d+ s: replaced")
    await asyncio.to_thread(server.program.wait_for, r"worker (\d+) serves", count=3)
    assert len(server.program.found(r'shop_subject\.py", line \d+ in block')) == shown + 2  # late, and at its end
    assert len(server.program.found("killed by SIGABRT")) == 1
    assert not is_running(victim)
