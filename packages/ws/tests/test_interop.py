"""Against two other implementations, both ways: whatever one side sends the other must read."""

import asyncio
import itertools
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from multidict import CIMultiDict, CIMultiDictProxy
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol as Peer
from websockets.protocol import Side
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate

from levante.ws import DeflateParams, DialHandshake, Role, WebSocketConnection, WSMsgType, accept_handshake

MESSAGES = ["", "grüße 🙂", "x" * 125, "x" * 126, b"", b"\x00\xff" * 300, bytes(70_000), "ü" * 40_000]
PARAMS = [
    None,
    DeflateParams(),
    DeflateParams(True, True),
    DeflateParams(server_max_window_bits=9, client_max_window_bits=10),
    DeflateParams(True, False, server_max_window_bits=12),
]


def websockets_peer(role: Role, params: DeflateParams | None) -> Any:
    """The opposite end for `role`."""
    peer = Peer(Side.CLIENT if role is Role.SERVER else Side.SERVER, max_size=2**20)
    if params is not None:
        server = (params.server_no_context_takeover, params.server_max_window_bits)
        client = (params.client_no_context_takeover, params.client_max_window_bits)
        remote, local = (server, client) if role is Role.SERVER else (client, server)
        peer.extensions = [PerMessageDeflate(remote[0], local[0], remote[1], local[1])]
    return peer


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("role", list(Role))
def test_websockets_reads_what_we_write(ws: ModuleType, role: Role, params: DeflateParams | None) -> None:
    ours = ws.WebSocketProtocol(ws.Role(role), deflate=params)
    peer = websockets_peer(role, params)
    for message in MESSAGES * 2:
        peer.receive_data(ours.send_text(message) if isinstance(message, str) else ours.send_binary(message))
        (got,) = peer.events_received()
        assert got.data == (message.encode() if isinstance(message, str) else message)
    peer.receive_data(ours.close(3000, b"bye"))
    assert (peer.close_rcvd.code, peer.close_rcvd.reason) == (3000, "bye")


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("role", list(Role))
def test_we_read_what_websockets_writes(ws: ModuleType, role: Role, params: DeflateParams | None) -> None:
    ours = ws.WebSocketProtocol(ws.Role(role), deflate=params)
    peer = websockets_peer(role, params)
    for message in MESSAGES * 2:
        if isinstance(message, str):
            peer.send_text(message.encode())
        else:
            peer.send_binary(message[:10], fin=False)
            peer.send_ping(b"between")
            peer.send_continuation(message[10:], fin=True)
        for data in peer.data_to_send():
            ours.receive_data(data)
        got = [event.data for event in ours.events() if event.type is not ws.WSMsgType.PING]
        assert got == [message]
    peer.send_close(1001, "going")
    ours.receive_data(b"".join(peer.data_to_send()))
    assert [(event.data, event.extra) for event in ours.events()] == [(1001, "going")]


def test_wsproto_both_ways(ws: ModuleType) -> None:
    for role, params in itertools.product(ws.Role, PARAMS[:3]):
        kind = ConnectionType.CLIENT if role is ws.Role.SERVER else ConnectionType.SERVER
        extensions = []
        if params is not None:
            extension = WsprotoDeflate(params.client_no_context_takeover, 15, params.server_no_context_takeover, 15)
            extension._enabled = True
            extensions = [extension]
        peer = Connection(kind, extensions)
        ours = ws.WebSocketProtocol(role, deflate=params)
        for message in MESSAGES:
            peer.receive_data(ours.send_text(message) if isinstance(message, str) else ours.send_binary(message))
            parts = [event.data for event in peer.events()]
            assert ("" if isinstance(message, str) else b"").join(parts) == message
            text = isinstance(message, str)
            ours.receive_data(peer.send((TextMessage if text else BytesMessage)(data=message)))
            assert [event.data for event in ours.events()] == [message]
        ours.receive_data(peer.send(Ping(b"1")) + peer.send(Message(data=b"x", message_finished=False)))
        ours.receive_data(peer.send(Message(data=b"y")) + peer.send(CloseConnection(code=1011, reason="r")))
        assert [event.data for event in ours.events()] == [b"1", b"xy", 1011]


def test_websockets_and_we_refuse_the_same(ws: ModuleType) -> None:
    """The first byte and the length of a frame, all combinations: both accept, or both fail."""
    for first, length in itertools.product(range(256), (0, 1, 2, 125, 126, 127)):
        size = {126: 200, 127: 70_000}.get(length, length)
        extended = size.to_bytes({126: 2, 127: 8}[length], "big") if length > 125 else b""
        payload = (b"\x03\xe8" + b"a" * size)[:size] if first & 15 == 8 else b"a" * size
        data = bytes([first, 0x80 | length]) + extended + bytes(4) + payload
        ours = ws.WebSocketProtocol(ws.Role.SERVER)
        peer = Peer(Side.SERVER)
        peer.receive_data(data)
        ours.receive_data(data)
        try:
            list(ours.events())
        except ws.WebSocketError as error:
            assert peer.parser_exc is not None
            assert error.code == peer.close_sent.code
        else:
            assert not isinstance(peer.parser_exc, Exception) or first & 15 == 8


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_client_of_websockets_on_our_server(loopback: Any, compression: str | None) -> None:
    """A whole conversation over sockets, the handshake included."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = accept_handshake(await read_head(reader), protocols=["chat"])
        fields = "".join(f"{name}: {value}\r\n" for name, value in accepted.headers)
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode())
        connection = WebSocketConnection(Role.SERVER, protocol=accepted.protocol, deflate=accepted.deflate)
        take_over(loopback.made(connection), writer)
        async for message in connection:
            await connection.send_frame(
                message.data.encode() if message.type is WSMsgType.TEXT else message.data, message.type
            )
        await connection.wait_closed()
        writer.close()  # Python 3.13 wants it said of the writer as well

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with websockets.asyncio.client.connect(url, compression=compression, subprotocols=["chat"]) as client:
        assert client.subprotocol == "chat"
        for message in MESSAGES:
            await client.send(message)
            assert await client.recv() == message
        await (await client.ping())
    assert client.close_code == 1000
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_our_client_on_a_server_of_websockets(loopback: Any, compression: str | None) -> None:
    """The same the other way round."""

    async def echo(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0, compression=compression) as server:
        handshake = DialHandshake(compress=15)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        fields = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "localhost"), *handshake.headers()])
        writer.write(f"GET / HTTP/1.1\r\n{fields}\r\n".encode())
        protocol, deflate = handshake.verify(await read_head(reader))
        assert (deflate is None) == (compression is None)
        connection = loopback.made(WebSocketConnection(Role.CLIENT, protocol=protocol, deflate=deflate))
        take_over(connection, writer)
        for message in MESSAGES:
            await (connection.send_str(message) if isinstance(message, str) else connection.send_bytes(message))
            assert (await connection.receive()).data == message
        assert await connection.close(code=3000)
        assert connection.close_code == 3000


async def read_head(reader: asyncio.StreamReader) -> Any:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
    status = lines[0].split()[1]
    return SimpleNamespace(
        method="GET",
        version=(1, 1),
        status=int(status) if status.isdigit() else 0,
        headers=CIMultiDictProxy(CIMultiDict(fields)),
    )


def take_over(connection: WebSocketConnection, writer: asyncio.StreamWriter) -> None:
    writer.transport.set_protocol(connection)
    connection.connection_made(writer.transport)
