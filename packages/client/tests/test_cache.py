"""The cache of a session, against scripted servers and on a clock of the test."""

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from levante import client
from levante.client import Cache, ClientSession, ClientTimeout, CookieJar, DiskStorage, MemoryStorage
from levante.http import format_date

pytestmark = pytest.mark.parity("U24", "L22")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def answer(*fields: str, body: bytes = b"body", status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


def counted(*fields: str) -> Callable[[object], bytes]:
    count = 0

    def reply(_seen: object) -> bytes:
        nonlocal count
        count += 1
        return answer(*fields, body=b"%d" % count)

    return reply


async def get(session: ClientSession, url: str, **options) -> tuple[int, bytes, str | None]:
    async with session.get(url, **options) as response:
        return response.status, await response.read(), response.headers.get("Cache-Status")


@pytest.fixture(params=["memory", "disk"])
def storage(request, tmp_path: Path) -> MemoryStorage | DiskStorage:
    return MemoryStorage() if request.param == "memory" else DiskStorage(tmp_path / "cache")


async def test_what_is_fresh_is_not_asked_for_again(serve, storage) -> None:
    clock = Clock()
    server = await serve(answer("Cache-Control: max-age=60", "X: 1", "X: 2", "Content-Type: text/plain"))
    async with ClientSession(cache=Cache(storage, clock=clock)) as session:
        assert await get(session, server.url) == (200, b"body", None)
        clock.now += 7
        async with session.get(server.url + "#part") as response:
            assert await response.text() == "body"
            assert response.headers.getall("X") == ["1", "2"]
            assert response.headers["Age"] == "7"
            assert response.headers["Cache-Status"] == "levante; hit"
            assert (response.reason, response.url.path, response.connection) == ("OK", "/", None)
            assert response.closed
        clock.now += 60
        assert await get(session, server.url) == (200, b"body", None)
        assert await get(session, server.url + "?other") == (200, b"body", None)
    assert [seen.target for seen in server.seen] == ["/", "/", "/?other"]


async def test_without_a_word_nothing_is_kept(serve) -> None:
    server = await serve(counted())
    async with ClientSession(cache=Cache()) as session:
        assert [(await get(session, server.url))[1] for _ in range(2)] == [b"1", b"2"]


async def test_what_is_stale_is_asked_about(serve, storage) -> None:
    clock = Clock()

    def reply(seen) -> bytes:
        if seen.value("If-None-Match") == '"a"':
            return b'HTTP/1.1 304 Same\r\nETag: "a"\r\nCache-Control: max-age=60\r\nX: new\r\n\r\n'
        return answer("Cache-Control: max-age=5", 'ETag: "a"', "X: old")

    server = await serve(reply)
    async with ClientSession(cache=Cache(storage, clock=clock)) as session:
        await get(session, server.url)
        clock.now += 10
        async with session.get(server.url) as response:
            assert await response.read() == b"body"
            assert response.headers["X"] == "new"
            assert response.headers["Cache-Status"] == "levante; fwd=stale; fwd-status=304"
            assert "If-None-Match" not in response.request_info.headers
        clock.now += 50
        assert (await get(session, server.url))[2] == "levante; hit"
    assert len(server.seen) == 2
    assert server.connections == 1


async def test_a_new_answer_takes_the_place_of_the_old(serve, storage) -> None:
    clock = Clock()
    server = await serve(counted("Cache-Control: max-age=5", f"Last-Modified: {format_date(clock.now)}"))
    async with ClientSession(cache=Cache(storage, clock=clock)) as session:
        await get(session, server.url)
        clock.now += 10
        assert await get(session, server.url) == (200, b"2", None)
        assert (await get(session, server.url))[1:] == (b"2", "levante; hit")
    assert server.last.value("If-Modified-Since") is not None


async def test_a_304_about_something_else_is_not_believed(serve) -> None:
    clock = Clock()

    def reply(seen) -> bytes:
        if seen.value("If-None-Match"):
            return b'HTTP/1.1 304 Same\r\nETag: "other"\r\n\r\n'
        return answer("Cache-Control: max-age=5", 'ETag: "a"')

    server = await serve(reply)
    async with ClientSession(cache=Cache(clock=clock)) as session:
        await get(session, server.url)
        clock.now += 10
        assert await get(session, server.url) == (200, b"body", None)
    assert [seen.value("If-None-Match") for seen in server.seen] == [None, '"a"', None]


async def test_variants_and_credentials(serve, storage) -> None:
    server = await serve(counted("Cache-Control: max-age=60", "Vary: Accept-Language"))
    async with ClientSession(cache=Cache(storage)) as session:
        for _ in range(2):
            assert (await get(session, server.url, headers={"Accept-Language": "de"}))[1] == b"1"
            assert (await get(session, server.url, headers={"Accept-Language": "en"}))[1] == b"2"
            assert (await get(session, server.url, headers={"Accept-Language": "en", "X": "1"}))[1] == b"2"
            one = {"Accept-Language": "de", "Authorization": "Bearer one"}
            assert (await get(session, server.url, headers=one))[1] == b"3"
            assert (await get(session, server.url, headers=one | {"Authorization": "Bearer two"}))[1] == b"4"
    assert len(server.seen) == 4


async def test_middlewares_stand_before_the_cache(serve) -> None:
    server = await serve(counted("Cache-Control: max-age=60"))
    user = "one"

    async def sign(request, handler):
        request.headers["Authorization"] = user
        return await handler(request)

    async with ClientSession(cache=Cache(), middlewares=[sign]) as session:
        assert (await get(session, server.url))[1] == b"1"
        user = "two"
        assert (await get(session, server.url))[1] == b"2", "what one user may see is not shown to another"


async def test_decoded_and_coded_bodies_are_kept_apart(serve) -> None:
    zipped = gzip.compress(b"text")
    server = await serve(answer("Cache-Control: max-age=60", "Content-Encoding: gzip", body=zipped))
    async with ClientSession(cache=Cache()) as session:
        for _ in range(2):
            assert (await get(session, server.url))[1] == b"text"
            assert (await get(session, server.url, auto_decompress=False))[1] == zipped
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("method", "status", "asked"), [("POST", "200 OK", 2), ("POST", "500 No", 1), ("HEAD", "200 OK", 1)]
)
async def test_unsafe_requests_make_doubtful(serve, storage, method: str, status: str, asked: int) -> None:
    reply = counted("Cache-Control: max-age=60")
    server = await serve(lambda seen: reply(seen) if seen.method == "GET" else answer(status=status, body=b""))
    async with ClientSession(cache=Cache(storage)) as session:
        await get(session, server.url)
        async with session.request(method, server.url):
            pass
        await get(session, server.url)
    assert len([seen for seen in server.seen if seen.method == "GET"]) == asked


async def test_what_was_on_its_way_when_it_became_doubtful_is_not_kept(serve) -> None:
    server = await serve(lambda seen: answer("Cache-Control: max-age=60"))
    async with ClientSession(cache=Cache()) as session:
        async with session.get(server.url) as response:
            await session.put(server.url)
            await response.read()
        await get(session, server.url)
    assert [seen.method for seen in server.seen] == ["GET", "PUT", "GET"]


async def test_two_that_are_read_at_once(serve, storage) -> None:
    server = await serve(counted("Cache-Control: max-age=60"))
    async with ClientSession(cache=Cache(storage)) as session:
        bodies = [body for _, body, _ in await asyncio.gather(*(get(session, server.url) for _ in range(5)))]
        assert sorted(bodies) == [b"1", b"2", b"3", b"4", b"5"], "misses at the same time are all sent"
        assert (await get(session, server.url))[2] == "levante; hit"


async def test_forget(serve) -> None:
    server = await serve(counted("Cache-Control: max-age=60"))
    async with ClientSession(cache=(cache := Cache())) as session:
        await get(session, server.url)
        await cache.forget(server.url)
        assert (await get(session, server.url))[1] == b"2"


async def test_only_what_was_read_to_its_end_is_kept(serve) -> None:
    parts = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\n")
            while (part := await parts.get()) is not None:
                writer.write(part)
            if await parts.get() == "cut":
                return

    server = await serve(talk=talk)
    storage = MemoryStorage()
    async with ClientSession(cache=Cache(storage)) as session:
        for part in (b"cu", None, "cut"):
            parts.put_nowait(part)
        with pytest.raises(client.ClientPayloadError):
            await get(session, server.url)
        parts.put_nowait(b"le")
        async with session.get(server.url) as response:
            assert await response.content.readany() == b"le"
        parts.put_nowait(None)
        parts.put_nowait("cut")
        assert len(storage) == 0
        for part in (b"al", b"l!", None, "on"):
            parts.put_nowait(part)
        async with session.get(server.url) as response:
            assert [piece async for piece in response.content.iter_chunked(1)] == [b"a", b"l", b"l", b"!"]
        assert (await get(session, server.url))[1:] == (b"all!", "levante; hit")


async def test_what_is_large_is_not_kept(serve) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n"
    )
    known = answer("Cache-Control: max-age=60", body=b"12345678")
    server = await serve(lambda seen: chunked if seen.target == "/c" else known)
    for max_body, kept in [(7, 0), (8, 2)]:
        storage = MemoryStorage()
        async with ClientSession(cache=Cache(storage, max_body=max_body)) as session:
            for path in ("c", "k"):
                assert (await get(session, server.url + path))[1] == b"12345678"
        assert len(storage) == kept


async def test_empty_bodies_and_redirects(serve) -> None:
    moved = answer("Cache-Control: max-age=60", "Location: /end", status="301 Moved")
    none = b"HTTP/1.1 204 None\r\nCache-Control: max-age=60\r\n\r\n"
    server = await serve(lambda seen: moved if seen.target == "/" else none)
    async with ClientSession(cache=Cache()) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert (response.status, [past.status for past in response.history]) == (204, [301])
    assert len(server.seen) == 2


async def test_cookies_come_from_servers_not_from_the_cache(serve) -> None:
    server = await serve(answer("Cache-Control: max-age=60", "Set-Cookie: a=1"))
    jar = CookieJar(unsafe=True)
    async with ClientSession(cache=Cache(), cookie_jar=jar) as session:
        await get(session, server.url, headers={"Cookie": "a=1"})
        jar.clear()
        async with session.get(server.url, headers={"Cookie": "a=1"}) as response:
            assert response.headers["Cache-Status"] == "levante; hit"
            assert not response.cookies
        assert len(jar) == 0


async def test_requests_that_want_something_else_are_passed_on(serve) -> None:
    server = await serve(counted("Cache-Control: max-age=60"))
    async with ClientSession(cache=Cache()) as session:
        await get(session, server.url)
        for number, headers in enumerate(
            [{"Range": "bytes=0-"}, {"If-None-Match": "x"}, {"Cache-Control": "no-store"}], 2
        ):
            assert (await get(session, server.url, headers=headers))[1] == b"%d" % number
        assert (await get(session, server.url, headers={"Cache-Control": "no-cache"}))[1] == b"5"
        assert (await get(session, server.url, data=b"body"))[1] == b"6"
        assert (await get(session, server.url))[1] == b"5"


async def test_a_limit_on_bodies_holds_for_stored_ones(serve) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await serve(chunked + b"4\r\nbody\r\n0\r\n\r\n")
    async with ClientSession(cache=Cache()) as session:
        await get(session, server.url)
        with pytest.raises(client.ResponseTooLarge):
            await get(session, server.url, max_body_size=3)
        assert (await get(session, server.url, max_body_size=4))[2] == "levante; hit"


async def test_only_if_cached(serve) -> None:
    clock = Clock()
    server = await serve(answer("Cache-Control: max-age=60"))
    only = {"Cache-Control": "only-if-cached"}
    async with ClientSession(cache=Cache(clock=clock)) as session:
        assert (await get(session, server.url, headers=only))[0] == 504
        await get(session, server.url)
        assert (await get(session, server.url, headers=only))[0] == 200
        clock.now += 100
        assert (await get(session, server.url, headers=only))[0] == 504
    assert len(server.seen) == 1


async def test_stale_while_revalidate(serve) -> None:
    clock = Clock()
    server = await serve(counted("Cache-Control: max-age=5, stale-while-revalidate=60"))
    async with ClientSession(cache=(cache := Cache(clock=clock))) as session:
        await get(session, server.url)
        clock.now += 10
        assert [(await get(session, server.url))[1] for _ in range(3)] == [b"1"] * 3
        await asyncio.gather(*cache._questions.values())
        assert (await get(session, server.url))[1:] == (b"2", "levante; hit")
    assert len(server.seen) == 2


async def test_closing_ends_what_is_asked_in_the_background(serve) -> None:
    clock = Clock()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("Cache-Control: max-age=5, stale-while-revalidate=60"))
        await reader.read()

    server = await serve(talk=talk)
    session = ClientSession(cache=(cache := Cache(clock=clock)))
    await get(session, server.url)
    clock.now += 10
    await get(session, server.url)
    assert len(cache._questions) == 1
    await session.close()
    assert not cache._questions
    assert not cache._writes


async def test_a_question_in_the_background_that_fails_is_logged(serve, caplog) -> None:
    clock = Clock()
    replies = [answer("Cache-Control: max-age=5, stale-while-revalidate=60"), b""]
    server = await serve(lambda _seen: replies.pop(0), close=True)
    async with ClientSession(cache=(cache := Cache(clock=clock)), timeout=ClientTimeout(total=5)) as session:
        await get(session, server.url)
        clock.now += 10
        assert (await get(session, server.url))[1] == b"body"
        await asyncio.gather(*cache._questions.values())
    assert "could not be renewed: ServerDisconnectedError" in caplog.text


@pytest.mark.parametrize("fails", ["status", "connection"])
async def test_stale_if_error(serve, fails: str) -> None:
    clock = Clock()
    failing = False

    def reply(_seen) -> bytes:
        if not failing:
            return answer("Cache-Control: max-age=5, stale-if-error=60")
        return answer(status="503 Busy") if fails == "status" else b""

    server = await serve(reply, close=True)
    async with ClientSession(cache=Cache(clock=clock)) as session:
        await get(session, server.url)
        failing = True
        clock.now += 10
        assert (await get(session, server.url))[1:] == (b"body", "levante; hit; detail=stale-if-error")
        clock.now += 60
        if fails == "status":
            assert (await get(session, server.url))[0] == 503
        else:
            with pytest.raises(client.ServerDisconnectedError):
                await get(session, server.url)


async def test_what_was_not_verified_is_not_kept(serve, server_tls, client_tls) -> None:
    server = await serve(counted("Cache-Control: max-age=60"), tls=server_tls)
    async with ClientSession(cache=Cache()) as session:
        assert (await get(session, server.url, ssl=False))[1] == b"1"
        assert (await get(session, server.url, ssl=client_tls))[1] == b"2"
        assert (await get(session, server.url, ssl=client_tls))[1:] == (b"2", "levante; hit")
        assert (await get(session, server.url, ssl=False))[1] == b"3"


async def test_hosts_of_one_server_are_kept_apart(serve) -> None:
    server = await serve(counted("Cache-Control: public, max-age=60"))
    async with ClientSession(cache=Cache()) as session:
        assert (await get(session, server.url))[1] == b"1"
        assert (await get(session, server.url, headers={"Host": "other.test"}))[1] == b"2"
        assert (await get(session, server.url))[1] == b"1"


async def test_sessions_may_share_one(serve, storage) -> None:
    server = await serve(counted("Cache-Control: max-age=60"))
    cache = Cache(storage)
    async with ClientSession(cache=cache) as one:
        await get(one, server.url)
    async with ClientSession(cache=cache) as other:
        assert (await get(other, server.url))[2] == "levante; hit"
