"""Requests, responses and WebSockets of classes of one's own, and bodies that are not waited for."""

import asyncio

import pytest

from levante.client import ClientRequest, ClientResponse, ClientSession, ClientWebSocketResponse, ConnectionKey

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class OwnRequest(ClientRequest):
    """Marks what it sends."""

    __slots__ = ()

    @property
    def connection_key(self) -> ConnectionKey:
        self.headers["X-Own"] = "request"
        return super().connection_key


class OwnResponse(ClientResponse):
    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        return "own " + await super().text(encoding, errors)


class OwnWebSocket(ClientWebSocketResponse):
    pass


@pytest.mark.parity("C1")
async def test_classes(serve) -> None:
    server = await serve(
        lambda seen: OK if seen.target == "/" else b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    )
    async with ClientSession(request_class=OwnRequest, response_class=OwnResponse) as session:
        for path in ("", "away"):
            async with session.get(server.url + path) as response:
                assert type(response) is OwnResponse
                assert await response.text() == "own ok"
                assert {type(hop) for hop in response.history} <= {OwnResponse}
    assert {seen.value("X-Own") for seen in server.seen} == {"request"}


@pytest.mark.parity("C1", "C38")
async def test_a_websocket_class(closing_websocket) -> None:
    async with (
        ClientSession(ws_response_class=OwnWebSocket) as session,
        session.ws_connect(closing_websocket) as websocket,
    ):
        assert type(websocket) is OwnWebSocket


@pytest.mark.parity("C1")
@pytest.mark.parametrize("option", ["request_class", "response_class", "ws_response_class"])
async def test_other_classes_are_refused(option: str) -> None:
    for given in (int, "OwnRequest"):
        with pytest.raises(TypeError, match="expected a subclass of Client"):
            ClientSession(**{option: given})


@pytest.mark.parity("C4")
async def test_a_body_until_the_end_may_be_left(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello")

    server = await serve(talk=talk)
    async with session.get(server.url, read_until_eof=False) as response:
        assert (response.headers["X"], await response.read(), response.closed) == ("y", b"", True)
    server = await serve()
    async with session.get(server.url, read_until_eof=False) as response:
        assert await response.read() == b"ok"
    assert session.connector._pool.leased_count == 0


@pytest.fixture
async def closing_websocket(serve):
    from levante.http import RequestHead
    from levante.ws import accept_handshake

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:-2])]
        accepted = accept_handshake(RequestHead.build("GET", "/", pairs))
        head = "".join(f"{name}: {value}\r\n" for name, value in accepted.headers)
        writer.write(f"HTTP/1.1 101 S\r\n{head}\r\n".encode())
        await reader.read(1)
        writer.write(b"\x88\x00")  # Close: the client waits for it, and for the end of the connection

    return (await serve(talk=talk)).url
