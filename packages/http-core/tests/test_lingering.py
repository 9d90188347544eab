"""The decent end of a connection whose peer still sends, over real sockets."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from http_support.loopback import GET, LAST, POST

from levante.http import (
    Exchange,
    ServerTimeouts,
)

Start = Callable[..., Any]


class TestUnreadBodies:
    @pytest.mark.hardening("H82")
    async def test_unread_small_body_is_drained(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 10_000)
        assert (await client.read_response())[0] == 200
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(10_000, b"."))
        client.send(LAST)
        answer = await client.read_all()
        assert answer.count(b"200 OK") == 1
        client.close()
        assert server.requests == 2

    @pytest.mark.hardening("H82")
    @pytest.mark.parity("S59")
    async def test_unread_large_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        answer = await server.ask(POST % 1_000_000 + GET)
        assert answer.count(b"200 OK") == 1
        assert b"Connection: close" in answer

    @pytest.mark.hardening("X15")
    async def test_a_reset_while_reading_is_paused(self, loopback: Start) -> None:
        """Nobody sees it before our half is to be closed, which then fails."""
        gone = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            exchange.connection.pause_reading()
            exchange.respond(200, None, (), b"early")
            await gone.wait()

        server = await loopback(service, timeouts=ServerTimeouts(lingering=60))
        client = await server.open()
        client.send(POST % 1_000_000)
        await client.read_response()
        connection = server.connection
        endpoint = client.writer.get_extra_info("socket")
        client.reset()
        while endpoint.fileno() >= 0:
            await asyncio.sleep(0)
        gone.set()
        await asyncio.wait_for(connection.wait_closed(), 10)
        assert not server.connections

    @pytest.mark.hardening("H66")
    async def test_a_refusal_that_is_streamed_announces_the_close(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(413, None, (), length=5)
            await exchange.write(b"large")
            await exchange.finish()

        server = await loopback(service)
        answer = await server.ask(POST % 1_000_000)
        assert b"\r\nConnection: close\r\n" in answer

    async def test_an_answer_that_is_streamed_while_its_body_comes_keeps_the_connection(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=exchange.head.content_length)
            async for piece in exchange.body.iter_any():
                await exchange.write(piece)
            await exchange.finish()

        server = await loopback(service)
        client = await server.open()
        for _ in range(2):
            client.send(POST % 200_000 + b"x" * 200_000)
            assert await client.read_response() == (200, b"x" * 200_000)
        client.close()

    @pytest.mark.hardening("H82")
    async def test_unread_large_chunked_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.read_response()
        client.send(b"fffff\r\n" + b"x" * 200_000)
        assert await client.read_all() == b""
        client.close()

    async def test_malformed_unread_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.read_response()
        client.send(b"zz\r\n")
        assert await client.read_all() == b""
        client.close()

    async def test_lingering_ends(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service, timeouts=ServerTimeouts(lingering=0.05))
        client = await server.open()
        client.send(POST % 1000)
        await client.read_response()
        assert await client.read_all() == b""
        client.close()

    @pytest.mark.parity("S56")
    @pytest.mark.parametrize("first", ["the answer", "the drain"])
    async def test_lingering_is_short(self, loopback: Start, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
        """A peer that neither reads nor closes must not hold up the end of the process."""

        async def service(exchange: Exchange) -> None:
            if first == "the drain":
                server.connection.close_when_idle()
            exchange.respond(408, None, (), b"")

        server = await loopback(service, timeouts=ServerTimeouts(lingering=60))
        client = await server.open()
        client.send(POST % 1_000_000)
        await client.read_all()
        (connection,) = server.connections
        connection.close_when_idle()
        await asyncio.wait_for(connection.wait_closed(), 5)
        client.close()

    @pytest.mark.hardening("H82")
    @pytest.mark.parametrize("version", [b"1.0", b"1.1"])
    @pytest.mark.parametrize("pieces", [1, 2])
    async def test_a_streamed_answer_announces_the_close_where_it_can(
        self, loopback: Start, version: bytes, pieces: int
    ) -> None:
        """If the head leaves with the last of the answer, it is known that nobody has read the body."""

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=5 * pieces)
            for _ in range(pieces):
                await exchange.write(b"early")
            await exchange.finish()

        server = await loopback(service)
        request = (POST % 1_000_000).replace(b"HTTP/1.1", b"HTTP/" + version)
        answer = await server.ask(request.replace(b"Host", b"Connection: keep-alive\r\nHost") + b"x" * 200_000)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == b"early" * pieces
        assert (b"\r\nConnection: close" in head) == (pieces == 1)

    @pytest.mark.hardening("H82")
    @pytest.mark.parametrize("status", [200, 204])
    async def test_an_answer_without_a_body_announces_it_too(self, loopback: Start, status: int) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(status, None, (), length=0)
            await exchange.finish()

        server = await loopback(service)
        assert b"\r\nConnection: close\r\n\r\n" in await server.ask(POST % 1_000_000)

    @pytest.mark.hardening("H66", "H82")
    async def test_the_answer_reaches_a_peer_that_sends_on(self, loopback: Start) -> None:
        """Megabytes are on their way when the answer is: a reset would destroy it."""

        async def service(exchange: Exchange) -> None:
            exchange.respond(413, None, (), b"too large")

        server = await loopback(service)
        for _ in range(10):
            client = await server.open()
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
            client.send(POST % 10_000_000)
            client.send(b"x" * 3_000_000)
            assert (await client.read_all()).endswith(b"too large")
            client.reset()

    async def test_lingering_is_bounded(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(413, None, (), b"too large")

        server = await loopback(service, timeouts=ServerTimeouts(lingering=60))
        client = await server.open()
        client.send(POST % 100_000_000)
        await server.made.wait()
        connection = server.connection
        client.send(b"x" * 20_000_000)
        await asyncio.wait_for(connection.wait_closed(), 10)
        client.writer.transport.abort()
