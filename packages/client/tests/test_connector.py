"""Keeping and lending connections, and closing them."""

import asyncio
import contextlib
import gc
import warnings

import pytest

from levante import client
from levante.client import ClientSession, ClientTimeout, TCPConnector, TraceConfig

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parity("C10", "C11")
async def test_reuse(serve, session) -> None:
    server = await serve()
    for _ in range(5):
        async with session.get(server.url) as response:
            await response.read()
    assert server.connections == 1
    assert repr(session.connector) == "<TCPConnector open <Pool leased=0 idle=1 waiting=0>>"


@pytest.mark.parity("C10")
async def test_force_close(serve) -> None:
    server = await serve()
    connector = TCPConnector(force_close=True, limit=7, limit_per_host=3)
    assert (connector.force_close, connector.limit, connector.limit_per_host) == (True, 7, 3)
    async with ClientSession(connector=connector) as session:
        for _ in range(2):
            async with session.get(server.url):
                pass
    assert server.connections == 2
    assert server.last.value("Connection") == "close"
    with pytest.raises(ValueError, match="force_close"):
        TCPConnector(force_close=True, keepalive_timeout=3)


@pytest.mark.parity("C11")
async def test_a_server_that_says_close_is_not_reused(serve, session, response) -> None:
    server = await serve(response(b"ok", "Connection: close"))
    for _ in range(2):
        async with session.get(server.url):
            pass
    assert server.connections == 2
    assert session.connector._pool.idle_count == 0


@pytest.mark.parity("C10")
async def test_idle_connections_expire(serve) -> None:
    server = await serve()
    connector = TCPConnector(keepalive_timeout=0.05)
    async with ClientSession(connector=connector) as session:
        async with session.get(server.url):
            pass
        (idle,) = connector._open
        await asyncio.wait_for(idle.wait_closed(), 5)
        while connector._open:
            await asyncio.sleep(0.01)
        assert connector._pool.idle_count == 0
        assert connector._sweeper is None
        async with session.get(server.url):
            pass
    assert server.connections == 2


@pytest.mark.parity("C10", "C8")
async def test_the_limit_makes_wait_and_connect_bounds_the_wait(serve) -> None:
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await go.wait()
            writer.write(OK)

    server = await serve(talk=talk)
    connector = TCPConnector(limit=1)
    async with ClientSession(connector=connector) as session:
        first = asyncio.create_task(session.get(server.url))
        while not connector._pool.leased_count:
            await asyncio.sleep(0)
        with pytest.raises(client.ConnectionTimeoutError, match="pool"):
            await session.get(server.url, timeout=ClientTimeout(connect=0.05))
        second = asyncio.create_task(session.get(server.url))
        cancelled = asyncio.create_task(session.get(server.url))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancelled.cancel()
        go.set()
        for task in (first, second):
            assert await (await task).read() == b"ok"
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert server.connections == 1


@pytest.mark.parity("C10")
async def test_a_thousand_requests_through_twenty_connections(serve) -> None:
    server = await serve()
    connector = TCPConnector(limit=20)
    async with ClientSession(connector=connector) as session:

        async def one(number: int) -> int:
            async with session.get(server.url + str(number)) as response:
                return len(await response.read())

        tasks = [asyncio.create_task(one(number)) for number in range(1000)]
        await asyncio.sleep(0.02)
        for task in tasks[::50]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        done = [result for result in results if result == 2]
        lost = [result for result in results if isinstance(result, asyncio.CancelledError)]
        assert len(done) + len(lost) == 1000
        assert len(done) >= 980
        assert connector._pool.leased_count == 0
        assert connector._pool.idle_count <= 20
        assert not connector._pool.waiting


@pytest.mark.parity("C2", "C10")
async def test_closing_turns_waiters_away_and_waits(serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await serve(talk=talk)
    connector = TCPConnector(limit=1)
    async with ClientSession(connector=connector) as session:
        running = asyncio.create_task(session.get(server.url))
        while not connector._open:
            await asyncio.sleep(0)
        waiting = asyncio.create_task(session.get(server.url))
        while not connector._pool.waiting:
            await asyncio.sleep(0)
        connections = list(connector._open)
        await connector.close()
        await connector.close()
        assert all(connection.is_lost() for connection in connections)
        assert "closed" in repr(connector)
        for task in (running, waiting):
            with pytest.raises(client.ClientConnectionError):
                await task
        with pytest.raises(RuntimeError, match="closed"):
            await session.get(server.url)
    with pytest.raises(client.ClientConnectionError, match="closed"):
        await connector.acquire(client.ConnectionKey("h", 1, False, True), ClientTimeout())


@pytest.mark.parity("C2", "C10")
@pytest.mark.parametrize("way", ["tls", "http", "https", "socks5h", "name"])
async def test_closing_ends_what_is_being_dialled(serve, way: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stall(reader, _writer) -> None:
        begun.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set()

    class Nobody(client.AbstractResolver):
        async def resolve(self, host, port=0, family=0):
            begun.set()
            try:
                return await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        async def close(self) -> None:
            pass

    server = await serve(talk=stall)
    session = ClientSession(connector=TCPConnector(resolver=Nobody(), limit=1), timeout=ClientTimeout(total=None))
    url = server.url.replace("http", "https") if way == "tls" else "https://name.test/"
    proxy = {} if way in ("tls", "name") else {"proxy": server.url.replace("http", way), "proxy_ssl": False}
    running = [asyncio.ensure_future(session.get(url, **proxy)) for _ in range(2)]
    connector = session.connector
    await begun.wait()
    await asyncio.wait_for(session.close(), 5)
    assert connector._pool.leased_count == 0
    for task in running:
        with pytest.raises(client.ClientConnectionError, match="closed"):
            await asyncio.wait_for(task, 5)
    await asyncio.wait_for(ended.wait(), 5)


async def test_closing_while_dialling(serve) -> None:
    server = await serve()

    async def closing(*_: object) -> None:
        task = asyncio.create_task(session.connector.close())
        await asyncio.sleep(0)
        closers.append(task)

    closers: list[asyncio.Task[None]] = []
    trace = TraceConfig()
    trace.on_connection_create_start.append(closing)
    connector = TCPConnector()
    async with ClientSession(connector=connector, trace_configs=[trace]) as session:
        with pytest.raises(client.ClientConnectionError, match="dialled"):
            await session.get(server.url)
    await asyncio.gather(*closers)


@pytest.mark.parametrize("signal", ["on_connection_queued_end", "on_connection_reuseconn", "on_connection_create_end"])
async def test_a_trace_that_fails_gives_its_place_back(serve, signal: str) -> None:
    server = await serve()
    failing = False

    async def fail(*_: object) -> None:
        if failing:
            raise KeyError(signal)

    trace = TraceConfig()
    getattr(trace, signal).append(fail)
    connector = TCPConnector(limit=1)
    async with ClientSession(connector=connector, trace_configs=[trace]) as session:
        if signal != "on_connection_create_end":
            async with session.get(server.url):
                pass
        failing = True
        if signal == "on_connection_queued_end":
            first = session.connector.acquire(
                client.ConnectionKey("127.0.0.1", server.port, False, True), ClientTimeout()
            )
            lease = await first
            task = asyncio.create_task(session.get(server.url))
            while not connector._pool.waiting:
                await asyncio.sleep(0)
            lease.end()
            with pytest.raises(KeyError):
                await task
        else:
            with pytest.raises(KeyError):
                await session.get(server.url)
        assert connector._pool.leased_count == 0


async def test_a_lease_ends_once(serve) -> None:
    server = await serve()
    async with TCPConnector() as connector:
        lease = await connector.acquire(client.ConnectionKey("127.0.0.1", server.port, False, True), ClientTimeout())
        assert not lease.reused
        lease.end()
        lease.end()
        lease.abort()
        assert connector._pool.idle_count == 1
        again = await connector.acquire(client.ConnectionKey("127.0.0.1", server.port, False, True), ClientTimeout())
        assert again.reused
        again.abort()
        assert connector._pool.idle_count == 0


async def test_dead_connections_are_forgotten(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await serve()
    connector = TCPConnector(force_close=True)
    connector._prune_at = 3
    monkeypatch.setattr("levante.client.connector.PRUNE_FLOOR", 3)
    async with ClientSession(connector=connector) as session:
        for _ in range(10):
            async with session.get(server.url):
                pass
        assert len(connector._open) <= 3


@pytest.mark.parity("C2")
async def test_an_unclosed_connector_says_so(serve) -> None:
    server = await serve()
    connector = TCPConnector()
    session = ClientSession(connector=connector, connector_owner=False)
    async with session.get(server.url):
        pass
    await session.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del connector, session
        gc.collect()
    assert ["unclosed connector" in str(warning.message) for warning in caught] == [True]
    await asyncio.sleep(0)


@pytest.mark.parity("C20")
async def test_a_repetition_does_not_meet_a_second_stale_connection(serve) -> None:
    answered = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        await reader.readuntil(b"\r\n\r\n")
        answered += 1
        while answered < 2:
            await asyncio.sleep(0.001)
        writer.write(OK)
        if answered <= 2:
            await reader.readuntil(b"\r\n\r\n")  # and close instead of answering

    server = await serve(talk=talk)
    async with ClientSession() as session:
        for response in await asyncio.gather(session.get(server.url), session.get(server.url)):
            await response.read()
        assert session.connector._pool.idle_count == 2
        async with session.get(server.url) as response:
            assert await response.read() == b"ok"
    assert server.connections == 3


@pytest.mark.parity("C40")
async def test_a_waiter_that_gets_a_used_connection_says_so(serve) -> None:
    events = []

    async def note(*_: object) -> None:
        events.append("reused")

    trace = TraceConfig()
    trace.on_connection_reuseconn.append(note)
    server = await serve()
    async with ClientSession(connector=TCPConnector(limit=1), trace_configs=[trace]) as session:
        for response in await asyncio.gather(session.get(server.url), session.get(server.url)):
            await response.read()
    assert events == ["reused"]
    assert server.connections == 1


async def test_a_grant_to_somebody_who_just_left_goes_to_the_next(serve) -> None:
    server = await serve()
    key = client.ConnectionKey("127.0.0.1", server.port, False, True)
    async with TCPConnector(limit=1) as connector:
        lease = await connector.acquire(key, ClientTimeout())
        leaving = asyncio.create_task(connector.acquire(key, ClientTimeout()))
        staying = asyncio.create_task(connector.acquire(key, ClientTimeout()))
        await asyncio.sleep(0)
        leaving.cancel()
        lease.end()  # before the cancelled task has had a turn to leave the queue
        (await staying).end()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        granted = await connector.acquire(key, ClientTimeout())
        leaving = asyncio.create_task(connector.acquire(key, ClientTimeout()))
        await asyncio.sleep(0)
        granted.end()  # the grant is made, and its holder is cancelled before it runs
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert connector._pool.leased_count == 0
        assert connector._pool.idle_count == 1


@pytest.mark.parity("C21")
async def test_no_request_is_sent_before_the_last_one_is_answered(serve) -> None:
    too_early: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    too_early.append(await reader.read(1))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = await serve(talk=talk)
    async with ClientSession(connector=TCPConnector(limit=1)) as session:
        responses = await asyncio.gather(session.get(server.url), session.get(server.url))
        assert [await response.read() for response in responses] == [b"ok", b"ok"]
    assert too_early == []
    assert server.connections == 1
