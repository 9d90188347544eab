"""A table of misbehaving servers: what each sends, and the exact result or error. Whole, and one byte at a time."""

import asyncio
import gzip
import zlib

import pytest

from levante.client import (
    ClientPayloadError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    SocketTimeoutError,
)

from_head = ClientResponseError
from_body = ClientPayloadError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def with_length(value: bytes, body: bytes = b"hello") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + value + b"\r\n\r\n" + body


def with_field(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 2\r\n\r\nok"


def coded(coding: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\nConnection: close\r\n\r\n" + body


ROWS: list[tuple[str, bytes, bytes | type[Exception]]] = [
    ("C01", with_length(b"5"), b"hello"),
    ("C02", b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
    ("C03", b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
    ("C04", with_length(b"9"), from_body),
    ("C05", CHUNKED + b"5\r\nhello\r\n", from_body),
    ("C06", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("C07", CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", from_body),
    ("C08", CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", from_body),
    ("C09", CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", from_body),
    ("C10", CHUNKED + b"5\r\nhelloJUNK\r\n0\r\n\r\n", from_body),
    ("C12", with_length(b"5\r\nContent-Length: 6"), from_head),
    ("C14", with_length(b"-5"), from_head),
    ("C15", with_length(b"5abc"), from_head),
    ("C16", with_length(b"+5"), from_head),
    ("C17", with_length(b""), from_head),
    ("C18", with_length(b"9" * 23), from_head),
    ("C19", b"HTTP/1.1 20 OK\r\n\r\n", from_head),
    ("C19", b"HTTP/1.1 2000 OK\r\n\r\n", from_head),
    ("C19", b"HTTP/1.1 abc OK\r\n\r\n", from_head),
    ("C22", b"HTTP/2.0 200 OK\r\n\r\n", from_head),
    ("C23", b"FTP/1.1 200 OK\r\n\r\n", from_head),
    ("C24", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("C25", with_field(b"X: a\x00b"), from_head),
    ("C26", with_field(b"X: a\rb"), from_head),
    ("C27", with_field(b"X Y: a"), from_head),
    ("C28", with_field(b"X : a"), from_head),
    ("C29", with_field(b": a"), from_head),
    ("C30", with_field(b"X: " + b"a" * 200_000), from_head),
    ("C31", b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", from_head),
    ("C32", b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(b"5"), b"hello"),
    ("C33", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + with_length(b"5"), b"hello"),
    ("C34", b"HTTP/1.1 102 Processing\r\n\r\n" * 3000 + with_length(b"5"), from_head),
    ("C35", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", from_head),
    ("C36", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", b""),
    ("C36", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", b""),
    ("C38", coded(b"gzip", b"this is no gzip"), from_body),
    ("C39", coded(b"gzip", gzip.compress(b"x" * 1000)[:-9]), from_body),
    ("C39", coded(b"deflate", zlib.compress(b"x" * 1000)[:-5]), from_body),
    ("C40", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", from_head),
    ("C41", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", from_head),
    ("C42", b"", ServerDisconnectedError),
    ("C43", b"HTTP/1.1 200 OK\r\nContent-", ServerDisconnectedError),
    ("C44", b"\x15\x03\x01\x00\x02\x02\x50", from_head),
    ("C47", CHUNKED + b"0\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", from_body),
    ("C48", CHUNKED + b"5;" + b"a" * 200_000 + b"\r\nhello\r\n0\r\n\r\n", from_body),
    ("C50", coded(b", ".join([b"gzip"] * 50), gzip.compress(b"x")), from_body),
]


async def play(serve, data: bytes, step: int) -> bytes:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if step == 1:
                await asyncio.sleep(0)

    server = await serve(talk=talk)
    async with ClientSession(timeout=ClientTimeout(total=20)) as session, session.get(server.url) as response:
        return await response.read()


@pytest.mark.hardening(*sorted({row for row, _, _ in ROWS}))
@pytest.mark.parity("C37", "V33")
@pytest.mark.parametrize("step", [1_000_000, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize(("row", "data", "result"), ROWS, ids=[f"{row}-{n}" for n, (row, _, _) in enumerate(ROWS)])
async def test_catalogue(serve, row: str, data: bytes, result: bytes | type[Exception], step: int) -> None:
    if step == 1 and len(data) > 2000:
        step = 4096
    if isinstance(result, bytes):
        assert await play(serve, data, step) == result
    else:
        with pytest.raises(result) as caught:
            await play(serve, data, step)
        assert type(caught.value) is result


@pytest.mark.hardening("C13")
async def test_two_equal_lengths_are_one_or_an_error(serve) -> None:
    try:
        assert await play(serve, with_length(b"5\r\nContent-Length: 5"), 1000) == b"hello"
    except ClientResponseError:
        pass


@pytest.mark.hardening("C11")
async def test_chunked_beside_a_length_is_not_reused(serve, session) -> None:
    server = await serve(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    for _ in range(2):
        try:
            async with session.get(server.url) as response:
                assert await response.read() == b"hello"
        except ClientResponseError:
            pass
    assert server.connections == 2


@pytest.mark.hardening("C36", "C49")
@pytest.mark.parametrize(
    "data",
    [
        with_length(b"5", b"helloEXTRA"),
        with_length(b"5") + with_length(b"4", b"evil"),
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_extra_bytes_are_nobodys_answer(serve, session, data: bytes) -> None:
    answers = iter([data, with_length(b"4", b"next")])
    server = await serve(lambda _: next(answers))
    async with session.get(server.url) as response:
        assert await response.read() in (b"hello", b"")
    async with session.get(server.url) as response:
        assert await response.read() == b"next"
    assert server.connections == 2


@pytest.mark.hardening("C49")
async def test_unsolicited_bytes_while_idle_close_the_connection(serve, session) -> None:
    server = await serve()
    async with session.get(server.url) as response:
        connection = response.connection or await response.read()
    (idle,) = session.connector._open
    (writer,) = server.writers
    writer.write(with_length(b"4", b"evil"))
    await asyncio.wait_for(idle.wait_closed(), 5)
    async with session.get(server.url) as response:
        assert await response.read() == b"ok"
    assert server.connections == 2
    assert connection is not None


@pytest.mark.hardening("C45", "C46")
@pytest.mark.parametrize("data", [with_field(b"X: a\r\n b"), b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"])
async def test_folds_and_bare_line_feeds_are_accepted_or_refused(serve, data: bytes) -> None:
    try:
        assert await play(serve, data, 1000) == b"ok"
    except ClientResponseError:
        pass


@pytest.mark.parity("C36", "V17")
@pytest.mark.hardening("C50")
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_expands_no_further_than_somebody_reads(serve, session, coding: str) -> None:
    size = 64 * 1024 * 1024
    packed = gzip.compress(bytes(size)) if coding == "gzip" else zlib.compress(bytes(size))
    server = await serve(
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
    )
    async with session.get(server.url) as response:
        assert len(await response.content.readexactly(1000)) == 1000
        assert response.content.total_bytes < 2 * 1024 * 1024
        total = 1000
        async for piece in response.content.iter_any():
            total += len(piece)
    assert total == size


@pytest.mark.parity("C8")
@pytest.mark.hardening("C58")
async def test_silence_and_drip(serve) -> None:
    stop = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(with_length(b"9"))
        await stop.wait()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with ClientSession() as session:
        with pytest.raises(SocketTimeoutError):
            await session.get((await serve(talk=silent)).url, timeout=ClientTimeout(sock_read=0.05))
        with pytest.raises(TimeoutError) as caught:
            await session.get((await serve(talk=silent)).url, timeout=ClientTimeout(total=0.05))
        assert type(caught.value) is TimeoutError
        with pytest.raises(SocketTimeoutError):
            async with session.get((await serve(talk=half)).url, timeout=ClientTimeout(sock_read=0.05)) as response:
                await response.read()
        with pytest.raises(TimeoutError) as caught:
            async with session.get((await serve(talk=drip)).url, timeout=ClientTimeout(total=0.1)) as response:
                await response.read()
        assert type(caught.value) is TimeoutError
        assert session.connector._pool.leased_count == 0
    stop.set()


@pytest.mark.parity("C20")
@pytest.mark.hardening("C42", "C59")
@pytest.mark.parametrize(("method", "repeated"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
async def test_a_connection_that_died_idle_is_repeated_once(serve, method: str, repeated: bool) -> None:
    requests = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(with_length(b"5"))
        await writer.drain()
        if len(requests) == 1:
            # The second request is received, and answered by closing: the race of a server's own keep-alive timer.
            await reader.readuntil(b"\r\n\r\n")

    server = await serve(talk=talk)
    async with ClientSession() as session:
        async with session.get(server.url) as response:
            await response.read()
        if repeated:
            async with session.request(method, server.url) as response:
                assert await response.read() == b"hello"
        else:
            with pytest.raises(ServerDisconnectedError):
                await session.request(method, server.url)


@pytest.mark.parity("C20")
async def test_the_repetition_can_be_switched_off_and_happens_once(serve) -> None:
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await reader.readuntil(b"\r\n\r\n")
        if count == 1:
            writer.write(with_length(b"5"))
            await reader.readuntil(b"\r\n\r\n")

    server = await serve(talk=talk)
    async with ClientSession(transparent_retry=False) as session:
        async with session.get(server.url):
            pass
        with pytest.raises(ServerDisconnectedError):
            await session.get(server.url)
    assert count == 1
    count = 0
    async with ClientSession() as session:
        async with session.get(server.url):
            pass
        with pytest.raises(ServerDisconnectedError):
            await session.get(server.url)
    assert count == 2


@pytest.mark.parity("C20")
@pytest.mark.hardening("C59")
async def test_what_was_half_answered_is_not_repeated(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(with_length(b"5"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 2")

    server = await serve(talk=talk)
    async with session.get(server.url):
        pass
    with pytest.raises(ServerDisconnectedError, match="inside the head"):
        await session.get(server.url)
    assert server.connections == 1
