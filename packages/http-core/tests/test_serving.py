"""Services and their tasks, over real sockets: disconnects, drain, the end of a connection."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from http_support.loopback import GET, POST, Gate, echo

from levante.http import (
    AcceptedConnection,
    Exchange,
    IncompleteMessage,
    Limits,
    PeerDisconnected,
)

Start = Callable[..., Any]

ENOUGH = 50_000  # writes of 1,000 bytes: more than any buffers hold


class TestDisconnects:
    @pytest.mark.parity("S57")
    @pytest.mark.hardening("X14")
    async def test_handler_goes_on_by_default(self, loopback: Start) -> None:
        gate = Gate()
        outcome: list[object] = []

        async def service(exchange: Exchange) -> None:
            gate.entered.set()
            await exchange.disconnected()
            outcome.append(exchange.is_disconnected())
            await exchange.connection.wait_closed()
            await exchange.disconnected()
            outcome.append(exchange.transport)
            for attempt in (
                lambda: exchange.respond(200, None, (), b""),
                lambda: exchange.send_head(200, None, (), length=0),
            ):
                with pytest.raises(PeerDisconnected):
                    attempt()
            with pytest.raises(PeerDisconnected):
                await exchange.drain()
            gate.cancelled.set()
            raise PeerDisconnected("as usual")

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        client.reset()
        await asyncio.wait_for(gate.cancelled.wait(), 5)
        assert outcome == [True, None]

    @pytest.mark.parity("S57")
    @pytest.mark.hardening("X14")
    @pytest.mark.parametrize("how", ["close", "abort"])
    async def test_cancellation_on_wish(self, loopback: Start, how: str) -> None:
        gate = Gate()
        server = await loopback(gate, cancel_on_disconnect=True)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        getattr(client.writer.transport, how)()
        await asyncio.wait_for(gate.cancelled.wait(), 5)

    @pytest.mark.hardening("X14")
    async def test_writing_on_and_on_notices_it(self, loopback: Start) -> None:
        """Only the call that sends can notice it here: nothing else has its turn between two pieces."""
        outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        peer = socket.socket()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            for count in range(ENOUGH):
                try:
                    await exchange.write(b"x" * 1000)
                except PeerDisconnected:
                    outcome.set_result(count)
                    raise
            outcome.set_result(ENOUGH)

        server = await loopback(service)
        peer.connect(("127.0.0.1", server.port))
        peer.sendall(GET)
        assert await asyncio.wait_for(outcome, 30) < ENOUGH

    async def test_waiting_for_more_body(self, loopback: Start) -> None:
        failed = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            with pytest.raises((PeerDisconnected, IncompleteMessage)):
                await exchange.body.read()
            failed.set()

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 9)
        await server.made.wait()
        client.writer.transport.abort()
        await asyncio.wait_for(failed.wait(), 5)

    async def test_waiting_to_write(self, loopback: Start) -> None:
        gate = Gate()
        failed = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            gate.entered.set()
            with pytest.raises(PeerDisconnected):
                while True:
                    await exchange.write(b"x" * 1_000_000)
            with pytest.raises(PeerDisconnected):
                await exchange.write(b"")
            failed.set()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        client.writer.transport.abort()
        await asyncio.wait_for(failed.wait(), 5)

    async def test_half_close_still_gets_its_answer(self, loopback: Start) -> None:
        gate = Gate()
        server = await loopback(gate)
        client = await server.open()
        client.send(GET)
        client.writer.write_eof()
        await gate.entered.wait()
        assert gate.exchange is not None
        await gate.exchange.disconnected()
        assert gate.exchange.transport is not None
        gate.open.set()
        answer = await client.read_all()
        assert answer.endswith(b"through")
        client.close()


class TestClosing:
    @pytest.mark.parity("S56")
    async def test_drain(self, loopback: Start) -> None:
        gate = Gate()
        server = await loopback(gate)
        busy = await server.open()
        busy.send(GET)
        await gate.entered.wait()
        connection = server.connection
        connection.close_when_idle()
        assert not connection.is_idle()
        gate.open.set()
        answer = await busy.read_all()
        assert b"Connection: close" in answer
        assert answer.endswith(b"through")
        busy.close()

    @pytest.mark.parity("S56")
    async def test_idle_connections_close_at_once(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(GET)
        await client.read_response()
        connection = server.connection
        connection.close_when_idle()
        await asyncio.wait_for(connection.wait_closed(), 5)
        await connection.wait_closed()
        assert "closed" in repr(connection)
        assert await client.read_all() == b""
        client.close()

    async def test_a_request_on_its_way_is_served(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(GET + b"GET / HTTP/1.1\r\n")
        await client.read_response()
        server.connection.close_when_idle()
        client.send(b"Host: a\r\n\r\n")
        assert b"Connection: close" in await client.read_all()
        client.close()

    async def test_drain_after_the_head_was_sent(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=2)
            await exchange.drain()
            gate.entered.set()
            await gate.open.wait()
            await exchange.write(b"ok")
            await exchange.finish()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        server.connection.close_when_idle()
        gate.open.set()
        assert (await client.read_all()).endswith(b"\r\n\r\nok")
        client.close()


class TestCaps:
    async def test_requests_of_a_connection(self, loopback: Start) -> None:
        server = await loopback(echo, limits=Limits(max_requests=3))
        answer = await server.ask(GET * 5)
        assert answer.count(b"200 OK") == 3
        assert answer.count(b"Connection: close") == 1
        assert answer.index(b"Connection: close") > answer.rindex(b"200 OK")
        assert server.requests == 3

    @pytest.mark.parity("U15")
    @pytest.mark.parametrize("how", ["close_when_idle", "abort"])
    async def test_an_owner_may_refuse_a_connection(
        self, loopback: Start, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        server = await loopback(echo)
        made = server.connection_made

        def refuse(connection: AcceptedConnection) -> None:
            made(connection)
            getattr(connection, how)()

        monkeypatch.setattr(server, "connection_made", refuse)
        client = await server.open()
        assert await client.read_all() == b""
        client.close()
        await server.made.wait()
        for connection in list(server.connections):
            await asyncio.wait_for(connection.wait_closed(), 5)
        assert server.requests == 0
