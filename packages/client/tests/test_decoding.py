"""Content codings on the way to the reader."""

import asyncio
import gzip
import random
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest

from levante import client
from levante.client import ClientSession
from levante.client.decoding import readable_body, response_decoder
from levante.http import EMPTY_PAYLOAD, StreamReader, body_decoder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"text that repeats " * 500

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parity("C36")
@pytest.mark.parametrize("coding", PACKERS)
async def test_codings(serve, session, response, coding: str) -> None:
    packed = PACKERS[coding](TEXT)
    server = await serve(response(packed, f"Content-Encoding: {coding}"))
    async with session.get(server.url) as answer:
        assert await answer.read() == TEXT
        assert answer.content.total_raw_bytes == len(packed)
    async with session.get(server.url, auto_decompress=False) as answer:
        assert await answer.read() == packed
    async with ClientSession(auto_decompress=False) as plain, plain.get(server.url) as answer:
        assert await answer.read() == packed


@pytest.mark.parity("C36")
async def test_odd_ones(serve, session, response) -> None:
    nested = zlib.compress(gzip.compress(TEXT))
    for packed, fields, expected in [
        (raw_deflate(TEXT), ["Content-Encoding: deflate"], TEXT),
        (gzip.compress(b"one") + gzip.compress(b"two"), ["Content-Encoding: gzip"], b"onetwo"),
        (nested, ["Content-Encoding: gzip, deflate"], TEXT),
        (nested, ["Content-Encoding: gzip", "Content-Encoding: deflate"], TEXT),
        (TEXT, ["Content-Encoding: identity"], TEXT),
        (TEXT, ["Content-Encoding: aws-chunked"], TEXT),
        (b"", ["Content-Encoding: gzip"], b""),
    ]:
        server = await serve(response(packed, *fields))
        async with session.get(server.url) as answer:
            assert await answer.read() == expected


@pytest.mark.parity("C36")
@pytest.mark.hardening("C39")
@pytest.mark.parametrize("coding", PACKERS)
@pytest.mark.parametrize("trickle", [False, True])
async def test_a_stream_cut_short_is_an_error(serve, session, coding: str, trickle: bool) -> None:
    packed = PACKERS[coding](bytes(range(256)) * 40)[:-4]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode())
        step = 100 if trickle else len(packed)
        for start in range(0, len(packed), step):
            writer.write(packed[start : start + step])
            await writer.drain()
            await asyncio.sleep(0)

    server = await serve(talk=talk)
    async with session.get(server.url) as answer:
        with pytest.raises(client.ClientPayloadError):
            await answer.read()


def test_response_decoder() -> None:
    assert response_decoder(None) is None
    assert response_decoder(b"x-unknown") is None
    assert response_decoder(b"gzip") is not None
    with pytest.raises(client.ClientPayloadError, match="codings"):
        response_decoder(b", ".join([b"gzip"] * 5))


async def test_only_what_changes_on_the_way_is_a_stream_of_its_own() -> None:
    raw = StreamReader(None, 1 << 16)
    assert readable_body(raw, None, limit=1 << 16) is raw
    raw.feed_data(gzip.compress(TEXT))
    raw.feed_eof()
    content = readable_body(raw, body_decoder("gzip"), limit=1 << 16)
    assert content is not raw
    assert content.read_nowait() == TEXT
    assert readable_body(EMPTY_PAYLOAD, body_decoder("gzip"), limit=1 << 16) is EMPTY_PAYLOAD


async def test_errors_are_those_of_the_client() -> None:
    broken = StreamReader(None, 1 << 16)
    broken.feed_data(b"rubbish")
    broken.feed_eof()
    content = readable_body(broken, body_decoder("gzip"), limit=1 << 12)
    with pytest.raises(client.ClientPayloadError):
        await content.read()


async def test_letting_go_in_the_middle(serve, session) -> None:
    packed = gzip.compress(random.randbytes(1 << 21))
    server = await serve(
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
    )
    answer = await session.get(server.url, read_bufsize=1 << 12)
    await answer.content.readexactly(10)
    answer.release()
    with pytest.raises(client.ClientConnectionError):
        await answer.content.read()
