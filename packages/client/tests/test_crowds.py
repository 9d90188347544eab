"""Many requests at once through few connections: in order, all of them, and nothing left behind, whoever gives up in
the middle. And many requests one after the other: what they use is what the first of them used."""

import asyncio
import gc
import random
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from levante.client import ClientSession, TCPConnector
from levante.http import AcceptedConnection, Exchange, Limits

pytestmark = pytest.mark.slow

CROWD = 1000
PLACES = 20
# How far a request may be from its turn: a few rounds of all places, for a TLS handshake may take longer than the
# requests on other connections do. Served out of order, most are hundreds of turns away.
TOLERANCE = 5 * PLACES
# Seconds in which a server of ours answers: long enough for all places to be taken.
WORK = 0.002

Start = Callable[..., "asyncio.Future[str]"]


class Counting:
    """A server that notes in which order requests came, and how many were being answered at once."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.running = 0
        self.most = 0
        self.connections: set[AcceptedConnection] = set()
        self.accepted = 0

    def connect(self) -> AcceptedConnection:
        return AcceptedConnection(self.serve, owner=self, limits=Limits(max_requests=0))

    def connection_made(self, connection: AcceptedConnection) -> None:
        self.accepted += 1
        self.connections.add(connection)

    def connection_lost(self, connection: AcceptedConnection, _: BaseException | None) -> None:
        self.connections.discard(connection)

    def request_started(self, connection: AcceptedConnection) -> None:
        """Nothing to do."""

    async def serve(self, exchange: Exchange) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        kind, _, number = exchange.head.target.strip("/").partition("/")
        try:
            if kind == "go":
                exchange.respond(302, None, [("Location", f"/there/{number}")], b"")
                return
            if kind != "there":
                self.order.append(int(number))
            if kind != "fast":
                await asyncio.sleep(WORK)
            exchange.respond(200, None, [], number.encode())
        finally:
            self.running -= 1


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return server, trusting


@pytest.fixture
async def counting() -> AsyncIterator[tuple[Counting, Callable[..., object]]]:
    counted, servers = Counting(), []

    async def start(context: ssl.SSLContext | None = None) -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(counted.connect, "127.0.0.1", 0, ssl=context, backlog=256)
        servers.append(server)
        return f"{'http' if context is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield counted, start
    for server in servers:
        server.close()
    for connection in list(counted.connections):
        connection.abort()
        await connection.wait_closed()


async def ask(session: ClientSession, url: str, number: int) -> str:
    async with session.get(f"{url}/{number}") as response:
        return await response.text()


def check_clean(connector: TCPConnector, counted: Counting) -> None:
    pool = connector._pool
    assert (pool.leased_count, pool.waiting) == (0, False)
    assert pool.idle_count <= PLACES
    assert len(counted.connections) <= PLACES
    assert counted.most <= PLACES


@pytest.mark.parity("C10")
@pytest.mark.parametrize(
    "limits", [{"limit": PLACES}, {"limit": 0, "limit_per_host": PLACES}], ids=["limit", "per host"]
)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_crowd_is_served_in_order(counting, contexts, limits: dict[str, int], secure: bool) -> None:
    counted, start = counting
    url = await start(contexts[0] if secure else None)
    connector = TCPConnector(**limits)
    async with ClientSession(connector=connector, ssl=contexts[1]) as session:
        answers = await asyncio.gather(*(ask(session, f"{url}/slow", number) for number in range(CROWD)))
        assert answers == [str(number) for number in range(CROWD)]
        assert max(abs(turn - number) for turn, number in enumerate(counted.order)) <= TOLERANCE
        assert counted.most == PLACES
        assert counted.accepted == PLACES
        check_clean(connector, counted)


@pytest.mark.parity("C10", "C11")
@pytest.mark.parametrize("kind", ["slow", "go"])
@pytest.mark.parametrize(
    "limits", [{"limit": PLACES}, {"limit": 0, "limit_per_host": PLACES}], ids=["limit", "per host"]
)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_giving_up_in_the_middle_leaks_nothing(counting, contexts, kind: str, limits, secure: bool) -> None:
    counted, start = counting
    url = await start(contexts[0] if secure else None)
    connector = TCPConnector(**limits)
    chance = random.Random(6)
    async with ClientSession(connector=connector, ssl=contexts[1]) as session:
        tasks = [asyncio.ensure_future(ask(session, f"{url}/{kind}", number)) for number in range(CROWD)]
        leaving = set(chance.sample(range(CROWD), 300))
        for number in sorted(leaving):
            if number % 3 == 0:
                await asyncio.sleep(0)
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, result in enumerate(results):
            assert result == str(number) or (number in leaving and isinstance(result, asyncio.CancelledError)), result
        pool = connector._pool
        assert (pool.leased_count, pool.waiting) == (0, False)
        assert pool.idle_count <= PLACES
        # The places are all there: as many as before can work at once, and not one more.
        counted.most = 0
        await asyncio.gather(*(ask(session, f"{url}/slow", number) for number in range(3 * PLACES)))
        assert counted.most == PLACES
        check_clean(connector, counted)
    assert not connector._open


@pytest.mark.parity("C10")
async def test_a_crowd_at_one_host_does_not_starve_another(counting) -> None:
    _, start = counting
    busy, quiet = await start(), await start()
    async with ClientSession(connector=TCPConnector(limit=PLACES)) as session:
        crowd = [asyncio.ensure_future(ask(session, f"{busy}/slow", number)) for number in range(CROWD // 2)]
        await asyncio.sleep(0)
        await asyncio.gather(*(ask(session, f"{quiet}/slow", CROWD + number) for number in range(10)))
        assert sum(task.done() for task in crowd) < CROWD // 4
        await asyncio.gather(*crowd)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parity("C11")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the descriptors that Linux shows")
async def test_ten_thousand_requests_over_a_hundred_connections_use_what_the_first_thousand_did(counting) -> None:
    counted, start = counting
    url = await start()
    async with ClientSession(connector=TCPConnector(limit=100)) as session:

        async def rounds(count: int) -> None:
            async def one() -> None:
                for number in range(count // 100):
                    assert await ask(session, f"{url}/fast", number) == str(number)

            await asyncio.gather(*(one() for _ in range(100)))
            counted.order.clear()
            gc.collect()

        await rounds(1000)
        files, objects = descriptors(), len(gc.get_objects())
        tracemalloc.start()
        try:
            await rounds(500)
            before, _ = tracemalloc.get_traced_memory()
            await rounds(500)
            middle, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await rounds(8000)
        assert descriptors() == files
        assert len(gc.get_objects()) - objects < 1000, "a tenth of an object for each request is too much"
        assert middle - before < 64 * 1024
        assert counted.accepted == 100
        assert session.connector._pool.idle_count == 100
    for _ in range(100):
        if not counted.connections:
            break
        await asyncio.sleep(0.01)
    assert not counted.connections


@pytest.mark.parity("C20")
@pytest.mark.hardening("C59")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_connections_that_the_server_closed_while_idle_are_never_used(
    counting, contexts, method: str, secure: bool
) -> None:
    counted, start = counting
    url = await start(contexts[0] if secure else None)
    async with ClientSession(ssl=contexts[1]) as session:
        for _ in range(3):
            await asyncio.gather(*(ask(session, f"{url}/slow", number) for number in range(PLACES)))
            idle = list(session.connector._open)
            for connection in list(counted.connections):
                connection.close_when_idle()
            # Not even a POST, which is never sent twice, fails: the end was seen before it was begun.
            await asyncio.gather(*(connection.wait_closed() for connection in idle))
            async with session.request(method, f"{url}/slow/7") as response:
                assert await response.text() == "7"


PROGRAM = """
import asyncio, gc, ssl
import trustme
from levante.client import ClientError, ClientSession

async def answer(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n" + bytes(100000))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()

async def main():
    authority = trustme.CA()
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(here)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    for context in (None, here):
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        url = f"{{'http' if context is None else 'https'}}://127.0.0.1:{{server.sockets[0].getsockname()[1]}}/"
        async with ClientSession(ssl=trusting) as session:
            async def one(whole):
                async with session.get(url) as response:
                    await (response.read() if whole else response.content.readany())
            await asyncio.gather(*(one(number % 3 > 0) for number in range(30)))
            left = await session.get(url)  # never read, never released
            running = asyncio.ensure_future(one(True))
            await asyncio.sleep(0)
        try:
            await running
        except Exception as error:
            assert isinstance(error, ClientError), error
        connector = session.connector
        del left
        server.close()
    others = asyncio.all_tasks() - {{asyncio.current_task()}}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

if {uvloop}:
    import uvloop
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=True)
else:
    runner = asyncio.Runner(debug=True)
with runner:
    runner.get_loop().slow_callback_duration = 60
    runner.run(main())
gc.collect()
"""


@pytest.mark.parity("C2", "C11")
@pytest.mark.parametrize("uvloop", [False, True])
def test_closing_makes_no_noise(uvloop: bool) -> None:
    """In development mode, warnings as errors, with requests under way and a response that nobody released."""
    if uvloop:
        pytest.importorskip("uvloop")
    program = PROGRAM.format(uvloop=uvloop)
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
