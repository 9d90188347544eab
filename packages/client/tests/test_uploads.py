"""Bodies of requests on their way: from files, from iterators, in a coding."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from levante import client
from levante.http import ACCEPTABLE, BytesPayload, body_decoder

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AGAIN = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parity("C31")
async def test_a_file_is_sent_from_where_it_stood_to_every_hop_and_closed(serve, session, tmp_path: Path) -> None:
    path = tmp_path / "upload.txt"
    path.write_bytes(b"skipped" + bytes(range(256)) * 2000)
    server = await serve(lambda seen: AGAIN if seen.target == "/" else OK)
    file = path.open("rb")
    file.seek(7)
    async with session.post(server.url, data=file) as response:
        assert await response.read() == b"ok"
    assert [seen.body for seen in server.seen] == [bytes(range(256)) * 2000] * 2
    assert server.last.value("Content-Length") == "512000"
    assert server.last.value("Content-Type") == "text/plain"
    assert file.closed


@pytest.mark.parity("C31", "C33")
async def test_an_iterator_is_asked_only_as_fast_as_the_server_takes(serve, session) -> None:
    """What the iterator gives waits in the socket's buffers and ours, which are bounded; never in a list of ours."""
    given = 0
    taken = asyncio.Event()
    total = 64 * (1 << 20)

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(total >> 18):
            given += 1 << 18
            yield bytes(1 << 18)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await taken.wait()
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
        writer.write(OK)

    server = await serve(talk=talk)
    request = asyncio.ensure_future(session.post(server.url, data=pieces()))
    before = -1
    while given != before:  # until nothing moves any more
        before = given
        await asyncio.sleep(0.1)
    assert 0 < given < total // 2
    taken.set()
    async with await request as response:
        assert response.status == 200
        await response.upload_complete
    assert given == total
    assert response.output_size == total


@pytest.mark.parity("C20", "U9")
@pytest.mark.parametrize("coding", ACCEPTABLE)
async def test_a_body_in_a_coding(serve, session, coding: str) -> None:
    data = random.Random(coding).randbytes(50_000).hex().encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield data[:10]
        yield data[10:]

    server = await serve()
    for body in (data, pieces()):
        async with session.post(server.url, data=body, compress=coding) as response:
            assert response.status == 200
        assert server.last.value("Content-Encoding") == coding
        decoder = body_decoder(coding)
        assert decoder is not None
        decoded = decoder.decompress(server.last.body)
        while decoder.has_more:
            decoded += decoder.decompress(b"")
        decoder.finish()
        assert decoded == data
        assert response.output_size == len(server.last.body)


@pytest.mark.parity("C33")
async def test_an_iterator_that_fails_is_the_error_of_the_request(serve, session) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"some"
        raise KeyError("the source is broken")

    server = await serve()
    for options in ({}, {"compress": "gzip"}):
        with pytest.raises(KeyError, match="source"):
            await session.post(server.url, data=pieces(), **options)


@pytest.mark.parity("C36", "C33")
async def test_a_coded_answer_before_the_upload_has_ended(serve, session) -> None:
    """The answer can be read while the body is still being sent; letting it go stops the upload."""

    packed = gzip.compress(b"enough")
    stopped = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)
        finally:
            stopped.set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 413 Too Much\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await reader.read()

    server = await serve(talk=talk)
    async with session.post(server.url, data=pieces()) as response:
        assert (response.status, await response.read()) == (413, b"enough")
    async with asyncio.timeout(10):
        await stopped.wait()
    assert isinstance(response, client.ClientResponse)


@pytest.mark.parity("C33")
async def test_an_answer_is_not_lost_with_the_connection_that_brought_it(serve, session) -> None:
    """The server answers a small body before its last turn, and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(3)
        writer.write(b"HTTP/1.1 501 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")

    class Slow(BytesPayload):
        async def chunks(self):
            yield b"abc"
            (connection,) = session.connector._open
            await connection.wait_closed()

    server = await serve(talk=talk)
    async with session.post(server.url, data=Slow(b"abc")) as response:
        assert (response.status, await response.read()) == (501, b"nope")
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C33")
async def test_a_connection_that_is_lost_without_an_answer_is_an_error(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    class Slow(BytesPayload):
        async def chunks(self):
            yield b"abc"
            (connection,) = session.connector._open
            await connection.wait_closed()

    server = await serve(talk=talk)
    with pytest.raises(client.ServerDisconnectedError):
        await session.post(server.url, data=Slow(b"abc"))
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C8")
async def test_sock_read_waits_for_a_slow_source_but_not_for_a_server_that_takes_nothing(serve, session) -> None:
    timeout = client.ClientTimeout(total=None, sock_read=0.2)

    async def slow() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.6)
        yield b"body"

    server = await serve()
    async with session.put(server.url, data=slow(), timeout=timeout) as response:
        assert await response.read() == b"ok"
    assert server.last.body == b"body"

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 18)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await writer.wait_closed()

    with pytest.raises(client.SocketTimeoutError):
        await session.put((await serve(talk=deaf)).url, data=endless(), timeout=timeout)

    async def dumb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        await reader.read()

    with pytest.raises(client.SocketTimeoutError):
        await session.put((await serve(talk=dumb)).url, data=slow(), timeout=timeout)


@pytest.mark.parity("C8", "C33")
async def test_after_an_early_answer_sock_read_counts_again(serve, session) -> None:
    go = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        await go.wait()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await reader.read()

    server = await serve(talk=talk)
    timeout = client.ClientTimeout(total=None, sock_read=0.2)
    async with session.put(server.url, data=source(), timeout=timeout) as response:
        with pytest.raises(client.SocketTimeoutError):
            await response.read()
    go.set()


@pytest.mark.parity("C5", "C31")
async def test_a_file_as_a_body_is_no_attachment(serve, session, tmp_path: Path) -> None:
    path = tmp_path / "upload.txt"
    path.write_bytes(b"text")
    server = await serve()
    with path.open("rb") as file:
        async with session.post(server.url, data=file):
            assert server.last.value("Content-Disposition") is None
            assert server.last.body == b"text"
