"""The digest middleware against servers that check what they are told."""

import asyncio
import hashlib
import io
from collections.abc import Callable

import pytest

from levante import client
from levante.client import ClientSession, TCPConnector
from levante.client.challenges import parse_challenges
from levante.client.digestauth import DigestAuthMiddleware

Build = Callable[..., bytes]


class Guard:
    """A server's side of digest authentication (MD5 or SHA-256, auth or auth-int), computed on its own."""

    def __init__(self, build: Build, *, qop: str = "auth", algorithm: str = "SHA-256", extra: str = "") -> None:
        self.build = build
        self.qop = qop
        self.algorithm = algorithm
        self.extra = extra
        self.nonce = "nonce-1"
        self.counts: list[int] = []
        self.info: list[str] = []

    def __call__(self, seen) -> bytes:
        verdict = self.check(seen)
        if verdict == "ok":
            return self.build(b"welcome", *self.info)
        stale = ", stale=true" if verdict == "stale" else ""
        challenge = (
            f'Digest realm="r", nonce="{self.nonce}", qop="{self.qop}", algorithm={self.algorithm}{self.extra}{stale}'
        )
        fields = ('WWW-Authenticate: Basic realm="b"', f"WWW-Authenticate: Negotiate, {challenge}")
        return self.build(b"who are you?", *fields, status="401 Unauthorized")

    def check(self, seen) -> str:
        given = seen.value("Authorization")
        if given is None:
            return "missing"
        p = parse_challenges([given])[0].parameters
        if p["nonce"] != self.nonce:
            return "stale"
        make = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}[self.algorithm]

        def h(data: bytes) -> str:
            return make(data).hexdigest()

        body = ":" + h(seen.body) if p["qop"] == "auth-int" else ""
        key, asked = h(b"ann:r:pw"), h(f"{seen.method}:{seen.target}{body}".encode())
        expected = h(f"{key}:{p['nonce']}:{p['nc']}:{p['cnonce']}:{p['qop']}:{asked}".encode())
        if p["uri"] != seen.target or p["username"] != "ann" or p["response"] != expected:
            return "wrong"
        self.counts.append(int(p["nc"], 16))
        return "ok"


def digest(*args: object, **options: object) -> ClientSession:
    return ClientSession(middlewares=[DigestAuthMiddleware("ann", "pw", *args, **options)])


@pytest.mark.parity("C25")
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_a_challenge_is_answered_and_the_next_request_brings_its_answer(serve, response, algorithm: str) -> None:
    guard = Guard(response, algorithm=algorithm)
    server = await serve(guard)
    async with digest() as session:
        for target in ("", "a b?q=%2F&r=\u00e4", "c"):
            async with session.get(server.url + target) as answer:
                assert (answer.status, await answer.read()) == (200, b"welcome")
    assert len(server.seen) == 4
    assert guard.counts == [1, 2, 3]


@pytest.mark.parity("C25")
async def test_without_preemption_every_request_is_challenged(serve, response) -> None:
    guard = Guard(response)
    server = await serve(guard)
    async with digest(False) as session:
        for _ in range(2):
            async with session.get(server.url) as answer:
                assert answer.status == 200
    assert len(server.seen) == 4
    assert guard.counts == [1, 1]


@pytest.mark.parity("C25")
async def test_a_stale_nonce_is_replaced(serve, response) -> None:
    guard = Guard(response)
    server = await serve(guard)
    async with digest() as session:
        for nonce in ("nonce-1", "nonce-2"):
            guard.nonce = nonce
            async with session.get(server.url) as answer:
                assert answer.status == 200
    assert len(server.seen) == 4
    assert guard.counts == [1, 1]


@pytest.mark.parity("C25")
async def test_the_server_names_the_next_nonce(serve, response) -> None:
    guard = Guard(response)
    server = await serve(guard)
    async with digest() as session:
        guard.info = ['Authentication-Info: nextnonce="nonce-2", qop=auth', "X: y"]
        async with session.get(server.url):
            pass
        guard.nonce, guard.info = "nonce-2", ["Authentication-Info: rspauth=abc"]
        async with session.get(server.url) as answer:
            assert answer.status == 200
    assert len(server.seen) == 3


@pytest.mark.parity("C25")
async def test_one_retry(serve, response) -> None:
    server = await serve(Guard(response))
    wrong = DigestAuthMiddleware("ann", "wrong")
    async with ClientSession(middlewares=[wrong]) as session, session.get(server.url) as answer:
        assert (answer.status, await answer.read()) == (401, b"who are you?")
    assert len(server.seen) == 2


@pytest.mark.parity("C25")
@pytest.mark.parametrize("qop", ["auth", "auth-int", "auth,auth-int"])
@pytest.mark.parametrize(
    "make",
    [lambda: b"bytes", lambda: "text", lambda: {"a": "b"}, lambda: io.BytesIO(b"a file")],
    ids=["bytes", "str", "form", "file"],
)
async def test_bodies_are_sent_again(serve, response, qop: str, make: Callable[[], object]) -> None:
    guard = Guard(response, qop=qop)
    server = await serve(guard)
    async with digest() as session, session.post(server.url, data=make()) as answer:
        assert answer.status == 200
    assert server.seen[0].body == server.seen[1].body != b""
    assert f"qop={qop.rpartition(',')[2]}" in server.last.value("Authorization")


@pytest.mark.parity("C25")
async def test_streams_and_coded_bodies(serve, response) -> None:
    async def stream():
        yield b"once"

    server = await serve(Guard(response, qop="auth,auth-int"))
    async with digest() as session:
        with pytest.raises(client.ClientPayloadError, match="used up"):
            await session.post(server.url, data=stream())
        async with session.post(server.url, data=stream()) as answer:  # it brings its answer now
            assert answer.status == 200
        assert "qop=auth," in server.last.value("Authorization")
        async with session.post(server.url, data=b"x" * 100, compress="gzip") as answer:
            assert answer.status == 200
    only = await serve(Guard(response, qop="auth-int"))
    async with digest() as session:
        with pytest.raises(client.ClientError, match="auth-int"):
            await session.post(only.url, data=b"x", compress="gzip")
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C25")
async def test_only_the_protection_space_is_told_in_advance(serve, response) -> None:
    server = await serve(Guard(response, extra=', domain="/in"'))
    async with digest() as session:
        for target, expected in (("in/a", 2), ("in/b", 1), ("out", 2)):
            before = len(server.seen)
            async with session.get(server.url + target) as answer:
                assert answer.status == 200
            assert len(server.seen) - before == expected


@pytest.mark.parity("C25")
@pytest.mark.parametrize(
    "challenge", ["Digest nonce=n", 'Digest realm=r, nonce=""', "Digest realm=r, nonce=n, algorithm=X"]
)
async def test_challenges_that_cannot_be_answered(serve, response, challenge: str) -> None:
    server = await serve(response(b"", f"WWW-Authenticate: {challenge}", status="401 Unauthorized"))
    async with digest() as session:
        with pytest.raises(client.ClientError, match="digest"):
            await session.get(server.url)
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C25")
async def test_other_schemes_are_left_to_the_caller(serve, response) -> None:
    server = await serve(response(b"", 'WWW-Authenticate: Basic realm="b"', status="401 Unauthorized"))
    async with digest() as session, session.get(server.url) as answer:
        assert answer.status == 401
    assert len(server.seen) == 1


@pytest.mark.parity("V41", "C25")
@pytest.mark.parametrize("known", [False, True])
async def test_credentials_stay_with_their_origin(serve, response, known: bool) -> None:
    guard = Guard(response)
    stranger = await serve(guard)
    home = await serve(
        lambda seen: (
            guard(seen)
            if known and seen.target == "/"
            else response(b"", f"Location: {stranger.url}", status="302 Found")
        )
    )
    async with digest() as session:
        if known:
            async with session.get(home.url) as answer:
                assert answer.status == 200
        async with session.get(home.url + "away") as answer:
            assert answer.status == 401
        async with session.get(stranger.url) as answer:
            assert answer.status == 401
    assert all(seen.values("Authorization") == [] for seen in stranger.seen)
    assert len(stranger.seen) == 2


@pytest.mark.parity("V41")
async def test_a_stranger_names_no_nonce(serve, response) -> None:
    guard = Guard(response)
    home, stranger = await serve(guard), await serve(response(b"", 'Authentication-Info: nextnonce="evil"'))
    async with digest() as session:
        for url in (home.url, stranger.url, home.url):
            async with session.get(url) as answer:
                assert answer.status == 200
    assert guard.counts == [1, 2]


@pytest.mark.parity("C25")
async def test_the_challenge_gives_its_place_in_the_pool_back(serve, response) -> None:
    guard = Guard(response)

    def answer(seen) -> bytes:
        whole = guard(seen)
        if b" 401 " not in whole.partition(b"\r\n")[0]:
            return whole
        return whole.replace(b"Content-Length: 12", b"Content-Length: 1000")  # whose rest never comes

    server = await serve(answer)
    async with (
        ClientSession(connector=TCPConnector(limit=1), middlewares=[DigestAuthMiddleware("ann", "pw")]) as session,
        asyncio.timeout(5),
        session.get(server.url) as answered,
    ):
        assert answered.status == 200


@pytest.mark.parity("V41")
async def test_the_origin_can_be_named(serve, response) -> None:
    guard = Guard(response)
    other, home = await serve(guard), await serve(guard)
    async with digest(origin=home.url + "any/path") as session:
        async with session.get(other.url) as answer:
            assert answer.status == 401
        async with session.get(home.url) as answer:
            assert answer.status == 200
    assert len(other.seen) == 1


@pytest.mark.parity("C25")
async def test_many_at_once(serve, response) -> None:
    guard = Guard(response)
    server = await serve(guard)

    async def get(session: ClientSession) -> int:
        async with session.get(server.url) as answer:
            await answer.read()
            return answer.status

    async with digest() as session:
        assert set(await asyncio.gather(*(get(session) for _ in range(20)))) == {200}


@pytest.mark.parity("C25")
def test_a_colon_in_the_login() -> None:
    with pytest.raises(ValueError, match="7616"):
        DigestAuthMiddleware("a:b", "c")


async def test_what_is_no_utf8_and_tabs_go_back_as_they_came(serve, response) -> None:
    realm, nonce = "Z\u00fcrich", "a\tb"  # the tests read heads as Latin-1
    challenge = f'WWW-Authenticate: Digest realm="{realm}", nonce="{nonce}", qop="auth", opaque="\u00ff"'

    def reply(seen) -> bytes:
        if seen.value("Authorization") is None:
            return f"HTTP/1.1 401 No\r\n{challenge}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
        return response(b"welcome")

    def h(text: str) -> str:
        return hashlib.md5(text.encode("latin-1"), usedforsecurity=False).hexdigest()

    server = await serve(reply)
    async with digest() as session, session.get(server.url) as answer:
        assert answer.status == 200
    p = parse_challenges([server.last.value("Authorization")])[0].parameters
    assert (p["realm"], p["nonce"], p["opaque"]) == (realm, nonce, "\u00ff")
    key = h(f"ann:{realm}:pw")
    assert p["response"] == h(f"{key}:{nonce}:{p['nc']}:{p['cnonce']}:auth:{h('GET:/')}")
