import asyncio
import struct
from typing import Any

import pytest

from levante import web

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENING = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


class Socket:
    """A WebSocket client of bare frames."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    async def send(self, opcode: int, payload: bytes) -> None:
        mask = b"\1\2\3\4"
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        await self.peer.send(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(5):
            first, size = await self.peer.reader.readexactly(2)
            return first & 15, await self.peer.reader.readexactly(size)

    async def close(self, code: int) -> None:
        await self.send(8, struct.pack("!H", code))


async def opened(served: Any, target: str = "/", *more: tuple[str, str]) -> Socket:
    peer = await served.connect()
    answer = await peer.request("GET", target, [*OPENING, *more])
    assert answer.status == 101, answer
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    socket = Socket(peer)
    socket.opening = answer  # type: ignore[attr-defined]
    return socket


@pytest.mark.parity("S41", "S43", "S44")
async def test_a_conversation(serve: Any) -> None:
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        assert not ws.closed
        assert ws.close_code is None
        assert ws.get_extra_info("peername", 5) == 5
        assert ws.exception() is None
        assert ws.ws_protocol is None
        assert not ws.compress
        await ws.prepare(request)
        assert await ws.prepare(request) is request.writer
        assert not ws.closed
        assert ws.prepared
        assert ws.get_extra_info("peername")[0] == "127.0.0.1"
        async for message in ws:
            if message.type == web.WSMsgType.TEXT:
                await ws.send_str(message.data + "!")
            else:
                await ws.send_bytes(bytes(message.data))
        ended.set_result((ws.closed, ws.close_code, ws.exception()))
        return ws

    served = await serve(handler)
    socket = await opened(served)
    await socket.send(1, b"hi")
    assert await socket.frame() == (1, b"hi!")
    await socket.send(2, b"\0\1")
    assert await socket.frame() == (2, b"\0\1")
    await socket.send(9, b"ping")
    assert await socket.frame() == (10, b"ping")
    await socket.close(1000)
    assert await socket.frame() == (8, struct.pack("!H", 1000))
    assert await asyncio.wait_for(ended, 5) == (True, 1000, None)
    assert await socket.peer.is_closed()


@pytest.mark.parity("S43")
async def test_sending_and_receiving_by_kind(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert await ws.receive_str() == "text"
        assert await ws.receive_bytes() == b"bytes"
        assert await ws.receive_json() == {"a": 1}
        await ws.send_json([1])
        await ws.ping(b"p")
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.01)
        await ws.close(code=4000, message=b"done")
        assert not await ws.close()
        return ws

    socket = await opened(await serve(handler))
    await socket.send(1, b"text")
    await socket.send(2, b"bytes")
    await socket.send(1, b'{"a": 1}')
    assert await socket.frame() == (1, b"[1]")
    assert await socket.frame() == (9, b"p")
    assert await socket.frame() == (8, struct.pack("!H", 4000) + b"done")


@pytest.mark.parity("S44")
async def test_the_end_of_the_handler_closes(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        if request.path != "/unprepared":
            await ws.prepare(request)
        if request.path == "/raise":
            raise ZeroDivisionError
        return ws

    served = await serve(handler)
    for path, code in (("/return", 1000), ("/raise", 1011), ("/unprepared", 1000)):
        socket = await opened(served, path)
        opcode, payload = await socket.frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", code))
        await socket.close(code)
        assert await socket.peer.is_closed()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parity("S42")
@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("GET", {"Upgrade": "other"}, 400),
        ("GET", {"Connection": "keep-alive"}, 400),
        ("GET", {"Connection": "notupgrade"}, 400),
        ("GET", {"Sec-WebSocket-Version": "12"}, 426),
        ("GET", {"Sec-WebSocket-Key": "short"}, 400),
        ("POST", {}, 405),
        ("GET", {"Origin": "http://evil.example"}, 403),
    ],
)
async def test_openings_that_are_refused(serve: Any, method: str, changes: Any, status: int) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        assert not ws.can_prepare(request)
        with pytest.raises(RuntimeError, match="prepare"):
            await ws.send_str("x")
        await ws.prepare(request)
        return ws

    served = await serve(handler)
    answer = await served.request(method, "/", list({**dict(OPENING), **changes}.items()))
    assert answer.status == status
    if status == 426:
        assert answer.headers["Sec-WebSocket-Version"] == "13"
    if status == 405:
        assert answer.headers["Allow"] == "GET"


@pytest.mark.parity("S42", "S48")
async def test_subprotocols_origins_and_headers(serve: Any) -> None:
    seen: list[Any] = []

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Seen"] = "1"

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("b", "c"), origins=("http://friend.example",), compress=True)
        ready = ws.can_prepare(request)
        seen.append((bool(ready), ready.protocol))
        ws.set_cookie("a", "1")
        await ws.prepare(request)
        with pytest.raises(RuntimeError, match="already"):
            ws.can_prepare(request)
        seen.append((ws.ws_protocol, ws.compress))
        return ws

    app = web.Application()
    app.on_response_prepare.append(prepare)
    app.router.add_get("/", handler)
    socket = await opened(
        await serve(app),
        "/",
        ("Sec-WebSocket-Protocol", "a, c, b"),
        ("Origin", "http://friend.example"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    )
    headers = socket.opening.headers  # type: ignore[attr-defined]
    assert (headers["Sec-WebSocket-Protocol"], headers["X-Seen"], headers["Set-Cookie"]) == ("c", "1", "a=1; Path=/")
    assert seen == [(True, "c"), ("c", True)]


@pytest.mark.parity("S56")
@pytest.mark.hardening("X1")
async def test_shutdown_closes_with_1001(serve: Any) -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        seen.extend([message.type async for message in ws])
        seen.append((await ws.receive()).type)
        return ws

    served = await serve(handler)
    sockets = [await opened(served) for _ in range(3)]
    assert len(served.server._websockets) == 3
    closing = asyncio.create_task(served.runner.cleanup())
    for socket in sockets:
        opcode, payload = await socket.frame()
        assert (opcode, payload) == (8, struct.pack("!H", 1001) + b"Server shutdown")
        await socket.close(1001)
    await asyncio.wait_for(closing, 5)
    assert set(seen) == {web.WSMsgType.CLOSED}


async def test_a_silent_peer_does_not_hold_up_the_shutdown(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(timeout=0.05)
        await ws.prepare(request)
        await ws.receive()
        return ws

    served = await serve(handler)
    await opened(served)
    await asyncio.wait_for(served.runner.cleanup(), 5)


@pytest.mark.parity("S44")
async def test_it_is_no_stream(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        with pytest.raises(RuntimeError, match="send_str"):
            await ws.write(b"x")
        await ws.write_eof()
        await ws.write_eof()
        return ws

    socket = await opened(await serve(handler))
    assert (await socket.frame())[0] == 8
    await socket.close(1000)
    assert await socket.peer.is_closed()


async def test_a_peer_that_went_away_is_no_error(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        try:
            while True:
                await ws.send_str("x" * 1000)
                await asyncio.sleep(0)
        finally:
            ended.set()

    served = await serve(handler)
    socket = await opened(served)
    await socket.close(1000)
    socket.peer.reset()
    await asyncio.wait_for(ended.wait(), 5)
    await served.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parity("S25", "S44")
async def test_opened_on_a_clone(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request.clone(remote="192.0.2.1"))
        if request.path == "/raise":
            raise ZeroDivisionError
        await ws.receive()
        return ws

    served = await serve(handler)
    for path, code in (("/", 1000), ("/raise", 1011)):
        peer = await served.connect()
        assert (await peer.request("GET", path, OPENING)).status == 101
        socket = Socket(peer)
        await socket.send(1, b"hello")
        assert await socket.frame() == (8, struct.pack("!H", code))
        await socket.send(8, struct.pack("!H", code))
        assert await peer.is_closed()


@pytest.mark.parity("S56")
async def test_none_is_opened_while_the_server_shuts_down(serve: Any) -> None:
    started, shutting_down = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        started.set()
        await shutting_down.wait()
        ws = web.WebSocketResponse()
        assert not ws.can_prepare(request)
        await ws.prepare(request)
        return ws

    served = await serve(handler, shutdown_timeout=30.0)
    peer = await served.connect()
    opening = asyncio.ensure_future(peer.request("GET", "/", OPENING))
    await started.wait()
    stopping = asyncio.ensure_future(served.runner.cleanup())
    while not served.server.draining:
        await asyncio.sleep(0)
    shutting_down.set()
    assert (await opening).status == 503
    async with asyncio.timeout(5):
        await stopping


@pytest.mark.parity("U20", "S44")
async def test_a_listener_is_a_whole_handler(serve: Any) -> None:
    closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    class Echo(web.WebSocketListener):
        def on_text(self, ws: Any, data: str) -> None:
            ws.write_str(data)

        def on_close(self, ws: Any, code: int, reason: str) -> None:
            closed.set_result((code, reason))

    async def handler(request: web.Request) -> web.WebSocketResponse:
        return web.WebSocketResponse(listener=Echo())

    socket = await opened(await serve(handler))
    for word in (b"one", b"two"):
        await socket.send(1, word)
        assert await socket.frame() == (1, word)
    await socket.close(3001)
    assert await socket.frame() == (8, struct.pack("!H", 3001))
    assert await closed == (3001, "")


@pytest.mark.parity("S43")
async def test_a_subclass_with_its_own_receive_iterates_by_it(serve: Any) -> None:
    class Loud(web.WebSocketResponse):
        async def receive(self, timeout: float | None = None) -> Any:
            message = await super().receive(timeout)
            return message._replace(data=message.data.upper()) if message.type is web.WSMsgType.TEXT else message

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = Loud()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    socket = await opened(await serve(handler))
    await socket.send(1, b"loud")
    assert await socket.frame() == (1, b"LOUD")
    await socket.close(1000)


@pytest.mark.parity("S42")
async def test_the_status_is_101_whatever_was_set(serve: Any) -> None:
    statuses: list[int] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        ws.set_status(200)
        await ws.prepare(request)
        statuses.append(ws.status)
        await ws.close()
        return ws

    socket = await opened(await serve(handler))
    await socket.close(1000)
    assert statuses == [101]
