"""What a caller gives to one request, and what is put into a prepared head for it: sent by the short way, it must not
be told from what goes the long way, and must be refused as there; `LONG` sends it there."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy, istr
from yarl import URL

from levante.client import (
    BasicAuth,
    Cache,
    CircuitBreaker,
    ClientHandlerType,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    CookieJar,
    ExpiredDeadlineError,
    Retry,
    SocketTimeoutError,
    TCPConnector,
    shortway,
)
from levante.client.options import RequestOptions
from levante.client.plans import MAX_PLANS, OPTIONS
from levante.client.request import ClientRequest
from levante.http import ExchangeTimeout, deadlines
from levante.http.deadlines import DEADLINE_HEADER, within

LONG: dict[str, Any] = {"max_redirects": 10}  # the default, but said
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# Seconds: short enough for a test, long enough for a loaded machine to notice that it has not passed.
SHORT = 0.2
# Seconds: long enough for the answer of a loaded machine.
AMPLE = 1.0

USUAL_FIELDS = [
    "X-Request-ID", "Authorization", "Accept", "accept-encoding", "User-Agent", "Content-Type", "Range", "Date", "TE",
    "If-None-Match", "X-Default", "Content-Encoding", "Server", "Trailer", "Keep-Alive",
]  # fmt: skip
SPECIAL_FIELDS = [
    "Host", "Cookie", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "content-length",
    "Proxy-Authorization", "Upgrade-Insecure-Requests", DEADLINE_HEADER,
]  # fmt: skip
HOSTILE_NAMES = ["", " ", "a b", "a:", "é", "a\r\nb", "a\x00", "(a)", "\ud800"]
VALUES = ["b", "", "0", "5", "chunked", "close", "a=b", "\t", " a ", "é", "x" * 300, "Basic bWU6c2VjcmV0"]
HOSTILE_VALUES = ["\r\nX: y", "\n", "\x00", "\x7f", "a\rb", "\ud800", "\udcff", "\u2028", "\x85"]

fields = st.lists(
    st.tuples(
        st.sampled_from(USUAL_FIELDS * 3 + SPECIAL_FIELDS + HOSTILE_NAMES) | st.text(max_size=4),
        st.sampled_from(VALUES * 3 + HOSTILE_VALUES) | st.text(max_size=6) | st.sampled_from([1, None, b"x", True]),
    ),
    max_size=4,
)
forms = st.sampled_from([dict, CIMultiDict, lambda pairs: CIMultiDictProxy(CIMultiDict(pairs)), list])
bodies = st.sampled_from([{}, {}, {"json": {"a": 1}}, {"data": b"some bytes"}, {"data": "text"}, {"json": None}])
queries = st.sampled_from(
    [None, {}, {"q": "a b"}, "a=b&c=%20", [("a", 1), ("a", 2)], {"a": ["é", "#"]}, {"a": object()}]
)
targets = st.sampled_from(["", "a", "a?b=c#d", "ä%20/../b?x y", "c d#e"])


@pytest.fixture
async def server(serve: Any) -> Any:
    return await serve()


class Ways:
    """Sends requests by both ways, and tells whether the short one was taken."""

    def __init__(self, session: ClientSession, server: Any) -> None:
        self.session = session
        self.server = server
        self.planned = 0

    def takes(self, method: str, url: str | URL, options: Any) -> bool:
        """Whether a request goes the short way."""
        session = self.session
        left = deadlines.remaining()
        with contextlib.suppress(ValueError, TypeError):
            plan = session._plans.find(method, url, options, session.connector, left)
            self.planned += plan is not None
            return plan is not None
        return False

    async def outcome(self, method: str, url: str | URL, options: dict[str, Any]) -> Any:
        """What the server was told and what the caller learned, or the error, before which nothing was sent."""
        count = len(self.server.seen)
        try:
            async with self.session.request(method, url, **options) as response:
                body = await response.read()
        except Exception as error:
            assert len(self.server.seen) == count
            return type(error), str(error)
        seen = self.server.last
        assert len(self.server.seen) == count + 1
        told = sorted(response.request_info.headers.items())
        return (
            (seen.method, seen.target, without_time(sorted(seen.headers)), seen.body),
            (response.method, response.url, response.real_url, body, response.output_size),
            (response.request_info.real_url, without_time(told)),
        )

    async def compare(self, method: str, path: str, options: dict[str, Any]) -> None:
        """Fail unless both ways agree; an option may be used up by a request, so it is made for each."""
        url = self.server.url + path
        long = await self.outcome(method, url, {**options, **LONG})
        self.takes(method, url, options)
        for _ in range(2):
            assert await self.outcome(method, url, options) == long


def without_time(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`headers` with what is left of a minute always the same."""
    told = DEADLINE_HEADER.lower()
    return [("left", "") if name.lower() == told and len(value) == len("59999") else (name, value)
            for name, value in headers]  # fmt: skip


async def changes(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """A middleware that changes what it gets; nothing of it may be seen by the next request."""
    assert "X-Seen" not in request.headers
    request.headers["X-Seen"] = f"{request.method} {request.length} {request.timeout.total}"
    request.headers["Accept"] = "changed"
    request.url = request.url.update_query(seen="1")
    return await handler(request)


@pytest.mark.hardening("C60")
@pytest.mark.parametrize("under_deadline", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Default": "d", "accept": "a/b"}, "cookies": {"jar": "1"}},
        {"auth": BasicAuth("me", "secret"), "skip_auto_headers": ["User-Agent"]},
        {"headers": {"Content-Type": "a/b", "Connection": "close"}},
        {"headers": {DEADLINE_HEADER: "1"}, "deadline_header": DEADLINE_HEADER.lower()},
        {"middlewares": [changes], "cookies": {"jar": "1"}},
        {"retry": Retry(), "breaker": CircuitBreaker(), "cache": Cache(), "headers": {"X-Default": "d"}},
    ],
)
async def test_whatever_is_given_both_ways_send_or_refuse_the_same(
    server: Any, options: dict[str, Any], under_deadline: bool
) -> None:
    loop = asyncio.get_running_loop()
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), **options) as session:
        ways = Ways(session, server)

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(["GET", "POST", "delete", "HEAD"]), targets, fields, forms, bodies, queries)
        @example("GET", "", [("X-Request-ID", "1")], dict, {}, None)
        @example("POST", "a", [("accept", "b"), ("Authorization", "c")], dict, {"json": 1}, {"q": "1"})
        def check(method: str, path: str, pairs: Any, form: Any, body: Any, params: Any) -> None:
            try:
                headers = form(pairs)
            except (TypeError, ValueError):
                return  # no multidict can be made of them
            given = {"headers": headers, "params": params, **body}
            asyncio.run_coroutine_threadsafe(ways.compare(method, path, given), loop).result()

        with within(60) if under_deadline else contextlib.nullcontext():
            await asyncio.to_thread(check)
        assert ways.planned or DEADLINE_HEADER in session.headers


@pytest.mark.hardening("C60")
@pytest.mark.parametrize("name", USUAL_FIELDS + SPECIAL_FIELDS)
@pytest.mark.parametrize("options", [{}, {"cookies": {"jar": "1"}, "auth": BasicAuth("a", "b")}])
async def test_each_field_alone(server: Any, options: dict[str, Any], name: str) -> None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), **options) as session:
        ways = Ways(session, server)
        for value in ("2", "a=b", "close", "chunked", "100-continue"):
            for body in ({}, {"data": b"xx"}):
                await ways.compare("POST", "", {"headers": {name: value, "X": "y"}, **body})


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Request-ID": "1", "Authorization": "b", "accept": "c"}},
        {"headers": CIMultiDict({istr("Accept"): "b"})},
        {"params": {"a": "b"}},
        {"timeout": ClientTimeout(total=5)},
        {"allow_redirects": False, "raise_for_status": True, "headers": None, "params": None, "timeout": None},
        {"headers": {"A": "b"}, "params": "c", "timeout": ClientTimeout(), "json": [1], "data": None},
    ],
)
async def test_what_services_give_goes_the_short_way(server: Any, options: dict[str, Any]) -> None:
    async with ClientSession() as session:
        ways = Ways(session, server)
        for _ in range(2):
            assert ways.takes("GET", server.url, options)
            with within(60):
                assert ways.takes("GET", server.url, options)
        assert not ways.takes("GET", server.url, {**options, **LONG})
        assert RequestOptions.__optional_keys__ > OPTIONS


@pytest.mark.hardening("C60")
@pytest.mark.parametrize("path", ["\xe4", "a b", "?q=\x00"])
async def test_a_url_that_is_passed_as_encoded_and_is_not(server: Any, session: ClientSession, path: str) -> None:
    ways = Ways(session, server)
    url = URL(server.url + path, encoded=True)
    long = await ways.outcome("GET", url, LONG)
    assert issubclass(long[0], ValueError)
    for options in ({}, {}, {"params": {"a": "b"}}, {"headers": {"a": "b"}}):
        assert (await ways.outcome("GET", url, options))[0] is long[0]
    assert not ways.takes("GET", url, {})


def test_an_answer_whose_time_ends_as_it_begins_is_late() -> None:
    exchange: Any = SimpleNamespace(error=ExchangeTimeout("total"))
    with pytest.raises(ExchangeTimeout):
        shortway._grant_total(exchange, 60)


async def test_fields_stand_where_they_stand_on_the_long_way(server: Any) -> None:
    async with ClientSession(headers={"X-A": "1", "X-B": "2"}) as session:
        for headers in ({"x-b": "3", "Y": "4"}, {"User-Agent": "me", "X-A": "0"}, {"Z": "5"}):
            for more in ({}, {}, LONG):
                await session.get(server.url, headers=headers, **more)
            by_plan, again, long = [seen.headers for seen in server.seen[-3:]]
            assert by_plan == again == long
            assert long[0][0] == "Host"


async def test_every_value_is_the_one_that_was_given(server: Any, session: ClientSession) -> None:
    for number in range(5):
        token, query = f"token {number // 2}", {"n": number}
        async with session.get(server.url, headers={"Authorization": token}, params=query) as response:
            assert response.url.query["n"] == str(number)
            assert response.request_info.headers["Authorization"] == token
        assert server.last.values("Authorization") == [token]
        assert server.last.target == f"/?n={number}"


async def test_another_url_of_the_origin_needs_no_plan_of_its_own(server: Any, session: ClientSession) -> None:
    made = 0
    first = session._plans._make_first

    def count(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        return first(*arguments)

    type(session._plans)._make_first, kept = (lambda self, *given: count(*given)), type(session._plans)._make_first
    try:
        for number in range(MAX_PLANS + 3):
            assert session._plans.find("GET", f"http://x/{number}", {}, session.connector, None).head.line == (
                f"GET /{number} HTTP/1.1\r\n"
            )
        assert made == 1
        for number in range(MAX_PLANS + 3):
            session._plans.find("GET", f"http://x{number}/", {}, session.connector, None)
        assert made == MAX_PLANS + 4
        assert len(session._plans._homes) == len(session._plans._known) == MAX_PLANS
    finally:
        type(session._plans)._make_first = kept


def test_a_variant_of_a_request_is_whole() -> None:
    async def main() -> None:
        async with ClientSession() as session:
            given = ClientRequest("PUT", URL("http://a/b#c"), session=session, headers=CIMultiDict(), body=b"x",
                                  timeout=ClientTimeout(), expect100=True, compress=None, chunked=False)  # fmt: skip
            like = given.variant()
            assert all(getattr(like, name) is getattr(given, name) for name in ClientRequest.__slots__)
            headers: CIMultiDict[str] = CIMultiDict({"a": "b"})
            other = given.variant(url=URL("http://a/d#e"), headers=headers)
            assert (str(other.url), str(other.original_url)) == ("http://a/d", "http://a/d#e")
            assert other.headers is headers
            assert other.connection_key == given.connection_key

    asyncio.run(main())


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (307, "POST", b'{"a":1}')])
async def test_a_redirect_takes_along_what_it_may(serve: Any, status: int, method: str, body: bytes) -> None:
    there = await serve()
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {there.url}x\r\nContent-Length: 0\r\n\r\n"
    here = await serve(head.encode())
    headers = {"Authorization": "secret", "X-A": "b"}
    async with ClientSession() as session:
        for more in ({}, {}, LONG):
            for server in (here, there):
                server.seen.clear()
            async with session.post(here.url, json={"a": 1}, headers=headers, params={"q": "1"}, **more) as response:
                assert [one.status for one in response.history] == [status]
                assert response.history[0].url.query_string == "q=1"
            assert (here.last.target, here.last.value("Authorization")) == ("/?q=1", "secret")
            assert (there.last.method, there.last.target) == (method, "/x")
            assert there.last.body.replace(b" ", b"") == body
            assert there.last.value("X-A") == "b"
            assert there.last.value("Authorization") is None
        async with session.get(here.url, headers=headers, allow_redirects=False) as response:
            assert (response.status, response.history) == (status, ())
        assert len(there.seen) == 1


async def test_a_middleware_may_replace_a_body_that_a_redirect_takes_along(serve: Any, tmp_path: Path) -> None:
    there = await serve()
    here = await serve(f"HTTP/1.1 307 There\r\nLocation: {there.url}x\r\nContent-Length: 0\r\n\r\n".encode())
    path = tmp_path / "body"
    path.write_bytes(b"from a file")
    files: list[Any] = []

    async def replace(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if request.url.port == here.port:
            files.append(path.open("rb"))
            await request.update_body(files[-1])
        return await handler(request)

    async with ClientSession(middlewares=[replace]) as session:
        for more in ({}, {}, LONG):
            async with session.post(here.url, json={"a": 1}, **more) as response:
                assert [one.status for one in response.history] == [307]
            assert here.last.body == there.last.body == b"from a file"
            assert files[-1].closed
        async with session.post(there.url, json={"a": 1}) as response:
            assert there.last.body.replace(b" ", b"") == b'{"a":1}'


@pytest.mark.parametrize("more", [{}, LONG])
async def test_a_body_is_closed_whatever_becomes_of_its_request(serve: Any, tmp_path: Path, more: Any) -> None:
    server = await serve()
    (tmp_path / "body").write_bytes(b"from a file")
    files: list[Any] = []

    async def replace(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        files.append((tmp_path / "body").open("rb"))
        await request.update_body(files[-1])
        if "fail" in request.url.path:
            raise ZeroDivisionError
        return await handler(request)

    async with ClientSession(middlewares=[replace]) as session:
        async with session.post(server.url, data=b"x", **more) as response:
            await response.read()
        with pytest.raises(ZeroDivisionError):
            await session.post(server.url + "fail", data=b"x", **more)
    assert [file.closed for file in files] == [True, True]


async def test_cookies_and_the_verdict_of_a_session_with_handlers(serve: Any) -> None:
    server = await serve(b"HTTP/1.1 404 No\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
    async with ClientSession(
        middlewares=[changes], cookie_jar=CookieJar(unsafe=True), raise_for_status=True
    ) as session:
        with pytest.raises(ClientResponseError, match="404"):
            await session.get(server.url)
        await session.get(server.url, raise_for_status=False)
        assert server.last.value("Cookie") == "a=b"


@pytest.mark.parametrize("more", [{}, LONG])
async def test_the_total_time_spans_the_handlers(serve: Any, more: Any) -> None:
    server = await serve()

    async def hangs(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        await handler(request)
        return await asyncio.Future()

    async with ClientSession(middlewares=[hangs]) as session:
        with pytest.raises(TimeoutError, match="total timeout"):
            await session.get(server.url, timeout=ClientTimeout(total=SHORT), **more)


async def test_a_request_can_be_judged_otherwise_than_the_session_does(serve: Any) -> None:
    server = await serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    judged: list[int] = []

    async def judge(response: Any) -> None:
        judged.append(response.status)

    async with ClientSession(raise_for_status=True) as session:
        for _ in range(2):
            await session.get(server.url, raise_for_status=False)
            await session.get(server.url, raise_for_status=judge)
            with pytest.raises(ClientResponseError, match="404"):
                await session.get(server.url, raise_for_status=None)
    async with ClientSession() as session:
        with pytest.raises(ClientResponseError, match="404"):
            await session.get(server.url, raise_for_status=True)
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


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.mark.parametrize("pieces", [(), (HALF,)])
@pytest.mark.parametrize(
    ("timeout", "error"),
    [(ClientTimeout(total=SHORT), TimeoutError), (ClientTimeout(total=60, sock_read=SHORT), SocketTimeoutError)],
)
async def test_the_time_of_one_request(serve: Any, pieces: Any, timeout: ClientTimeout, error: Any) -> None:
    server = await serve(talk=stalls(*pieces))
    async with ClientSession() as session:
        await (await session.get(server.url)).read()
        with within(60), pytest.raises(error) as caught:
            async with session.get(server.url, timeout=timeout) as response:
                assert pieces
                await response.read()
        assert type(caught.value) is error
        assert session.connector._pool.leased_count == 0


@pytest.mark.hardening("X20")
@pytest.mark.parametrize("total", [60, None])
async def test_the_deadline_of_the_work_ends_a_request_on_a_kept_connection(serve: Any, total: float | None) -> None:
    server = await serve(talk=stalls())
    async with ClientSession(timeout=ClientTimeout(total=total)) as session:
        await (await session.get(server.url)).read()
        with within(SHORT), pytest.raises(ExpiredDeadlineError):
            await session.get(server.url)
        assert server.connections == 1
        assert session.connector._pool.leased_count == 0


@pytest.mark.hardening("X20")
@pytest.mark.parametrize("total", [2 * AMPLE, None])
async def test_the_deadline_of_the_work_does_not_end_a_body_that_began_in_time(serve: Any, total: float | None) -> None:
    server = await serve(talk=stalls(HALF))
    loop = asyncio.get_running_loop()
    async with ClientSession(timeout=ClientTimeout(total=total)) as session:
        await (await session.get(server.url)).read()
        begun = loop.time()
        with within(AMPLE):
            response = await session.get(server.url)
        assert await response.content.readany() == b"half"
        if total is None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 2 * AMPLE)
            response.close()
        else:
            with pytest.raises(TimeoutError, match="while its body was read"):
                await response.content.readany()
        assert loop.time() - begun > 1.9 * AMPLE


@pytest.mark.hardening("X20")
async def test_the_wait_for_a_connection_ends_with_the_deadline_of_the_work(serve: Any) -> None:
    server = await serve(talk=stalls())
    async with ClientSession(connector=TCPConnector(limit=1)) as session:
        await (await session.get(server.url)).read()
        hanging = asyncio.ensure_future(session.get(server.url))
        while session.connector._pool.leased_count == 0:
            await asyncio.sleep(0)
        with within(SHORT), pytest.raises(ExpiredDeadlineError):
            await session.get(server.url)
        hanging.cancel()
        await asyncio.wait([hanging])


async def test_a_dead_connection_costs_one_more_attempt_in_the_same_time(serve: Any) -> None:
    server = await serve(close=True)
    async with ClientSession() as session:
        for number in range(3):
            with within(60):
                async with session.get(server.url, headers={"X-A": str(number)}) as response:
                    assert await response.read() == b"ok"
            assert server.last.value("X-A") == str(number)
            while not all(writer.is_closing() for writer in server.writers):
                await asyncio.sleep(0)
