"""What may not stay in a cache, or come out of it, when somebody is careless, lies, or sets a clock."""

import ssl

import pytest

from levante.client import Cache, ClientResponse, ClientSession, CookieJar, TCPConnector
from levante.client.cache import StoredHead, rules
from levante.client.cache.control import parse_cache_control

pytestmark = pytest.mark.parity("U24")

YESTERDAY = "Last-Modified: Thu, 14 Jan 2027 08:00:00 GMT"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def answer(*fields: str, body: bytes = b"body") -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def same(*fields: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 304 Same", *fields, "", ""]).encode()


async def get(session: ClientSession, url: str, **options) -> tuple[bytes, str | None]:
    async with session.get(url, **options) as response:
        return await response.read(), response.headers.get("Cache-Status")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("no-store; max-age=60", "no-store"), ("private no-store", "no-store"), ('no-store="x', "no-store"),
        ("max-age=60; no-cache", "no-cache"), ("public, private; x", "private"), ("x, no-store:, y", "no-store"),
    ],
)  # fmt: skip
def test_what_is_badly_written_still_restricts(field: str, name: str) -> None:
    assert name in parse_cache_control([field])


def test_what_is_badly_written_allows_nothing() -> None:
    directives = parse_cache_control(["max-age=60; public; max-stale; stale-while-revalidate=9"])
    assert directives.seconds("max-age") == 0
    assert not any(name in directives for name in ("public", "max-stale", "stale-while-revalidate"))
    assert parse_cache_control(["max-age=5; x, public"]).is_bare("public")


async def test_semicolons_keep_nothing(serve) -> None:
    server = await serve(answer("Cache-Control: no-store; max-age=60", YESTERDAY))
    async with ClientSession(cache=Cache()) as session:
        assert [await get(session, server.url) for _ in range(2)] == [(b"body", None)] * 2


@pytest.mark.parametrize("field", ["Cache-Control: no-store", "Vary: *"])
async def test_a_304_may_forbid_to_keep_it_any_longer(serve, field: str) -> None:
    clock = Clock()

    def reply(seen) -> bytes:
        asked = seen.value("If-None-Match") is not None
        return same(field, 'ETag: "a"') if asked else answer("Cache-Control: max-age=5", 'ETag: "a"', YESTERDAY)

    server = await serve(reply)
    async with ClientSession(cache=Cache(clock=clock)) as session:
        await get(session, server.url)
        clock.now += 10
        assert await get(session, server.url) == (b"body", "levante; fwd=stale; fwd-status=304")
        assert await get(session, server.url) == (b"body", None)
    assert [seen.value("If-None-Match") for seen in server.seen] == [None, '"a"', None]


@pytest.mark.parametrize("field", ["Cache-Control: private, max-age=60", "Vary: Authorization"])
async def test_a_304_may_say_anew_for_whom_it_is(serve, field: str) -> None:
    clock = Clock()

    def reply(seen) -> bytes:
        if seen.value("If-None-Match"):
            return same(field, 'ETag: "a"')
        return answer("Cache-Control: public, max-age=5", 'ETag: "a"', body=seen.value("Authorization").encode())

    server = await serve(reply)
    ann, ben = {"Authorization": "Bearer ann"}, {"Authorization": "Bearer ben"}
    async with ClientSession(cache=Cache(clock=clock)) as session:
        await get(session, server.url, headers=ann)
        clock.now += 10
        await get(session, server.url, headers=ann)
        clock.now += 1
        assert (await get(session, server.url, headers=ann))[1] == "levante; hit"
        before = len(server.seen)
        await get(session, server.url, headers=ben)
        assert len(server.seen) == before + 1


async def test_a_body_that_ends_with_its_connection_is_not_kept(serve) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nhalf", close=True)
    async with ClientSession(cache=Cache()) as session:
        assert await get(session, server.url, read_until_eof=False) == (b"", None)
        assert [await get(session, server.url) for _ in range(2)] == [(b"half", None)] * 2


async def test_no_body_at_all_is_one(serve) -> None:
    server = await serve(b"HTTP/1.1 204 Nothing\r\nCache-Control: max-age=60\r\n\r\n")
    async with ClientSession(cache=Cache()) as session:
        assert [await get(session, server.url) for _ in range(2)] == [(b"", None), (b"", "levante; hit")]


async def test_a_clock_that_is_set_back_keeps_nothing_fresh(serve) -> None:
    clock = Clock()
    server = await serve(answer("Cache-Control: max-age=60, stale-if-error=60", 'ETag: "a"'))
    async with ClientSession(cache=Cache(clock=clock)) as session:
        await get(session, server.url)
        clock.now -= 365 * 24 * 3600
        assert await get(session, server.url) == (b"body", None)
        assert server.last.value("If-None-Match") == '"a"'
        assert (await get(session, server.url))[1] == "levante; hit"


def test_nor_may_it_stand_in_then() -> None:
    head = StoredHead("u", 200, "OK", (("Cache-Control", "stale-if-error=60"),), (), True, 90.0, 100.0)
    assert rules.may_stand_in(head.headers, head, 100.0)
    assert not rules.may_stand_in(head.headers, head, 99.0)


async def test_a_certificate_of_another_name_stores_nothing(serve, server_tls, client_tls: ssl.SSLContext) -> None:
    server = await serve(answer("Cache-Control: max-age=60"), tls=server_tls)
    async with ClientSession(connector=TCPConnector(ssl=client_tls), cache=Cache()) as session:
        for _ in range(2):
            assert await get(session, server.url, server_hostname="levante.test") == (b"body", None)
        assert await get(session, server.url) == (b"body", None)
        assert await get(session, server.url) == (b"body", "levante; hit")
        assert await get(session, server.url, server_hostname="levante.test") == (b"body", None)


async def test_stored_responses_are_of_the_class_of_the_session(serve) -> None:
    class Own(ClientResponse):
        pass

    server = await serve(answer("Cache-Control: max-age=60"))
    async with ClientSession(cache=Cache(), response_class=Own) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert type(response) is Own
                await response.read()
    assert len(server.seen) == 1


async def test_the_cookies_of_a_304_count(serve) -> None:
    def reply(seen) -> bytes:
        return (
            same("Set-Cookie: a=b") if seen.value("If-None-Match") else answer("Cache-Control: no-cache", 'ETag: "a"')
        )

    server = await serve(reply)
    jar = CookieJar(unsafe=True)
    async with ClientSession(cache=Cache(), cookie_jar=jar) as session:
        for _ in range(2):
            await get(session, server.url)
    assert [(cookie.key, cookie.value) for cookie in jar] == [("a", "b")]


async def test_bytes_of_any_kind_in_a_stored_head(serve) -> None:
    server = await serve(
        b"HTTP/1.1 200 \xff\xd1\x82\r\nX: \xff\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n"
    )
    async with ClientSession(cache=Cache()) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert (response.reason, response.headers["X"]) == ("\udcff\u0442", "\udcff")
                await response.read()
    assert len(server.seen) == 1
