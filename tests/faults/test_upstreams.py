"""X20: a service whose upstream refuses, hangs, resets one answer of a hundred or answers after ten seconds. Nobody
waits longer than its deadline, the circuit opens within two seconds, and the upstream gets less than 1.2 requests for
each that was made, none of them twice that may not be.
"""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from yarl import URL

from levante.client import (
    Backoff,
    CircuitBreaker,
    CircuitOpenError,
    CircuitState,
    ClientError,
    ClientSession,
    Retry,
    RetryBudget,
    TCPConnector,
    TraceConfig,
)
from levante.http.deadlines import DEADLINE_HEADER, within

pytestmark = pytest.mark.hardening("X20")

OPENS_WITHIN = 2.0
STORM = 1.2
PATIENCE = 20.0
RETRY = Retry(wait=Backoff(first=0.01, last=0.1).delay)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behaviour = Callable[["Upstream", asyncio.StreamWriter, str], Awaitable[None]]


@dataclass
class Upstream:
    """A server that answers as `behaviour` says; it counts what it got, by method and target."""

    behaviour: Behaviour
    port: int = 0
    got: Counter[str] = field(default_factory=Counter)
    left: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *fields = head.split("\r\n")
                self.got[line.rpartition(" ")[0]] += 1
                for name, _, value in (text.partition(": ") for text in fields):
                    if name == DEADLINE_HEADER:
                        self.left.append(int(value))
                await self.behaviour(self, writer, line)
                await writer.drain()
        writer.close()


Start = Callable[[Behaviour], Awaitable[Upstream]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def begin(behaviour: Behaviour) -> Upstream:
        upstream = Upstream(behaviour)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            await upstream.talk(reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1000)
        upstream.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return upstream

    yield begin
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def answers(_upstream: Upstream, writer: asyncio.StreamWriter, _line: str) -> None:
    writer.write(OK)


async def hangs(_upstream: Upstream, _writer: asyncio.StreamWriter, _line: str) -> None:
    await asyncio.Event().wait()


async def answers_late(_upstream: Upstream, writer: asyncio.StreamWriter, _line: str) -> None:
    await asyncio.sleep(10)
    writer.write(OK)


async def resets_some(upstream: Upstream, writer: asyncio.StreamWriter, _line: str) -> None:
    if upstream.got.total() % 100 == 50:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()
        raise ConnectionResetError
    writer.write(OK)


@dataclass
class Outcome:
    """What became of calls: how many of each kind, the longest, and when the circuit was first seen open."""

    kinds: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    opened: float | None = None


async def call(session: ClientSession, url: str, outcome: Outcome, *, deadline: float, began: float) -> None:
    started = time.monotonic()
    try:
        with within(deadline):
            async with session.get(url) as response:
                await response.read()
                outcome.kinds[str(response.status)] += 1
    except CircuitOpenError:
        outcome.opened = outcome.opened or time.monotonic() - began
        outcome.kinds["open"] += 1
    except (ClientError, TimeoutError) as error:
        outcome.kinds[type(error).__name__] += 1
    outcome.longest = max(outcome.longest, time.monotonic() - started)


async def load(session: ClientSession, url: str, *, calls: int, seconds: float, deadline: float) -> Outcome:
    """So many calls, evenly over the seconds, whether those before have ended or not."""
    outcome, began = Outcome(), time.monotonic()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for number in range(calls):
            await asyncio.sleep(max(0.0, began + number * seconds / calls - time.monotonic()))
            group.create_task(call(session, url, outcome, deadline=deadline, began=began))
    assert outcome.kinds.total() == calls
    return outcome


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def counting_dials(dials: list[float]) -> TraceConfig:
    async def dialled(*_: object) -> None:
        dials.append(time.monotonic())

    trace = TraceConfig()
    trace.on_connection_create_start.append(dialled)
    return trace


async def test_it_refuses() -> None:
    dials: list[float] = []
    url = f"http://127.0.0.1:{closed_port()}/"
    traces = [counting_dials(dials)]
    async with ClientSession(retry=RETRY, trace_configs=traces) as session:
        outcome = await load(session, url, calls=300, seconds=1.5, deadline=1.0)
    assert outcome.kinds == {"ClientConnectorError": 300}
    assert 300 < len(dials) < STORM * 300, "the budget alone holds back a storm"
    dials.clear()
    async with ClientSession(retry=RETRY, breaker=CircuitBreaker(), trace_configs=traces) as session:
        outcome = await load(session, url, calls=300, seconds=1.5, deadline=1.0)
    assert outcome.opened is not None
    assert outcome.opened < OPENS_WITHIN
    assert len(dials) < 0.2 * 300, "an open circuit sends nothing"


@pytest.mark.parametrize("behaviour", [hangs, answers_late])
async def test_it_hangs_or_is_late(start: Start, behaviour: Behaviour) -> None:
    upstream = await start(behaviour)
    deadline = 0.5
    breaker = CircuitBreaker(open_for=0.5)
    async with ClientSession(connector=TCPConnector(limit=0), retry=RETRY, breaker=breaker) as session:
        outcome = await load(session, upstream.url, calls=200, seconds=1.5, deadline=deadline)
        assert set(outcome.kinds) == {"ExpiredDeadlineError", "open"}
        assert outcome.opened is not None
        assert outcome.opened < OPENS_WITHIN
        assert outcome.longest < deadline + 1.0, "nobody waits for longer than the deadline"
        assert upstream.got.total() < STORM * 200
        assert all(0 < left <= deadline * 1000 for left in upstream.left)
        assert len(upstream.left) == upstream.got.total(), "each request told what was left"
        upstream.behaviour = answers
        await heal(session, breaker, upstream.url)
        outcome = await load(session, upstream.url, calls=50, seconds=0.2, deadline=5.0)
        assert outcome.kinds == {"200": 50}


async def heal(session: ClientSession, breaker: CircuitBreaker, url: str) -> None:
    """Ask until the circuit is closed again."""
    async with asyncio.timeout(PATIENCE):
        while breaker.state(URL(url)) is not CircuitState.CLOSED:
            await asyncio.sleep(0.05)
            await call(session, url, Outcome(), deadline=5.0, began=0.0)


async def test_it_resets_some(start: Start) -> None:
    upstream = await start(resets_some)
    calls = 1000
    async with ClientSession(
        retry=RETRY, breaker=CircuitBreaker(), retry_budget=RetryBudget(), transparent_retry=False
    ) as session:
        outcome = await load(session, upstream.url, calls=calls, seconds=1.5, deadline=10.0)
        assert outcome.kinds == {"200": calls}, "a reset is not seen by who asks"
        assert calls < upstream.got.total() < STORM * calls
        upstream.got.clear()
        failed = 0
        for number in range(300):
            try:
                async with session.post(f"{upstream.url}{number}") as response:
                    await response.read()
            except ClientError:
                failed += 1
        assert failed == 3
        assert set(upstream.got.values()) == {1}, "what may not be repeated was sent once"
        assert len(upstream.got) == 300
