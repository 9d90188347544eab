"""The programs of the guide to WebSockets: they run as they stand there, and do what it says."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.client import ClientSession, DeflateParams, WebSocketConnection, WebSocketListener, WSMsgType

GUIDE = Path(__file__).parents[1] / "docs" / "how-to" / "talk-over-websockets.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def program(about: str) -> dict[str, Any]:
    """What the one program that contains `about` defines."""
    [source] = [source for source in PROGRAMS if about in source]
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(source, GUIDE.name, "exec"), names)  # our own page
    return names


@asynccontextmanager
async def serving(app_or_handler: Any) -> AsyncIterator[str]:
    app = app_or_handler
    if not isinstance(app, web.Application):
        app = web.Application()
        app.router.add_get("/", app_or_handler)
    runner = web.AppRunner(app, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with asyncio.timeout(20):
        yield f"ws://127.0.0.1:{site.port}"
        await runner.cleanup()


@pytest.mark.parity("S41", "S43", "C38")
async def test_the_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(program("async def chat")["app"]) as url:
        assert await program("async def ask")["ask"](f"{url}/chat", "why?") == {"you said": "why?"}
    assert capsys.readouterr().out == "closed with 1000\n"


@pytest.mark.parity("U20", "S43")
async def test_a_listener_on_the_server_relays() -> None:
    names = program("class Relay")
    async with serving(names["app"]) as url, ClientSession() as session:
        one, two = [await session.ws_connect(f"{url}/relay") for _ in range(2)]
        while len(names["relay"].open) < 2:
            await asyncio.sleep(0)
        await one.send_str("hello")
        assert await two.receive_str() == "hello"
        await two.send_bytes(bytes(5))
        assert await two.receive_str() == "5 bytes"
        await one.close()
        while len(names["relay"].open) > 1:
            await asyncio.sleep(0)
        await two.close()


@pytest.mark.parity("U20", "C38")
async def test_a_listener_on_the_client_collects() -> None:
    codes = []

    async def feed(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for price in range(100):
            await ws.send_str(f"{price}.5")
        async for _ in ws:
            pass
        codes.append(ws.close_code)
        return ws

    async with serving(feed) as url:
        assert (await program("class Ticker")["watch"](url, 3))[:3] == [0.5, 1.5, 2.5]
    assert codes == [1000]


@pytest.mark.parity("U20", "W5")
async def test_the_echo_holds_back_who_does_not_read() -> None:
    listener = program("class Echo")["Echo"]()
    held = []

    class Counting(type(listener)):  # type: ignore[misc]  # the class comes from the page
        def on_pause_writing(self, ws: web.WebSocketConnection) -> None:
            held.append(ws)

    async def echo(request: web.Request) -> web.WebSocketResponse:
        return web.WebSocketResponse(listener=Counting(), writer_limit=1000)

    async with serving(echo) as url, ClientSession() as session:
        ws = await session.ws_connect(url)
        piece = bytes(300_000)
        sending = asyncio.create_task(send_all(ws, piece, 40))
        while not held:
            await asyncio.sleep(0)
        for _ in range(40):
            assert await ws.receive_bytes() == piece
        await sending
        await ws.close()


async def send_all(ws: Any, piece: bytes, count: int) -> None:
    for _ in range(count):
        await ws.send_bytes(piece)


@pytest.mark.parity("C38", "W3")
async def test_compression_is_agreed_on_by_all_four_parameters() -> None:
    names = program("SMALL")
    async with serving(names["sparing"]) as url, ClientSession() as session:
        ws = await names["dial"](session, url)
        assert ws.deflate == DeflateParams(True, True, 12, 10)
        assert (ws.compress, ws.client_notakeover) == (10, True)
        for text in ("a" * 5000, "", "b" * 50_000, "a" * 5000):
            await ws.send_str(text)
            assert await ws.receive_str() == text.upper()
        await ws.close()
        strict = DeflateParams(server_no_context_takeover=True, server_max_window_bits=9)
        ws = await session.ws_connect(url, compress=strict)
        assert ws.deflate == DeflateParams(True, True, 9, 12)
        await ws.close()


@pytest.mark.parity("U20")
async def test_the_client_that_comes_back() -> None:
    async def say_and_close(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("news")
        return ws

    got: list[str] = []
    async with serving(say_and_close) as url:
        following = asyncio.create_task(program("async def follow")["follow"](url, got))
        while len(got) < 2:
            await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait([following])
    assert set(got) == {"news"}


def test_every_program_of_the_guide_is_run_here() -> None:
    tested = [
        "async def chat",
        "async def ask",
        "class Relay",
        "class Ticker",
        "class Echo",
        "SMALL",
        "async def follow",
    ]
    assert len(PROGRAMS) == len(tested)
    for about in tested:
        program(about)


@pytest.mark.parity("S43", "C39")
async def test_every_kind_of_message_goes_to_a_clients_listener() -> None:
    told: list[tuple[str, Any]] = []

    class Recorder(WebSocketListener):
        def on_open(self, ws: WebSocketConnection) -> None:
            told.append(("open", ws.closed))
            ws.write_str("go")

        def on_text(self, ws: WebSocketConnection, data: str) -> None:
            told.append(("text", data))

        def on_binary(self, ws: WebSocketConnection, data: memoryview) -> None:
            told.append(("binary", bytes(data)))

        def on_ping(self, ws: WebSocketConnection, data: bytes) -> None:
            told.append(("ping", data))

        def on_pong(self, ws: WebSocketConnection, data: bytes) -> None:
            told.append(("pong", data))

        def on_close(self, ws: WebSocketConnection, code: int, reason: str) -> None:
            told.append(("close", (code, reason)))

    async def talk(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        assert await ws.receive_str() == "go"
        await ws.send_str("grüße")
        await ws.send_bytes(b"\x00\xff")
        await ws.ping(b"there?")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"there?")
        await ws.pong(b"unasked")
        await ws.close(code=3001, message=b"enough")
        return ws

    async with serving(talk) as url, ClientSession() as session:
        ws = await session.ws_connect(url, listener=Recorder())
        with pytest.raises(RuntimeError, match="listener"):
            await ws.receive()
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == (3001, "enough")
    assert told == [
        ("open", False),
        ("text", "grüße"),
        ("binary", b"\x00\xff"),
        ("ping", b"there?"),
        ("pong", b"unasked"),
        ("close", (3001, "enough")),
    ]
