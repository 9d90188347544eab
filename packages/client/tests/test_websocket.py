"""ws_connect against a server made of the engine of levante.ws and a raw socket."""

import asyncio
from collections.abc import Callable

import pytest

from levante import client
from levante.client import ClientSession, ClientTimeout, ClientWSTimeout, WSMsgType
from levante.http import RequestHead
from levante.ws import DeflateParams, Role, WebSocketProtocol, accept_handshake


def parse_head(data: bytes) -> RequestHead:
    first, *lines = data.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return RequestHead.build(method, target, headers)


def websocket_server(
    behave: Callable[[WebSocketProtocol, asyncio.StreamWriter, object], None] | None = None, **options: object
):
    """A talk that accepts the opening and echoes; `behave` may do something else with each message."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = accept_handshake(parse_head(await reader.readuntil(b"\r\n\r\n")), origins="*", **options)
        lines = [f"{name}: {value}" for name, value in accepted.headers]
        writer.write("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode())
        engine = WebSocketProtocol(Role.SERVER, deflate=accepted.deflate)
        while data := await reader.read(65536):
            engine.receive_data(data)
            for message in engine.events():
                if behave is not None:
                    behave(engine, writer, message)
                elif message.type is WSMsgType.CLOSE:
                    writer.write(engine.close(message.data or 1000, b""))
                    return
                elif message.type is WSMsgType.TEXT:
                    writer.write(engine.send_text(message.data))
                elif message.type is WSMsgType.BINARY:
                    writer.write(engine.send_binary(message.data))

    return talk


@pytest.mark.parity("C38", "C39")
async def test_echo(serve, session) -> None:
    server = await serve(talk=websocket_server(protocols=["chat"]))
    async with session.ws_connect(server.url, protocols=["x", "chat"], origin="http://o", params={"a": "1"}) as ws:
        assert ws.protocol == "chat"
        assert ws.response.status == 101
        assert (ws.compress, ws.client_notakeover) == (0, False)
        await ws.send_str("text")
        assert await ws.receive_str() == "text"
        await ws.send_bytes(b"bytes")
        assert await ws.receive_bytes() == b"bytes"
        await ws.send_json({"a": 1})
        assert await ws.receive_json() == {"a": 1}
        assert ws.get_extra_info("peername")[1] == server.port
    assert ws.closed
    assert ws.close_code == 1000
    assert session.connector._pool.leased_count == 0
    assert not session.connector._upgraded


@pytest.mark.parity("C38", "C39")
async def test_compression(serve, session) -> None:
    server = await serve(talk=websocket_server(compress=DeflateParams(client_no_context_takeover=True)))
    ws = await session.ws_connect(server.url.replace("http:", "ws:"), compress=12)
    assert ws.compress == ws.deflate.client_max_window_bits > 0
    assert ws.client_notakeover
    await ws.send_str("x" * 5000)
    assert await ws.receive_str() == "x" * 5000
    assert await ws.close()
    for wrong in (8, 16, -1):
        with pytest.raises(ValueError, match="compress"):
            await session.ws_connect(server.url, compress=wrong)


@pytest.mark.parity("C38")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX: 1\r\n\r\nno",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_opening(serve, session, answer: bytes) -> None:
    server = await serve(answer)
    with pytest.raises(client.WSServerHandshakeError) as caught:
        await session.ws_connect(server.url)
    assert caught.value.status == int(answer.split()[1])
    assert caught.value.headers is not None
    assert server.last.value("Sec-WebSocket-Version") == "13"
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C38")
async def test_redirects_are_followed(serve, session) -> None:
    real = await serve(talk=websocket_server())
    first = await serve(f"HTTP/1.1 302 Found\r\nLocation: {real.url}\r\nContent-Length: 0\r\n\r\n".encode())
    async with session.ws_connect(first.url, headers={"X": "1"}) as ws:
        await ws.send_str("x")
        assert await ws.receive_str() == "x"


@pytest.mark.parity("C38", "C39")
async def test_timeouts(serve) -> None:
    server = await serve(talk=websocket_server())
    async with ClientSession(timeout=ClientTimeout(total=0.05, sock_read=0.05)) as session:
        async with session.ws_connect(server.url) as ws:
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=0.1)
            assert ws.close_code == 1006
            assert not ws.closed
        timeout = ClientWSTimeout(ws_receive=0.05, ws_close=None)
        async with session.ws_connect(server.url, timeout=timeout) as ws:
            with pytest.raises(TimeoutError):
                await ws.receive()


@pytest.mark.parity("C39")
async def test_a_lost_connection_is_a_message(serve, session) -> None:
    def drop(engine: WebSocketProtocol, writer: asyncio.StreamWriter, message: object) -> None:
        writer.transport.abort()

    server = await serve(talk=websocket_server(drop))
    ws = await session.ws_connect(server.url)
    await ws.send_str("x")
    message = await ws.receive()
    assert message.type is WSMsgType.CLOSED
    assert ws.close_code == 1006
    with pytest.raises(client.ClientConnectionResetError):
        await ws.send_str("x")
    await ws.wait_closed()
    assert session.connector._pool.leased_count == 0


@pytest.mark.parity("C2", "C39")
async def test_closing_the_session_ends_open_websockets(serve) -> None:
    server = await serve(talk=websocket_server())
    async with ClientSession() as session:
        ws = await session.ws_connect(server.url)
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
    assert (await receiving).type in {WSMsgType.CLOSED, WSMsgType.ERROR}
    assert ws.close_code == 1006


@pytest.mark.parity("C38")
async def test_an_open_websocket_holds_its_place(serve) -> None:
    server = await serve(talk=websocket_server())
    async with ClientSession(connector=client.TCPConnector(limit=1)) as session:
        ws = await session.ws_connect(server.url)
        with pytest.raises(client.ConnectionTimeoutError):
            await session.get(server.url, timeout=ClientTimeout(connect=0.05))
        await ws.close()
        async with session.ws_connect(server.url):
            pass


@pytest.mark.parity("C38")
async def test_what_follows_the_opening_at_once_is_not_lost(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = accept_handshake(parse_head(await reader.readuntil(b"\r\n\r\n")), origins="*")
        lines = [f"{name}: {value}" for name, value in accepted.headers]
        head = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode()
        writer.write(head + WebSocketProtocol(Role.SERVER).send_text("early"))
        await reader.read()

    server = await serve(talk=talk)
    ws = await session.ws_connect(server.url)
    assert await ws.receive_str() == "early"


@pytest.mark.parity("C12", "C38")
async def test_over_tls(serve, server_tls, client_tls) -> None:
    server = await serve(talk=websocket_server(), tls=server_tls)
    url = server.url.replace("https:", "wss:")
    async with ClientSession() as session, session.ws_connect(url, ssl=client_tls) as ws:
        await ws.send_str("x")
        assert await ws.receive_str() == "x"


@pytest.mark.parity("C38", "U20")
async def test_a_listener_gets_what_comes(serve, session) -> None:
    class Words(client.WebSocketListener):
        def __init__(self) -> None:
            self.told: list[object] = []

        def on_open(self, ws: client.WebSocketConnection) -> None:
            ws.write_str("one")

        def on_text(self, ws: client.WebSocketConnection, data: str) -> None:
            self.told.append(data)
            ws.write_bytes(b"two")

        def on_binary(self, ws: client.WebSocketConnection, data: memoryview) -> None:
            self.told.append(bytes(data))
            ws.close_soon(code=3000)

        def on_close(self, ws: client.WebSocketConnection, code: int, reason: str) -> None:
            self.told.append(code)

    words = Words()
    server = await serve(talk=websocket_server())
    ws = await session.ws_connect(server.url, listener=words)
    with pytest.raises(RuntimeError, match="listener"):
        await ws.receive()
    await ws.wait_closed()
    assert words.told == ["one", b"two", 3000]
    assert (ws.close_code, session.connector._pool.leased_count) == (3000, 0)


@pytest.mark.parity("C38", "W3")
async def test_all_four_parameters_of_compression_are_offered(serve, session) -> None:
    server = await serve(talk=websocket_server())
    wanted = DeflateParams(True, True, 12, 10)
    ws = await session.ws_connect(server.url, compress=wanted)
    assert (ws.deflate, ws.compress, ws.client_notakeover) == (wanted, 10, True)
    for _ in range(2):
        await ws.send_str("x" * 5000)
        assert await ws.receive_str() == "x" * 5000
    await ws.close()
    with pytest.raises(ValueError, match="client_max_window_bits"):
        await session.ws_connect(server.url, compress=DeflateParams(client_max_window_bits=8))


@pytest.mark.parity("C38")
async def test_timeouts_as_aiohttp_had_them_once(serve, session) -> None:
    server = await serve(talk=websocket_server(lambda engine, writer, message: None))
    with pytest.warns(DeprecationWarning, match=r"use ClientWSTimeout\(ws_close=0.1\)") as warned:
        opening = session.ws_connect(server.url, timeout=0.1)
    ws = await opening
    assert await ws.close()
    assert ws.close_code == 1006
    with pytest.warns(DeprecationWarning, match=r"use timeout=ClientWSTimeout\(ws_receive=0.01\)"):
        opening = session.ws_connect(server.url, timeout=ClientWSTimeout(ws_close=0.1), receive_timeout=0.01)
    assert {one.filename for one in warned} == {__file__}
    ws = await opening
    with pytest.raises(TimeoutError):
        await ws.receive()
    await ws.close()
