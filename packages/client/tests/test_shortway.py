"""Requests that have a plan must not be told from those that go the long way; `LONG` sends them there."""

import asyncio
from dataclasses import fields
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from levante.client import (
    BasicAuth,
    Cache,
    CircuitBreaker,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    CookieJar,
    DummyCookieJar,
    HSTSStore,
    Retry,
    SocketTimeoutError,
    TCPConnector,
    TooManyRedirects,
    TraceConfig,
)
from levante.client.options import Defaults
from levante.client.plans import EXCLUDING, HANDLING, HONOURED, MAX_PLANS, is_handled, is_usual
from levante.http.deadlines import within

LONG: dict[str, Any] = {"max_redirects": 10}  # the default, but said
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# Seconds: short enough for a test, long enough for a loaded machine to notice that it has not passed.
SHORT = 0.2


def test_every_default_of_a_session_is_accounted_for() -> None:
    names = {field.name for field in fields(Defaults)}
    told = [*HONOURED, *EXCLUDING, *HANDLING]
    assert sorted(names) == sorted(told), "say in plans.py whether requests with a plan heed the new default"


async def see(request: Any, handler: Any) -> Any:
    return await handler(request)


@pytest.mark.parametrize(
    ("options", "usual", "handled"),
    [
        ({}, True, False),
        ({"headers": {"A": "b"}, "auth": BasicAuth("a", "b"), "raise_for_status": True}, True, False),
        ({"trace_configs": [TraceConfig()]}, False, False),
        ({"max_body_size": 0}, False, False),
        ({"proxy": "http://127.0.0.1:1"}, False, False),
        ({"trust_env": True}, False, False),
        ({"hsts": HSTSStore()}, False, False),
        ({"middlewares": [see]}, True, True),
        ({"retry": Retry()}, True, True),
        ({"breaker": CircuitBreaker()}, True, True),
        ({"cache": Cache()}, True, True),
    ],
)
async def test_whoever_sees_every_request_closes_the_short_way(
    options: dict[str, Any], usual: bool, handled: bool
) -> None:
    async with ClientSession(**options) as session:
        assert is_usual(session._defaults) is usual
        assert is_handled(session._defaults) is handled


@pytest.mark.parametrize(
    "options", [{}, {"data": b"some bytes"}, {"data": b""}, {"json": {"a": [1, "é"]}}, {"json": 0}, {"data": "text"}]
)
@pytest.mark.parametrize("method", ["GET", "POST", "put", "DELETE", "HEAD", "OPTIONS", "PATCH", "PURGE"])
async def test_both_ways_send_the_same(serve, method: str, options: dict[str, Any]) -> None:
    server = await serve(lambda seen: b"HTTP/1.1 204 No Content\r\n\r\n")
    async with ClientSession(headers={"X-A": "b", "accept": "a/b"}, skip_auto_headers=["User-Agent"]) as session:
        told = []
        for more in ({}, {}, LONG):
            async with session.request(method, server.url + "ä?q=a b#part", **options, **more) as response:
                told.append((response.request_info, response.url, response.real_url, response.method))
                assert response.output_size == len(server.last.body)
        by_plan, again, long = server.seen
        assert by_plan == again
        assert (by_plan.method, by_plan.target, by_plan.body) == (long.method, long.target, long.body)
        assert CIMultiDict(by_plan.headers) == CIMultiDict(long.headers)
        assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    "options",
    [
        {"auth": BasicAuth("a", "b")},
        {"headers": {"Content-Length": "2"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Cookie": "own=1"}, "cookies": {"jar": "2"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"cookie_jar": DummyCookieJar()},
        {"json_serialize_bytes": lambda value: repr(value).encode()},
        {"json_serialize": str},
    ],
)
async def test_both_ways_send_the_same_for_a_session_of_its_own_mind(serve, options: dict[str, Any]) -> None:
    server = await serve()
    if "cookies" in options:
        options = {**options, "cookie_jar": CookieJar(unsafe=True)}
    async with ClientSession(**options) as session:
        for more in ({}, {}, LONG):
            async with session.post(server.url, json=12, **more) as response:
                assert await response.read() == b"ok"
    by_plan, again, long = (CIMultiDict(seen.headers) for seen in server.seen)
    assert by_plan == again == long
    assert len({seen.body for seen in server.seen}) == 1


async def test_a_url_with_credentials_and_a_base(serve) -> None:
    server = await serve()
    url = URL(server.url).with_user("me").with_password("secret")
    async with ClientSession(base_url=url) as session:
        for path in ("below", "below", URL("below")):
            async with session.get(path) as response:
                assert str(response.url) == server.url + "below"
            assert server.last.value("Authorization") == "Basic bWU6c2VjcmV0"
            assert server.last.target == "/below"


async def test_changed_headers_of_the_session_count_at_once(serve, session) -> None:
    server = await serve()
    for number in "123":
        session.headers["X-Number"] = number
        await (await session.get(server.url)).read()
        assert server.last.values("X-Number") == [number]
    del session.headers["X-Number"]
    await (await session.get(server.url)).read()
    assert server.last.value("X-Number") is None


async def test_cookies_come_and_go(serve) -> None:
    server = await serve(
        lambda seen: b"HTTP/1.1 200 OK\r\nSet-Cookie: at=" + seen.target[1:].encode() + b"\r\nContent-Length: 0\r\n\r\n"
    )
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        told = []
        for path in "aabb":
            async with session.get(server.url + path) as response:
                told.append(response.request_info.headers.get("Cookie"))
                assert response.cookies["at"].value == path
        assert [seen.value("Cookie") for seen in server.seen] == [None, "at=a", "at=a", "at=b"] == told
        session.cookie_jar.clear()
        await session.get(server.url + "a")
        assert server.last.value("Cookie") is None


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (307, "POST", b'{"a": 1}')])
async def test_a_redirect_leaves_the_short_way(serve, status: int, method: str, body: bytes) -> None:
    def answer(seen: Any) -> bytes:
        if seen.target == "/there":
            return OK
        return (
            f"HTTP/1.1 {status} Elsewhere\r\nLocation: /there\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    server = await serve(answer)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        for _ in range(2):
            async with session.post(server.url, json={"a": 1}) as response:
                assert await response.read() == b"ok"
                assert [one.status for one in response.history] == [status]
                assert response.url.path == "/there"
                assert response.method == method
    assert [(seen.method, seen.target) for seen in server.seen] == [("POST", "/"), (method, "/there")] * 2
    assert server.last.body == body
    assert server.last.value("Cookie") == "a=b"
    assert server.last.value("Content-Type") == ("application/json" if body else None)


async def test_redirects_without_end(serve, session) -> None:
    server = await serve(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(TooManyRedirects) as caught:
        await session.get(server.url)
    assert len(caught.value.history) == len(server.seen) == 10


async def test_a_redirect_that_leads_nowhere_is_an_answer(serve, session) -> None:
    server = await serve(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
    for _ in range(2):
        async with session.get(server.url) as response:
            assert response.status == 302
            assert response.history == ()


async def test_status_is_judged(serve) -> None:
    server = await serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    judged = []

    async def judge(response: Any) -> None:
        judged.append(response.status)

    async with ClientSession(raise_for_status=True) as session:
        for _ in range(2):
            with pytest.raises(ClientResponseError, match="404"):
                await session.get(server.url)
    async with ClientSession(raise_for_status=judge) as session:
        for _ in range(2):
            await session.get(server.url)
    assert judged == [404, 404]


def stalls(*pieces: bytes) -> Any:
    """A conversation of one whole answer, then of `pieces`, and silence."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
        await reader.read()

    return talk


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",)])
@pytest.mark.parametrize(
    ("timeout", "error"),
    [(ClientTimeout(total=SHORT), TimeoutError), (ClientTimeout(total=60, sock_read=SHORT), SocketTimeoutError)],
)
async def test_the_time_of_a_request_with_a_plan(serve, pieces: Any, timeout: ClientTimeout, error: Any) -> None:
    server = await serve(talk=stalls(*pieces))
    async with ClientSession(timeout=timeout) as session:
        async with session.get(server.url) as response:
            assert await response.read() == b"ok"
        with pytest.raises(error) as caught:
            async with session.get(server.url) as response:
                assert pieces
                await response.read()
        assert type(caught.value) is error
        assert session.connector._pool.leased_count == 0


async def test_the_time_counts_while_nobody_reads(serve) -> None:
    server = await serve(talk=stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
    async with ClientSession(timeout=ClientTimeout(total=SHORT)) as session:
        await (await session.get(server.url)).read()
        response = await session.get(server.url)
        with pytest.raises(TimeoutError, match="while its body was read"):
            await response.content.wait_eof()
            await response.read()
        assert response.closed


async def test_the_wait_for_a_connection_counts(serve) -> None:
    answered = False

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        if not answered:  # whoever gets its connection at the last moment is not to get an answer at once
            answered = True
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        await reader.read()

    server = await serve(talk=talk)
    async with ClientSession(connector=TCPConnector(limit=1), timeout=ClientTimeout(total=SHORT)) as session:
        async with session.get(server.url) as response:
            await response.read()
        ends = await asyncio.gather(session.get(server.url), session.get(server.url), return_exceptions=True)
        assert [type(end) for end in ends] == [TimeoutError, TimeoutError]
        assert session.connector._pool.leased_count == 0


async def test_without_a_total_timeout(serve) -> None:
    server = await serve()
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert await response.text() == "ok"


async def test_a_cancelled_request_gives_its_place_back(serve, session) -> None:
    server = await serve(talk=stalls())
    await (await session.get(server.url)).read()
    request = asyncio.ensure_future(session.get(server.url))
    while session.connector._pool.leased_count == 0:
        await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert session.connector._pool.leased_count == 0
    assert session.connector._pool.idle_count == 0


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 1_000_000])
async def test_bodies_of_any_size(serve, session, size: int) -> None:
    server = await serve()
    for _ in range(2):
        async with session.post(server.url, data=b"x" * size) as response:
            assert await response.read() == b"ok"
            assert response.output_size == size
            assert response.request_info.headers["Content-Length"] == str(size)
        assert server.last.body == b"x" * size


async def test_json_that_cannot_be_made(serve, session) -> None:
    server = await serve()
    for _ in range(2):
        with pytest.raises(TypeError, match="not JSON serializable"):
            await session.post(server.url, json=object())
    assert not server.seen
    assert session.connector._pool.leased_count == 0


async def test_unknown_options_and_both_bodies_are_refused(serve, session) -> None:
    server = await serve()
    for _ in range(2):
        await session.get(server.url)
        with pytest.raises(TypeError, match="unheard_of"):
            await session.get(server.url, unheard_of=1)
        with pytest.raises(ValueError, match="exclude each other"):
            await session.post(server.url, json=1, data=b"")


async def test_the_deadline_of_the_work_at_hand_is_told(serve, session) -> None:
    server = await serve()
    await session.get(server.url)
    with within(60):
        await session.get(server.url)
    assert int(server.last.value("X-Envoy-Expected-Rq-Timeout-Ms")) > 50_000
    await session.get(server.url)
    assert server.last.value("X-Envoy-Expected-Rq-Timeout-Ms") is None


async def test_a_jar_that_filters_by_itself_is_asked(serve) -> None:
    class Own(CookieJar):
        def filter_cookies(self, request_url):
            found = super().filter_cookies(request_url)
            found["own"] = "1"
            return found

    server = await serve()
    async with ClientSession(cookie_jar=Own(unsafe=True), cookies={"a": "b"}) as session:
        for options in ({}, {"headers": {"X": "1"}}):
            async with session.get(server.url, **options):
                assert server.last.value("Cookie") == "a=b; own=1"


async def test_plans_do_not_fill_the_memory(serve, session) -> None:
    server = await serve()
    for number in range(MAX_PLANS + 5):
        await (await session.get(f"{server.url}{number}")).read()
    assert len(session._plans._known) == MAX_PLANS
    await (await session.get(f"{server.url}0")).read()
    assert server.last.target == "/0"


async def test_a_closed_session_sends_nothing(serve) -> None:
    server = await serve()
    session = ClientSession()
    await (await session.get(server.url)).read()
    pending = session.get(server.url)
    await session.close()
    for late in (pending, session.get(server.url)):
        with pytest.raises(RuntimeError, match="closed"):
            await late
    assert len(server.seen) == 1
