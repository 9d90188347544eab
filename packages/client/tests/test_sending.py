"""Uploads, expectations, early answers, and streaming both ways."""

import asyncio
import io
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from levante import client
from levante.client import ClientSession, ClientTimeout, StreamReader
from levante.client.sending import INLINE_BODY

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


@pytest.mark.parity("C31", "C33")
async def test_an_async_iterable_is_chunked(serve, session) -> None:
    server = await serve()
    async with session.post(server.url, data=pieces(b"one", b"two")) as response:
        assert server.last.value("Transfer-Encoding") == "chunked"
        assert server.last.value("Content-Length") is None
        assert server.last.body == b"onetwo"
        await response.upload_complete
        assert response.output_size == 6
    async with session.post(server.url, data=pieces(b"one", b"two"), headers={"Content-Length": "6"}):
        assert server.last.value("Transfer-Encoding") is None
        assert server.last.body == b"onetwo"
    assert server.connections == 1


@pytest.mark.parity("C31")
async def test_files_are_sent_from_where_they_stand_and_closed(serve, session, tmp_path: Path) -> None:
    server = await serve()
    path = tmp_path / "f.txt"
    path.write_bytes(b"x" * (3 * INLINE_BODY))
    file = path.open("rb")
    file.seek(10)
    async with session.put(server.url, data=file) as response:
        assert server.last.body == b"x" * (3 * INLINE_BODY - 10)
        assert server.last.value("Content-Length") == str(3 * INLINE_BODY - 10)
        assert server.last.value("Content-Type") == "text/plain"
    assert file.closed
    assert response.output_size == 3 * INLINE_BODY - 10
    small = io.BytesIO(b"small")
    async with session.put(server.url, data=small) as response:
        assert server.last.body == b"small"
        assert response.output_size == 5
        await response.upload_complete


@pytest.mark.parity("C31")
async def test_a_large_body_of_bytes(serve, session) -> None:
    server = await serve()
    body = bytes(range(256)) * 2048
    async with session.post(server.url, data=body) as response:
        assert server.last.body == body
        await response.wait_for_close()
    assert response.output_size == len(body)
    async with session.post(server.url, data=b"12345") as response:
        assert response.output_size == 5


@pytest.mark.parity("C4")
async def test_chunked_and_compress(serve, session) -> None:
    server = await serve()
    async with session.post(server.url, data=b"abc", chunked=True):
        assert server.last.value("Transfer-Encoding") == "chunked"
        assert server.last.body == b"abc"
    async with session.post(server.url, data=b"abc", headers={"Transfer-Encoding": "chunked"}):
        assert server.last.values("Transfer-Encoding") == ["chunked"]
    for compress, bits in [(True, 15), ("deflate", 15), ("gzip", 31)]:
        async with session.post(server.url, data=b"abc" * 1000, compress=compress):
            assert server.last.value("Content-Encoding") == ("gzip" if bits == 31 else "deflate")
            assert server.last.value("Transfer-Encoding") == "chunked"
            assert zlib.decompress(server.last.body, bits) == b"abc" * 1000
    for wrong in (
        {"compress": "lzw"},
        {"compress": True, "headers": {"Content-Encoding": "gzip"}},
        {"chunked": True, "headers": {"Content-Length": "3"}},
        {"chunked": True, "headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Transfer-Encoding": "gzip"}},
        {"headers": {"Content-Length": "+3"}},
    ):
        with pytest.raises(ValueError, match=r"compress|chunked|Content-Length"):
            await session.post(server.url, data=b"abc", **wrong)


@pytest.mark.parity("C4")
async def test_a_length_that_lies_is_our_error(serve, session) -> None:
    server = await serve()
    for length in ("2", "4"):
        with pytest.raises(client.ClientPayloadError, match="Content-Length"):
            await session.post(server.url, data=b"abc", headers={"Content-Length": length})
    assert not server.seen


@pytest.mark.parity("C33")
@pytest.mark.parametrize(
    "asks",
    [
        {"expect100": True},
        {"headers": {"Expect": "100-Continue"}},
        {"headers": {"expect": "100-continue"}, "expect100": True},
    ],
)
async def test_expect_100(serve, session, asks) -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.05)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await reader.readexactly(3) == b"abc"
        writer.write(OK)
        await reader.read()

    server = await serve(talk=talk)
    async with session.post(server.url, data=b"abc", **asks) as response:
        assert await response.read() == b"ok"
    assert heads[0].lower().count(b"\r\nexpect: 100-continue\r\n") == 1


@pytest.mark.parity("C33")
async def test_expect_100_refused_sends_no_body(serve, session) -> None:
    rest = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        rest.append(await reader.read())

    server = await serve(talk=talk)
    async with session.post(server.url, data=b"abc", expect100=True) as response:
        assert response.status == 417
        assert await response.read() == b"no"
    await session.close()
    while not rest:
        await asyncio.sleep(0.01)
    assert rest == [b""]


@pytest.mark.parity("C33")
async def test_a_server_that_does_not_know_expect_gets_the_body_after_a_while(
    serve, session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.client.sending.CONTINUE_TIMEOUT", 0.05)
    server = await serve()
    async with session.post(server.url, data=b"abc", expect100=True) as response:
        assert await response.read() == b"ok"
    assert server.last.body == b"abc"


@pytest.mark.parity("C33")
async def test_an_early_answer_stops_the_upload(serve, session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levante.client.transaction.UPLOAD_GRACE", 0.05)
    stopped = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        while await reader.read(65536):
            pass

    server = await serve(talk=talk)
    response = await session.post(server.url, data=endless())
    assert response.status == 413
    assert await response.read() == b"no"
    await asyncio.wait_for(stopped.wait(), 5)
    assert session.connector._pool.idle_count == 0


@pytest.mark.parity("C33")
async def test_both_directions_at_once(serve, session) -> None:
    """An echo that answers while it still reads: neither side may wait for the other to finish."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(await reader.readline(), 16):
            data = await reader.readexactly(size)
            await reader.readexactly(2)
            writer.write(b"%x\r\n%b\r\n" % (size, data))
            await writer.drain()
        await reader.readline()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    server = await serve(talk=talk)
    turn: asyncio.Queue[bytes] = asyncio.Queue()

    async def source() -> AsyncIterator[bytes]:
        while data := await turn.get():
            yield data

    turn.put_nowait(b"first")
    async with session.post(server.url, data=source()) as response:
        assert await response.content.readexactly(5) == b"first"
        turn.put_nowait(b"second")
        assert await response.content.readexactly(6) == b"second"
        turn.put_nowait(b"")
        assert await response.content.read() == b""
    assert session.connector._pool.idle_count == 1


@pytest.mark.parity("C31")
async def test_a_source_that_fails_is_the_error_of_the_request(serve, session) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise KeyError("source")

    server = await serve()
    with pytest.raises(KeyError, match="source"):
        await session.post(server.url, data=broken())
    assert not server.seen
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C33")
async def test_an_answer_says_more_than_a_broken_upload(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await writer.drain()

    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0.01)

    server = await serve(talk=talk)
    try:
        async with session.post(server.url, data=slow()) as response:
            assert response.status == 400
    except client.ClientConnectionError:
        pass  # the reset overtook the answer: the kernel threw it away


@pytest.mark.parity("C20")
async def test_a_replayable_body_is_repeated_a_consumed_one_is_not(serve) -> None:
    bodies = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = len(bodies) == 0
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readexactly(3))
        writer.write(OK)
        if first:
            await reader.readuntil(b"\r\n\r\n")

    server = await serve(talk=talk)
    async with ClientSession() as session:
        async with session.put(server.url, data=b"one"):
            pass
        async with session.put(server.url, data=io.BytesIO(b"two")) as response:
            assert await response.read() == b"ok"
        assert bodies == [b"one", b"two"]
    bodies.clear()
    server = await serve(talk=talk)
    async with ClientSession() as session:
        async with session.put(server.url, data=b"one"):
            pass
        with pytest.raises(client.ServerDisconnectedError):
            await session.put(server.url, data=pieces(b"two"), headers={"Content-Length": "3"})


@pytest.mark.parity("C4")
async def test_limits_of_a_request(serve, response) -> None:
    server = await serve(response(b"x" * 100, "X: " + "y" * 100, "Y: 1", "Z: 2"))
    async with ClientSession() as session:
        for limits in ({"max_field_size": 50}, {"max_headers": 2}, {"max_line_size": 10}):
            with pytest.raises(client.ClientResponseError):
                await session.get(server.url, **limits)
        async with session.get(server.url, read_bufsize=1024) as answer:
            assert len(await answer.read()) == 100
    async with ClientSession(max_headers=2) as session:
        with pytest.raises(client.ClientResponseError):
            await session.get(server.url)
        async with session.get(server.url, max_headers=10):
            pass


@pytest.mark.parity("C31")
async def test_a_body_read_from_a_response(serve, session) -> None:
    server = await serve()
    async with session.get(server.url) as response, session.post(server.url, data=response.content):
        assert server.last.body == b"ok"
    assert isinstance(response.content, StreamReader)


async def test_cancelling_leaks_nothing(serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await serve(talk=talk)
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        for data in (None, b"x", pieces(b"x")):
            task = asyncio.create_task(session.post(server.url, data=data))
            while session.connector._pool.leased_count == 0 or not session.connector._open:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert session.connector._pool.leased_count == 0
