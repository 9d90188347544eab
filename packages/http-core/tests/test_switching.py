"""What surrounds a message: trailers both ways, interim responses, and the bytes that belong to the next protocol,
which reach it exactly, on both sides, wherever they were cut.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from http_support.engine import bytewise, cut

from levante.http import AcceptedConnection, Connection, DialedConnection, Exchange, RequestHead, Role

Start = Callable[..., Any]

HOST = [("Host", "a")]
UPGRADE = [("Connection", "upgrade"), ("Upgrade", "x")]
ASKED = {
    "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
}
ANSWERED = {
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "connect": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
}
REST = b"\x16\x03\r\n\r\nGET / HTTP/1.1\r\n\r\n\0"


def cuts(data: bytes) -> Iterator[list[bytes]]:
    yield bytewise(data)
    for point in range(len(data) + 1):
        yield cut(data, [point])


class Pipe:
    """A transport that keeps what is written, and counts as open until told otherwise."""

    def __init__(self) -> None:
        self.sent = b""
        self.protocol: Any = None
        self.closing = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, _high: int, _low: int) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


class Next:
    """The protocol that comes after HTTP."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: BaseException | None) -> None:
        pass


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parity("U22")
@pytest.mark.parametrize("kind", ["upgrade", "connect"])
def test_engine_of_a_client(kind: str) -> None:
    for pieces in cuts(ANSWERED[kind] + REST):
        client = Connection(Role.CLIENT)
        if kind == "connect":
            client.send_request("CONNECT", "a:443", [("Host", "a:443")])
        else:
            client.send_request("GET", "/", [*HOST, *UPGRADE])
        client.end()
        rest = b""
        for piece in pieces:
            if client.is_switched():
                rest += piece
                continue
            client.receive_data(piece)
            client.next_event()
            if client.is_switched():
                rest = client.trailing_data()
        assert rest == REST


@pytest.mark.parity("U22")
@pytest.mark.parametrize("kind", ["upgrade", "connect"])
def test_engine_of_a_server(kind: str) -> None:
    for pieces in cuts(ASKED[kind] + REST):
        server = Connection(Role.SERVER)
        rest = b""
        for piece in pieces:
            if server.is_switched():
                rest += piece
                continue
            server.receive_data(piece)
            while isinstance(server.next_event(), RequestHead):
                pass
            if server.is_peer_done():
                server.switch(101 if kind == "upgrade" else 200, None, UPGRADE if kind == "upgrade" else ())
                rest = server.trailing_data()
        assert rest == REST


@pytest.mark.parity("U22")
@pytest.mark.parametrize("kind", ["upgrade", "connect"])
async def test_driver_of_a_client(kind: str) -> None:
    for pieces in cuts(ANSWERED[kind] + REST):
        connection, pipe, after = DialedConnection(), Pipe(), Next()
        connection.connection_made(pipe)  # type: ignore[arg-type]
        exchange = connection.begin()
        if kind == "connect":
            exchange.request("CONNECT", "a:443", [("Host", "a:443")])
        else:
            exchange.request("GET", "/", [*HOST, *UPGRADE])
        for piece in pieces:
            (pipe.protocol or connection).data_received(piece)
            if exchange.head is not None and pipe.protocol is None:
                exchange.upgrade(after)  # type: ignore[arg-type]
        assert after.received == REST
        assert not connection.is_reusable()


@pytest.mark.parity("U22")
@pytest.mark.parametrize("kind", ["upgrade", "connect"])
async def test_driver_of_a_server(kind: str) -> None:
    for pieces in cuts(ASKED[kind] + REST):
        after, pipe = Next(), Pipe()

        async def service(exchange: Exchange, after: Next = after) -> None:
            await asyncio.sleep(0)  # bytes may come before and after the switch
            status = 200 if exchange.head.method == "CONNECT" else 101
            exchange.upgrade(after, status=status, headers=UPGRADE if status == 101 else ())  # type: ignore[arg-type]

        connection = AcceptedConnection(service)
        connection.connection_made(pipe)  # type: ignore[arg-type]
        for piece in pieces:
            connection.data_received(piece)
            if len(pieces) < 3:
                await turns()
        await turns()
        assert after.received == REST
        assert pipe.sent.startswith(b"HTTP/1.1 200 OK" if kind == "connect" else b"HTTP/1.1 101 Switching Protocols")
        connection.connection_lost(None)
        await turns()


@pytest.mark.parity("U22")
async def test_trailers_go_both_ways(loopback: Start) -> None:
    async def service(exchange: Exchange) -> None:
        body = await exchange.body.read()
        exchange.send_head(200, None, [("Trailer", "Echo")], length=None)
        await exchange.write(body)
        await exchange.finish({"Echo": exchange.body.trailers["Checksum"]})

    server = await loopback(service)
    loop = asyncio.get_running_loop()
    factory: Any = DialedConnection
    _, connection = await loop.create_connection(factory, "127.0.0.1", server.port)
    for number in ("1", "2"):
        exchange = connection.begin()
        exchange.send_head("POST", "/", [*HOST, ("Trailer", "Checksum")], length=None)
        await exchange.write(b"hello")
        await exchange.finish({"Checksum": number})
        await exchange.response()
        assert await exchange.body.read() == b"hello"
        assert list(exchange.body.trailers.items()) == [("Echo", number)]
    connection.close()
    await connection.wait_closed()


@pytest.mark.parity("C34", "U22")
@pytest.mark.hardening("C32", "C33")
async def test_interim_responses_reach_whoever_asks(loopback: Start) -> None:
    async def service(exchange: Exchange) -> None:
        exchange.send_informational(103, [("Link", "</a.css>; rel=preload")])
        exchange.send_informational(103, [("Link", "</b.js>; rel=preload")])
        exchange.respond(200, None, (), b"page")

    server = await loopback(service)
    loop = asyncio.get_running_loop()
    factory: Any = DialedConnection
    _, connection = await loop.create_connection(factory, "127.0.0.1", server.port)
    exchange = connection.begin()
    exchange.request("GET", "/", HOST)
    assert (await exchange.response()).status == 200
    assert [(head.status, head.headers["Link"]) for head in exchange.informational] == [
        (103, "</a.css>; rel=preload"),
        (103, "</b.js>; rel=preload"),
    ]
    assert await exchange.body.read() == b"page"
    connection.close()
    await connection.wait_closed()


async def test_a_peer_that_closed_its_half_still_gets_its_answers(loopback: Start) -> None:
    async def service(exchange: Exchange) -> None:
        await exchange.disconnected()
        exchange.respond(200, None, (), b"late")

    server = await loopback(service)
    answer = await server.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", half_close=True)
    assert answer.endswith(b"\r\n\r\nlate")


@pytest.mark.hardening("C59")
async def test_a_server_that_closed_its_half_gets_no_other_request() -> None:
    connection, pipe = DialedConnection(), Pipe()
    connection.connection_made(pipe)  # type: ignore[arg-type]
    exchange = connection.begin()
    exchange.request("GET", "/", HOST)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await exchange.response()
    connection.eof_received()
    assert not connection.is_reusable()


@pytest.mark.parametrize("lenient", [False, True])
async def test_the_switch_of_a_dialled_connection(lenient: bool) -> None:
    connection, pipe = DialedConnection(lenient=lenient), Pipe()
    connection.connection_made(pipe)  # type: ignore[arg-type]
    exchange = connection.begin()
    exchange.request("GET", "/", HOST)
    connection.data_received(b"HTTP/1.1 200 OK\nX: a\n b\nContent-Length: 2\n\nok")
    assert (exchange.error is None) is lenient
    if lenient:
        assert (await exchange.response()).headers["X"] == "a b"
        assert await exchange.body.read() == b"ok"
    assert not connection.is_reusable()
    assert pipe.closing


@pytest.mark.parametrize("status", [200, 204])
async def test_what_follows_a_tunnel_that_is_none(loopback: Start, status: int) -> None:
    """The peer takes 2xx for a tunnel and sends what belongs into it: that is no request."""

    async def service(exchange: Exchange) -> None:
        exchange.respond(status, None, (), b"")

    server = await loopback(service)
    answer = await server.ask(ASKED["connect"] + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert server.requests == 1
