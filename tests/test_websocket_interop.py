"""WebSockets of levante.web and levante.client whole, against the clients and servers of `websockets` and `wsproto`,
and openings that are begun and never finished."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate

from levante import client, web
from levante.ws import WSMsgType

MESSAGES: list[str | bytes] = [
    "",
    "grüße 🙂",
    "x" * 126,
    b"",
    b"\x00\xff" * 300,
    bytes(70_000),
    "ü" * 40_000,
    b"z" * 2**21,
]
LARGEST = 4 * 2**20


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=["chat"], compress=request.path != "/plain", max_msg_size=LARGEST)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(str(message.data))
        elif message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    codes.append(ws.close_code)
    return ws


codes: list[int | None] = []


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[int]:
    """The port of our server, which echoes; `options` are the runner's."""
    codes.clear()
    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parity("S42", "S43")
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_client_of_websockets_on_our_server(compression: str | None) -> None:
    async with served() as port:
        url = f"ws://127.0.0.1:{port}/"
        async with websockets.asyncio.client.connect(
            url,
            compression=compression,
            subprotocols=[Subprotocol("chat")],
            max_size=LARGEST,
            origin=Origin(f"http://127.0.0.1:{port}"),
        ) as peer:
            assert peer.subprotocol == "chat"
            assert bool(peer.protocol.extensions) == (compression is not None)
            for message in MESSAGES:
                await peer.send(message)
                assert await peer.recv() == message
            await peer.send(["in ", "three ", "fragments"])
            assert await peer.recv() == "in three fragments"
            await (await peer.ping(b"?"))
            await peer.close(3000, "bye")
        assert (peer.close_code, peer.close_reason) == (3000, "")
        with pytest.raises(InvalidStatus) as caught:
            await websockets.asyncio.client.connect(url, origin=Origin("http://evil.example"))
        assert caught.value.response.status_code == 403
    assert codes == [3000]


@pytest.mark.parity("C38", "C39")
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_our_client_on_a_server_of_websockets(compression: str | None) -> None:
    async def answer(peer: websockets.asyncio.server.ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with websockets.asyncio.server.serve(
        answer, "127.0.0.1", 0, compression=compression, subprotocols=[Subprotocol("chat")], max_size=LARGEST
    ) as server:
        port = server.sockets[0].getsockname()[1]
        await converse(f"ws://127.0.0.1:{port}/", is_compressed=compression is not None)


async def converse(url: str, *, is_compressed: bool) -> None:
    """Our client: every message comes back, and the close."""
    async with client.ClientSession() as session:
        async with session.ws_connect(url, compress=15, protocols=["chat"]) as ws:
            assert ws.protocol == "chat"
            assert (ws.compress > 0) == is_compressed
            for message in MESSAGES:
                await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                assert (await ws.receive()).data == message
            await ws.ping(b"?")
            await ws.send_str("after a ping")
            assert await ws.receive_str() == "after a ping"
            assert await ws.close(code=3000, message=b"bye")
        assert ws.close_code == 3000


class WsprotoEnd:
    """A connection of wsproto on a socket."""

    def __init__(self, role: ConnectionType, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.engine = WSConnection(role)
        self.reader = reader
        self.writer = writer

    def send(self, event: object) -> None:
        self.writer.write(self.engine.send(event))  # type: ignore[arg-type]  # its events have no public base

    async def events(self) -> AsyncIterator[object]:
        """What comes; pings are answered."""
        while data := await self.reader.read(65536):
            self.engine.receive_data(data)
            for event in self.engine.events():
                if isinstance(event, Ping):
                    self.send(event.response())
                else:
                    yield event


def joined(event: Message[Any], parts: list[str | bytes]) -> str | bytes | None:
    """The message that `event` completes; None while there is more to come."""
    data: str | bytes = event.data
    parts.append(data)
    if not event.message_finished:
        return None
    whole: str | bytes = ("" if isinstance(data, str) else b"").join(parts)  # type: ignore[arg-type]  # all of one kind
    parts.clear()
    return whole


def message_of(data: str | bytes) -> Message[Any]:
    return TextMessage(data=data) if isinstance(data, str) else BytesMessage(data=data)


@pytest.mark.parity("S42", "S43")
@pytest.mark.parametrize("is_compressed", [False, True])
async def test_a_client_of_wsproto_on_our_server(is_compressed: bool) -> None:
    async with served() as port:
        end = WsprotoEnd(ConnectionType.CLIENT, *await asyncio.open_connection("127.0.0.1", port))
        extensions: list[Extension] = [PerMessageDeflate()] if is_compressed else []
        end.send(Request(host=f"127.0.0.1:{port}", target="/", subprotocols=["chat"], extensions=extensions))
        waiting = list(MESSAGES)
        parts: list[str | bytes] = []
        got: list[str | bytes] = []
        async for event in end.events():
            if isinstance(event, AcceptConnection):
                assert event.subprotocol == "chat"
                assert len(event.extensions) == is_compressed
                end.send(Ping(b"?"))
                end.send(message_of(waiting.pop(0)))
            elif isinstance(event, Message):
                if (message := joined(event, parts)) is not None:
                    got.append(message)
                    end.send(message_of(waiting.pop(0)) if waiting else CloseConnection(code=3000, reason="bye"))
            elif isinstance(event, Pong):
                assert event.payload == b"?"
            elif isinstance(event, CloseConnection):
                assert event.code == 3000
            else:
                assert not isinstance(event, RejectConnection)
        assert got == MESSAGES
        end.writer.close()
        await end.writer.wait_closed()
    assert codes == [3000]


@pytest.mark.parity("C38", "C39")
@pytest.mark.parametrize("is_compressed", [False, True])
async def test_our_client_on_a_server_of_wsproto(is_compressed: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = WsprotoEnd(ConnectionType.SERVER, reader, writer)
        extensions: list[Extension] = [PerMessageDeflate()] if is_compressed else []
        parts: list[str | bytes] = []
        async for event in end.events():
            if isinstance(event, Request):
                end.send(AcceptConnection(subprotocol="chat", extensions=extensions))
            elif isinstance(event, Message):
                if (message := joined(event, parts)) is not None:
                    end.send(message_of(message))
            elif isinstance(event, CloseConnection):
                end.send(event.response())
                break
        writer.close()
        await writer.wait_closed()

    async with listening(answer) as port:
        await converse(f"ws://127.0.0.1:{port}/", is_compressed=is_compressed)


@asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """The port of a server that has `answer` deal with each connection; ends when they have ended."""
    tasks: list[asyncio.Task[None]] = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await answer(reader, writer)

    server = await asyncio.start_server(remember, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await asyncio.gather(*tasks)


@pytest.mark.hardening("W33")
async def test_openings_that_are_never_finished_are_cut_off_and_let_others_in() -> None:
    """As many as the server takes at once; each stops at another place of its head."""
    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    count = 20
    async with served(head_timeout=0.3, max_connections=count) as port:
        openings = []
        for number in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head[: len(head) * number // (count - 1)])
            openings.append((reader, writer))
        url = f"ws://127.0.0.1:{port}/"
        async with client.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.send_str("in")
            assert await ws.receive_str() == "in"
        async with asyncio.timeout(10):
            for reader, writer in openings:
                assert b" 101 " not in await reader.read()
                writer.close()
                await writer.wait_closed()
