"""Retries against scripted servers: what is sent again, how often and when, and what is left as it was."""

import asyncio
import io
import math
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from levante import client
from levante.client import ClientResponse, ClientSession, ClientTimeout, Retry, RetryBudget, TraceConfig
from levante.http import format_date

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AT_ONCE = Retry(wait=lambda _: 0.0)


def busy(status: str = "503 Busy", *fields: str, body: bytes = b"busy") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def in_turn(*answers: bytes) -> Callable[[object], bytes]:
    left = list(answers)
    return lambda _seen: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parity("U6", "L22")
@pytest.mark.parametrize("status", ["408 Slow", "429 Much", "502 Bad", "503 Busy", "504 Late"])
async def test_answers_that_say_later(serve, status: str) -> None:
    server = await serve(in_turn(busy(status), busy(status), OK))
    async with ClientSession(retry=AT_ONCE) as session, session.get(server.url) as response:
        assert (response.status, await response.read()) == (200, b"ok")
    assert len(server.seen) == 3
    assert server.connections == 1, "an answer that is tried again gives its connection back"


@pytest.mark.parity("U6", "L22")
@pytest.mark.parametrize(
    ("policy", "status", "times"),
    [
        (AT_ONCE, "503 Busy", 3),
        (Retry(wait=lambda _: 0, attempts=5), "503 Busy", 5),
        (Retry(wait=lambda _: 0, attempts=1), "503 Busy", 1),
        (AT_ONCE, "500 Wrong", 1),
        (Retry(wait=lambda _: 0, statuses={500}), "500 Wrong", 3),
        (Retry(wait=lambda _: 0, statuses={500}), "503 Busy", 1),
        (AT_ONCE, "404 Not Found", 1),
        (None, "503 Busy", 1),
    ],
)
async def test_the_last_answer_is_the_answer(serve, policy: Retry | None, status: str, times: int) -> None:
    server = await serve(busy(status))
    async with ClientSession(retry=policy) as session:
        async with session.get(server.url) as response:
            assert response.status == int(status[:3])
            assert await response.read() == b"busy"
        assert len(server.seen) == times
        with pytest.raises(client.ClientResponseError) as caught:
            await session.get(server.url, raise_for_status=True)
        assert caught.value.status == int(status[:3])
        assert len(server.seen) == 2 * times
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("U6")
async def test_a_request_s_own_policy_goes_before_the_session_s(serve) -> None:
    server = await serve(busy())
    async with ClientSession(retry=AT_ONCE) as session:
        await session.get(server.url, retry=Retry(attempts=1))
        assert len(server.seen) == 1
    async with ClientSession() as session:
        await session.get(server.url, retry=AT_ONCE)
        assert len(server.seen) == 4


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_only_what_may_be_repeated(serve) -> None:
    server = await serve(busy())
    async with ClientSession(retry=AT_ONCE, retry_budget=RetryBudget(burst=100)) as session:
        for method, times in [("GET", 3), ("PUT", 3), ("DELETE", 3), ("OPTIONS", 3), ("POST", 1), ("PATCH", 1)]:
            before = len(server.seen)
            await session.request(method, server.url)
            assert len(server.seen) - before == times, method
        await session.post(server.url, data=b"x", retry=Retry(methods={"POST"}, wait=lambda _: 0))
        assert [seen.body for seen in server.seen[-3:]] == [b"x"] * 3


@pytest.mark.parity("U6")
async def test_bodies_are_sent_again_whole_or_not_at_all(serve) -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"stream"

    server = await serve(busy())
    async with ClientSession(retry=AT_ONCE, retry_budget=RetryBudget(burst=100)) as session:
        for body, times in [(b"bytes", 3), (io.BytesIO(b"file"), 3), (once(), 1)]:
            del server.seen[:]
            async with session.put(server.url, data=body) as response:
                assert response.status == 503
            assert len(server.seen) == times
            assert len({seen.body for seen in server.seen}) == 1
            assert server.last.body


@pytest.mark.parity("U6")
async def test_errors(serve) -> None:
    calls = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        if calls == 3:
            writer.write(OK)

    server = await serve(talk=talk)
    async with ClientSession(retry=AT_ONCE) as session:
        async with session.get(server.url) as response:
            assert response.status == 200
        assert calls == 3
        with pytest.raises(client.ServerDisconnectedError) as caught:
            await session.get(server.url)
        assert calls == 6
        assert caught.value.__notes__ == ["after 3 attempts"]
        with pytest.raises(client.ServerDisconnectedError) as caught:
            await session.post(server.url)
        assert calls == 7
        assert not hasattr(caught.value, "__notes__")
        with pytest.raises(client.ServerDisconnectedError):
            await session.get(server.url, retry=Retry(errors=(client.ServerTimeoutError,)))
        assert calls == 8


def test_errors_that_will_be_the_same_are_not_passing() -> None:
    policy = Retry(errors=(Exception,))
    key = client.ConnectionKey("h", 1, True, True)
    refused = client.ClientConnectorError(key, OSError(111, "refused"))
    wrong = client.ServerFingerprintMismatch(b"", b"", "h", 1)
    assert policy.is_passing(refused)
    assert not policy.is_passing(wrong)
    assert not policy.is_passing(client.CircuitOpenError(URL("http://h"), 1.0))
    assert policy.is_passing(ValueError())
    assert not Retry().is_passing(ValueError())


@pytest.mark.parity("U6", "L22")
async def test_the_caller_may_judge(serve) -> None:
    server = await serve(in_turn(busy("200 OK", body=b"not yet"), busy("200 OK", body=b"done")))

    async def is_done(response: ClientResponse) -> bool:
        return await response.read() == b"done"

    async with ClientSession(retry=Retry(wait=lambda _: 0, evaluate=is_done)) as session:
        async with session.get(server.url) as response:
            assert await response.read() == b"done"
        assert len(server.seen) == 2

    async def fails(response: ClientResponse) -> bool:
        raise RuntimeError("mine")

    async with ClientSession(retry=Retry(evaluate=fails)) as session:
        with pytest.raises(RuntimeError, match="mine"):
            await session.get(server.url)
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("U6")
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after(serve, form: str, monkeypatch) -> None:
    naps: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(0)

    monkeypatch.setattr("levante.client.retry.asyncio.sleep", nap)
    asked = "20" if form == "seconds" else format_date(datetime.now(UTC) + timedelta(seconds=20))
    much = busy("503 Busy", "Retry-After: 900")
    server = await serve(in_turn(busy("503 Busy", f"Retry-After: {asked}"), OK, much, OK))
    async with ClientSession(retry=AT_ONCE) as session:
        for seconds in (20, client.retry.LONGEST_WAIT):
            async with session.get(server.url) as response:
                assert response.status == 200
            assert seconds - 2 <= naps.pop() <= seconds
        assert not naps


@pytest.mark.parity("U6")
async def test_nothing_is_waited_for_that_cannot_be_in_time(serve) -> None:
    server = await serve(busy("503 Busy", "Retry-After: 20"))
    async with ClientSession(retry=AT_ONCE) as session:
        started = time.monotonic()
        async with session.get(server.url, timeout=ClientTimeout(total=10)) as response:
            assert response.status == 503
        assert time.monotonic() - started < 5
    assert len(server.seen) == 1


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_the_total_timeout_ends_a_wait(serve) -> None:
    server = await serve(busy())
    policy = Retry(wait=lambda _: 0.2, jitter=False, attempts=100)
    budget = RetryBudget(burst=1000)
    async with ClientSession(retry=policy, retry_budget=budget, timeout=ClientTimeout(total=0.5)) as session:
        response = await session.get(server.url)
        assert response.status == 503
    assert 1 <= len(server.seen) <= 3


@pytest.mark.parity("U6")
@pytest.mark.hardening("X20")
async def test_the_budget_is_the_session_s(serve) -> None:
    server = await serve(busy())
    async with ClientSession(retry_budget=RetryBudget(per_second=0, burst=10)) as session:
        for _ in range(200):
            async with session.get(server.url, retry=Retry(wait=lambda _: 0, attempts=3)):
                pass
    assert 200 < len(server.seen) <= 200 * 1.1 + 10


@pytest.mark.parity("U6")
async def test_redirects_are_retried_hop_by_hop(serve) -> None:
    moved = b"HTTP/1.1 302 Moved\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n"
    server = await serve(in_turn(busy(), moved, busy(), OK))
    async with ClientSession(retry=AT_ONCE) as session, session.get(server.url) as response:
        assert response.status == 200
        assert [past.status for past in response.history] == [302]
    assert [seen.target for seen in server.seen] == ["/", "/", "/end", "/end"]


@pytest.mark.parity("U6")
async def test_traces_see_each_attempt(serve) -> None:
    told: list[tuple[int, float, int | None]] = []
    heads = 0

    async def on_retry(session, context, params) -> None:
        told.append((params.attempts, params.delay, params.response.status))
        assert params.response.closed

    async def on_head(session, context, params) -> None:
        nonlocal heads
        heads += 1

    trace = TraceConfig()
    trace.on_request_retry.append(on_retry)
    trace.on_request_headers_sent.append(on_head)
    server = await serve(in_turn(busy(), busy(), OK))
    async with ClientSession(retry=AT_ONCE, trace_configs=[trace]) as session:
        await session.get(server.url)
    assert told == [(1, 0.0, 503), (2, 0.0, 503)]
    assert heads == 3


@pytest.mark.parity("U6")
async def test_a_response_that_is_tried_again_is_released(serve) -> None:
    calls = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK if calls > 1 else b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\nand so on")
        await reader.read()

    left: list[ClientResponse] = []

    async def on_retry(session, context, params) -> None:
        left.append(params.response)

    trace = TraceConfig()
    trace.on_request_retry.append(on_retry)
    server = await serve(talk=talk)
    async with ClientSession(retry=AT_ONCE, trace_configs=[trace]) as session:
        async with session.get(server.url) as response:
            assert await response.read() == b"ok"
        assert left[0].closed


@pytest.mark.parity("U6")
async def test_cookies_of_what_is_tried_again_are_kept(serve) -> None:
    server = await serve(in_turn(busy("503 Busy", "Set-Cookie: node=b"), OK))
    jar = client.CookieJar(unsafe=True)
    async with ClientSession(retry=AT_ONCE, cookie_jar=jar) as session:
        await session.get(server.url)
    assert [morsel.value for morsel in jar] == ["b"]


@pytest.mark.parity("U6")
@given(
    st.integers(0, 100), st.floats(0, 1000), st.one_of(st.none(), st.floats(0, 10**9)), st.floats(0, 1), st.booleans()
)
def test_the_arithmetic_of_waits(
    failures: int, longest: float, asked: float | None, chance: float, jitter: bool
) -> None:  # fmt: skip
    policy = Retry(longest=longest, jitter=jitter)
    delay = policy.delay(failures, asked=asked, chance=chance)
    assert 0 <= delay <= longest
    assert delay >= min(asked or 0.0, longest)
    if not jitter and asked is None:
        assert delay == min(0.1 * 2.0**failures, 30.0, longest) or math.isclose(delay, 0.1 * 2.0**failures)
    if asked is not None:
        deaf = Retry(longest=longest, jitter=jitter, heed_retry_after=False)
        assert deaf.delay(failures, asked=asked, chance=chance) == policy.delay(failures, chance=chance)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"longest": -1}, {"longest": math.nan}])
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        Retry(**wrong)


def test_methods_in_any_case() -> None:
    assert Retry(methods=["post", "GET"]).methods == {"POST", "GET"}
    with pytest.raises(TypeError, match="collection"):
        Retry(methods="POST")
