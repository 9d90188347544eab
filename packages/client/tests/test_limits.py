"""The limits of the client, each at its limit, one beyond and ten times beyond (hardening, section 4): what a server
may take of our time, our connections and our memory."""

import asyncio
import socket
import ssl
import time

import pytest
import trustme

from levante.client import (
    AbstractResolver,
    ClientPayloadError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    SocketTimeoutError,
    TCPConnector,
    TooManyRedirects,
)
from levante.http import Limits

LIMITS = Limits()
# Seconds: long against what a busy machine adds, short against ten times that.
TIME = 0.6
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD_ERRORS = (ClientResponseError,)
BODY_ERRORS = (ClientPayloadError,)


def head_with(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + line + b"\r\nok"


def reason_of(size: int) -> bytes:
    return b"HTTP/1.1 200 ".ljust(size, b"r") + b"\r\nContent-Length: 2\r\n\r\nok"


def fields(count: int) -> bytes:
    return head_with(b"A: b\r\n" * (count - 1))


def field_of(size: int) -> bytes:
    return head_with(b"A: ".ljust(size, b"b") + b"\r\n")


def block_of(size: int) -> bytes:
    start, end = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"\r\n"
    left = size - len(start) - len(end)
    lines = []
    while left:
        take = left if left <= 8000 else min(4000, left - 100)
        lines.append(b"A: ".ljust(take - 2, b"b") + b"\r\n")
        left -= take
    return start + b"".join(lines) + end + b"ok"


def informational(count: int) -> bytes:
    return b"HTTP/1.1 102 Processing\r\n\r\n" * count + OK


def trailers(count: int) -> bytes:
    return CHUNKED + b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * count + b"\r\n"


def trailer_of(size: int) -> bytes:
    lines = [b"A: ".ljust(998, b"b") + b"\r\n"] * (size // 1000) + [b"A: ".ljust(size % 1000 - 2, b"b") + b"\r\n"]
    return CHUNKED + b"2\r\nok\r\n0\r\n" + b"".join(lines) + b"\r\n"


def extensions_of(size: int) -> bytes:
    """Without the semicolons, which the engine does not count."""
    chunks = [b"1;" + b"e" * 1000 + b"\r\no\r\n"] * (size // 1000) + [b"1;" + b"e" * (size % 1000) + b"\r\nk\r\n"]
    return CHUNKED + b"".join(chunks) + b"0\r\n\r\n"


SIZES = [
    ("status line", reason_of, LIMITS.max_line_size, HEAD_ERRORS),
    ("fields", fields, LIMITS.max_headers, HEAD_ERRORS),
    ("field", field_of, LIMITS.max_field_size, HEAD_ERRORS),
    ("block", block_of, LIMITS.max_head_size, HEAD_ERRORS),
    ("informational", informational, LIMITS.max_informational, HEAD_ERRORS),
    ("trailers", trailers, LIMITS.max_trailers, BODY_ERRORS),
    ("trailer block", trailer_of, LIMITS.max_trailer_size, BODY_ERRORS),
    ("extensions", extensions_of, LIMITS.max_chunk_extensions, BODY_ERRORS),
]


@pytest.mark.parametrize(("make", "limit", "errors"), [row[1:] for row in SIZES], ids=[row[0] for row in SIZES])
async def test_sizes(serve, session, make, limit: int, errors: tuple[type[Exception], ...]) -> None:
    async def ask(size: int) -> bytes:
        server = await serve(make(size))
        async with session.get(server.url) as response:
            return await response.read()

    assert (await ask(limit)).endswith(b"k")
    for size in (limit + 1, 10 * limit):
        with pytest.raises(errors) as caught:
            await ask(size)
        assert type(caught.value) in errors
    assert session.connector._pool.leased_count == 0


@pytest.mark.parametrize(
    ("option", "make"), [("max_line_size", reason_of), ("max_field_size", field_of), ("max_headers", fields)]
)
async def test_sizes_that_the_caller_sets(serve, option: str, make) -> None:
    for limits in ({"session": {option: 50}, "request": {}}, {"session": {}, "request": {option: 50}}):
        async with ClientSession(**limits["session"]) as session:
            async with session.get((await serve(make(50))).url, **limits["request"]) as response:
                assert await response.read() == b"ok"
            for size in (51, 500):
                with pytest.raises(ClientResponseError):
                    await session.get((await serve(make(size))).url, **limits["request"])


@pytest.mark.parity("C22")
@pytest.mark.parametrize(("option", "limit"), [({}, 10), ({"max_redirects": 3}, 3)])
async def test_redirects(serve, session, option: dict[str, int], limit: int) -> None:
    for count in (limit - 1, limit, 10 * limit):

        def answer(seen, count: int = count) -> bytes:
            number = int(seen.target.strip("/") or 0)
            if number == count:
                return OK
            return b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % (number + 1)

        server = await serve(answer)
        if count < limit:
            async with session.get(server.url, **option) as response:
                assert (await response.read(), len(response.history)) == (b"ok", count)
        else:
            with pytest.raises(TooManyRedirects) as caught:
                await session.get(server.url, **option)
            assert len(caught.value.history) == limit
            assert len(server.seen) == limit


@pytest.mark.parity("C10")
@pytest.mark.parametrize("option", ["limit", "limit_per_host"])
async def test_the_pool(serve, option: str) -> None:
    running = most = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        while await reader.readuntil(b"\r\n\r\n"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            writer.write(OK)

    server = await serve(talk=talk)
    for count, expected in ((5, 5), (6, 5), (50, 5)):
        most = 0
        async with ClientSession(connector=TCPConnector(**{"limit": 0, option: 5})) as session:

            async def one(session: ClientSession = session) -> bytes:
                async with session.get(server.url) as response:
                    return await response.read()

            assert await asyncio.gather(*(one() for _ in range(count))) == [b"ok"] * count
        assert most == expected


def test_the_pool_without_being_asked() -> None:
    async def look() -> tuple[int, int]:
        async with TCPConnector() as connector:
            return connector.limit, connector.limit_per_host

    assert asyncio.run(look()) == (100, 0)
    assert ClientTimeout() == ClientTimeout(total=300, connect=None, sock_connect=None, sock_read=None)


# Time: what takes half of it passes, twice and ten times as much are errors, and those come in time.


async def timed(asking) -> tuple[object, float]:
    start = time.monotonic()
    try:
        return await asking, time.monotonic() - start
    except Exception as error:
        return error, time.monotonic() - start


async def check_time(ask, *, error: type[Exception]) -> None:
    """`ask(seconds)` is a request that takes so long."""
    result, _ = await timed(ask(TIME / 2))
    assert result == b"ok", repr(result)
    for factor in (2, 10):
        result, took = await timed(ask(factor * TIME))
        assert type(result) is error, repr(result)
        assert took < 2 * TIME + 1


@pytest.mark.parity("C8")
@pytest.mark.hardening("C58")
@pytest.mark.parametrize("kind", ["connect", "sock_connect"])
async def test_time_to_connect(serve, kind: str) -> None:
    server = await serve()

    class Slow(AbstractResolver):
        seconds = 0.0

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET):
            await asyncio.sleep(self.seconds)
            return [
                {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            ]

        async def close(self) -> None:
            pass

    resolver = Slow()
    connector = TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    async with ClientSession(connector=connector, timeout=ClientTimeout(**{kind: TIME})) as session:

        async def ask(seconds: float) -> bytes:
            resolver.seconds = seconds
            async with session.get(f"http://slow.test:{server.port}/") as response:
                return await response.read()

        await check_time(ask, error=ConnectionTimeoutError)
        assert connector._pool.leased_count == 0


@pytest.mark.parity("C8")
async def test_time_to_wait_for_the_pool(serve) -> None:
    server = await serve()
    async with ClientSession(connector=TCPConnector(limit=1), timeout=ClientTimeout(connect=TIME)) as session:

        async def ask(seconds: float) -> bytes:
            from levante.client import ConnectionKey

            key = ConnectionKey("127.0.0.1", server.port, False, True)
            lease = await session.connector.acquire(key, ClientTimeout())
            timer = asyncio.get_running_loop().call_later(seconds, lease.end)
            try:
                async with session.get(server.url) as response:
                    return await response.read()
            finally:
                timer.cancel()
                lease.end()

        await check_time(ask, error=ConnectionTimeoutError)


class Answering(asyncio.Protocol):
    """A server that says OK to everything."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _: bytes) -> None:
        self.transport.write(OK)
        self.transport.close()


@pytest.mark.hardening("C58")
async def test_time_for_a_tls_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    from levante.client import securing

    assert securing.TLS_HANDSHAKE_TIMEOUT == 10.0
    monkeypatch.setattr(securing, "TLS_HANDSHAKE_TIMEOUT", TIME)
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    loop = asyncio.get_running_loop()

    async def accept(listener: socket.socket, wait: float) -> None:
        accepted, _ = await loop.sock_accept(listener)
        try:
            await asyncio.sleep(wait)
            await loop.connect_accepted_socket(Answering, accepted, ssl=context)
        except BaseException:
            accepted.close()
            raise

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with ClientSession(ssl=trusting) as session:

            async def ask(seconds: float) -> bytes:
                accepting = asyncio.ensure_future(accept(listener, seconds))
                try:
                    async with session.get(f"https://127.0.0.1:{listener.getsockname()[1]}/") as response:
                        return await response.read()
                finally:
                    if seconds > TIME:
                        accepting.cancel()
                    else:
                        await accepting
                    await asyncio.wait([accepting])

            await check_time(ask, error=ConnectionTimeoutError)


@pytest.mark.parity("C8")
@pytest.mark.hardening("C58")
@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize(("kind", "error"), [("sock_read", SocketTimeoutError), ("total", TimeoutError)])
async def test_time_of_silence_and_of_all(serve, part: str, kind: str, error: type[Exception]) -> None:
    wait = 0.0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        at = 5 if part == "head" else len(OK) - 1
        writer.write(OK[:at])
        await asyncio.sleep(wait)
        writer.write(OK[at:])

    server = await serve(talk=talk)
    async with ClientSession(timeout=ClientTimeout(**{kind: TIME})) as session:

        async def ask(seconds: float) -> bytes:
            nonlocal wait
            wait = seconds
            async with session.get(server.url) as response:
                return await response.read()

        await check_time(ask, error=error)
        assert session.connector._pool.leased_count == 0
