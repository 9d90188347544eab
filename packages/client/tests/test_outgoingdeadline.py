"""The deadline of the context and the requests that are made under it."""

import asyncio
import contextlib
import itertools

import pytest

from levante.client import (
    CircuitBreaker,
    CircuitOpenError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ExpiredDeadlineError,
    Retry,
    SocketTimeoutError,
)
from levante.http import deadlines
from levante.http.deadlines import DEADLINE_HEADER


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_a_request_tells_what_is_left(serve, session) -> None:
    server = await serve()
    await session.get(server.url)
    assert server.last.value(DEADLINE_HEADER) is None
    with deadlines.within(5):
        await session.get(server.url, headers={DEADLINE_HEADER: "999999"})
        assert server.last.values(DEADLINE_HEADER) != ["999999"]
        assert 4000 < int(server.last.value(DEADLINE_HEADER)) <= 5000
        with deadlines.no_deadline():
            await session.get(server.url)
    assert server.last.value(DEADLINE_HEADER) is None


@pytest.mark.parity("U6")
@pytest.mark.parametrize("name", ["X-Left", None])
async def test_the_name_of_the_field_is_a_setting(serve, name: str | None) -> None:
    server = await serve()
    async with ClientSession(deadline_header=name) as session:
        with deadlines.within(5):
            await session.get(server.url)
    assert server.last.value(DEADLINE_HEADER) is None
    assert (server.last.value("X-Left") is None) == (name is None)


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_an_expired_one_is_not_sent(serve, session) -> None:
    server = await serve()
    await (await session.get(server.url)).read()
    with deadlines.within(-1), pytest.raises(ExpiredDeadlineError, match="passed 1") as caught:
        await session.get(server.url)
    assert caught.value.late >= 1
    assert isinstance(caught.value, ClientError)
    assert isinstance(caught.value, TimeoutError)
    await session.get(server.url)
    assert len(server.seen) == 2, "nothing was written, though a connection was there"


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_nothing_is_waited_for_longer(serve, session) -> None:
    server = await serve(talk=hang)
    with deadlines.within(0.1), pytest.raises(ExpiredDeadlineError):
        await session.get(server.url)
    with deadlines.within(5), pytest.raises(TimeoutError) as caught:
        await session.get(server.url, timeout=ClientTimeout(total=0.05))
    assert not isinstance(caught.value, ExpiredDeadlineError)
    assert session.connector._pool.leased_count == 0


@pytest.mark.hardening("X20")
async def test_each_attempt_tells_what_is_left_then(serve) -> None:
    server = await serve(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    async with ClientSession(retry=Retry(wait=lambda _: 0.1, jitter=False, attempts=9)) as session:
        with deadlines.within(0.45), contextlib.suppress(ExpiredDeadlineError):  # as the last one may be late
            await session.get(server.url)
    left = [int(seen.value(DEADLINE_HEADER)) for seen in server.seen]
    assert 2 <= len(left) <= 5
    assert all(before - after >= 90 for before, after in itertools.pairwise(left))


@pytest.mark.hardening("X20")
async def test_a_deadline_that_runs_out_is_the_server_s_failure(serve) -> None:
    server = await serve(talk=hang)
    async with ClientSession(breaker=CircuitBreaker(minimum_calls=2)) as session:
        for _ in range(2):
            with deadlines.within(0.05), pytest.raises(ExpiredDeadlineError):
                await session.get(server.url)
        with deadlines.within(5), pytest.raises(CircuitOpenError):
            await session.get(server.url)


async def test_one_that_ends_between_attempts_is_heeded_no_more(serve) -> None:
    server = await serve(lambda seen: b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    async with ClientSession(retry=Retry(wait=lambda _: 0, attempts=2)) as session:
        with deadlines.within(5, holds=lambda: not server.seen):
            await session.get(server.url)
    assert [seen.value(DEADLINE_HEADER) is None for seen in server.seen] == [False, True]


async def test_a_timeout_of_another_kind_stays_what_it_is(serve) -> None:
    server = await serve(talk=hang)
    async with ClientSession(timeout=ClientTimeout(sock_read=0.05)) as session:
        with deadlines.within(5), pytest.raises(SocketTimeoutError):
            await session.get(server.url)


async def test_the_body_may_outlast_it(serve, session) -> None:
    passed = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await passed.wait()
        writer.write(b"k")
        await reader.read()

    server = await serve(talk=slowly)
    with deadlines.within(0.3):
        async with session.get(server.url) as response:
            while (deadlines.remaining() or 0) > 0:
                await asyncio.sleep(0.01)
            passed.set()
            assert await response.read() == b"ok"
