"""The writing end of a response under aiohttp's names."""

import gzip
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from http_support.loopback import LAST
from multidict import CIMultiDict

from levante.http import AbstractStreamWriter, Exchange, ExchangeWriter, LocalProtocolError

pytestmark = pytest.mark.parity("W11")

Start = Callable[..., Any]


async def answer(loopback: Start, write: Callable[[ExchangeWriter, Exchange], Any]) -> tuple[bytes, bytes]:
    """Head and body of what `write` answers with."""

    async def service(exchange: Exchange) -> None:
        await write(ExchangeWriter(exchange), exchange)

    server = await loopback(service)
    head, _, body = (await server.ask(LAST)).partition(b"\r\n\r\n")
    return head, body


async def test_head_and_body_leave_together(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, exchange: Exchange) -> None:
        assert isinstance(writer, AbstractStreamWriter)
        writer.length = 5
        await writer.write_headers("HTTP/1.1 201 Made", CIMultiDict({"X": "y"}))
        assert writer.output_size == 0
        await writer.write(b"hel")
        assert writer.output_size == exchange.bytes_sent > 3
        await writer.write(b"")
        assert writer.buffer_size >= 0
        await writer.write_eof(b"lo")
        await writer.write_eof()

    head, body = await answer(loopback, write)
    assert head.startswith(b"HTTP/1.1 201 Made\r\n")
    assert b"Content-Length: 5" in head
    assert body == b"hello"


async def test_the_head_alone(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, exchange: Exchange) -> None:
        await writer.write_headers("HTTP/1.1 200 OK", {"Content-Length": "2"})
        assert exchange.bytes_sent == 0
        writer.send_headers()
        sent = exchange.bytes_sent
        assert sent > 0
        writer.send_headers()
        assert exchange.bytes_sent == sent
        await writer.write_eof(b"ok")

    head, body = await answer(loopback, write)
    assert head.count(b"HTTP/1.1") == 1
    assert body == b"ok"


async def test_chunks(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, _: Exchange) -> None:
        writer.enable_chunking()
        writer.length = 3
        await writer.write_headers("HTTP/1.1 200", {})
        with pytest.raises(LocalProtocolError, match="already"):
            writer.enable_chunking()
        await writer.write(bytearray(b"abc"))
        await writer.write_eof()

    head, body = await answer(loopback, write)
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\nabc\r\n0\r\n\r\n"


async def test_compression(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, exchange: Exchange) -> None:
        writer.enable_compression("gzip", 2)
        await writer.write_headers("HTTP/1.1 200 OK", {"Content-Encoding": "gzip", "Connection": "close"})
        exchange.keep_alive = False
        await writer.write(b"one")
        before = writer.output_size
        await writer.drain()
        assert writer.output_size > before
        await writer.write_eof(b"two")

    _, body = await answer(loopback, write)
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    assert gzip.decompress(b"".join(pieces)) == b"onetwo"


async def test_what_cannot_be_written(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, _: Exchange) -> None:
        for line in ("HTTP/1.1", "HTTP/1.1 OK", ""):
            with pytest.raises(ValueError, match="status line"):
                await writer.write_headers(line, {})
        with pytest.raises(ValueError, match="cannot encode"):
            writer.enable_compression("lzw")
        with pytest.raises(LocalProtocolError):
            await writer.write(b"before the head")
        await writer.write_headers("HTTP/1.1 200 OK", {"Content-Length": "1"})
        with pytest.raises(LocalProtocolError):
            await writer.write(b"too much")
        await writer.write_eof(b"x")

    assert (await answer(loopback, write))[1] == b"x"


async def test_a_connection_that_is_gone(loopback: Start) -> None:
    async def write(writer: ExchangeWriter, exchange: Exchange) -> None:
        await writer.write_headers("HTTP/1.1 200 OK", {"Content-Length": "1"})
        exchange.reset()
        assert writer.buffer_size == 0

    assert await answer(loopback, write) == (b"", b"")


@pytest.mark.parity("W11")
def test_a_writer_of_ones_own_needs_what_aiohttp_asks_for() -> None:
    class Keeping(AbstractStreamWriter):
        async def write(self, chunk: bytes | bytearray | memoryview) -> None: ...

        async def write_eof(self, chunk: bytes = b"") -> None: ...

        async def drain(self) -> None: ...

        def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...

        def enable_chunking(self) -> None: ...

        async def write_headers(self, status_line: str, headers: Mapping[str, str]) -> None: ...

    writer = Keeping()
    writer.send_headers()
    writer.output_size += 5
    assert (writer.buffer_size, writer.output_size) == (0, 5)
