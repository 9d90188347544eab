"""An application behind a connector, without sockets."""

import asyncio
import subprocess
import sys

import pytest

from levante.client import ClientPayloadError, ClientSession, ClientTimeout, MockConnector, ServerDisconnectedError
from levante.devtools import ApplicationConnector
from levante.web import (
    Application,
    FileResponse,
    HTTPNotFound,
    Request,
    Response,
    StreamResponse,
    WebSocketResponse,
    WSMsgType,
)

pytestmark = pytest.mark.parity("U18")

URL = "http://shop.test/"


class Shop:
    """An application that writes down how it lives."""

    def __init__(self) -> None:
        self.life: list[str] = []
        self.gone = asyncio.Event()
        self.app = app = Application()
        app.cleanup_ctx.append(self._live)
        app.router.add_post("/echo", self._echo)
        for name in ("fail", "late", "missing", "wait", "where", "file", "ws"):
            app.router.add_get(f"/{name}", getattr(self, f"_{name}"))

    async def _live(self, _: Application):
        self.life.append("started")
        yield
        self.life.append("cleaned up")

    async def _echo(self, request: Request) -> StreamResponse:
        response = StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece.upper())
        return response

    async def _fail(self, _: Request) -> Response:
        raise KeyError("early")

    async def _late(self, request: Request) -> Response:
        response = StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise KeyError("late")

    async def _missing(self, _: Request) -> Response:
        raise HTTPNotFound

    async def _wait(self, _: Request) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            self.gone.set()

    async def _where(self, request: Request) -> Response:
        return Response(text=f"{request.url} from {request.remote}")

    async def _file(self, _: Request) -> FileResponse:
        return FileResponse(__file__)

    async def _ws(self, request: Request) -> WebSocketResponse:
        ws = WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data * 2)
        self.life.append(f"closed {ws.close_code}")
        return ws


@pytest.fixture
async def shop() -> Shop:
    return Shop()


async def test_requests_and_their_life(shop: Shop) -> None:
    async with ClientSession(URL, connector=ApplicationConnector(shop.app)) as session:
        assert shop.life == []
        async with session.get("where") as response:
            assert await response.text() == "http://shop.test/where from 127.0.0.1"
        async with session.get("https://other.test:8443/where") as response:
            assert await response.text() == "https://other.test:8443/where from 127.0.0.1"
        async with session.get("missing") as response:
            assert response.status == 404
        async with session.get("file") as response:
            assert b"without sockets" in await response.read()
        assert shop.life == ["started"]
    assert shop.life == ["started", "cleaned up"]


async def test_both_directions_stream(shop: Shop) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def body():
        yield b"a"
        await seen.get()
        yield b"b"

    session = ClientSession(URL, connector=ApplicationConnector(shop.app))
    async with session, session.post("echo", data=body()) as response:
        got = []
        async for piece in response.content.iter_any():
            got.append(piece)
            seen.put_nowait(piece)
    assert got == [b"A", b"B"]


async def test_websockets(shop: Shop) -> None:
    connector = ApplicationConnector(shop.app, handler_cancellation=False)
    async with ClientSession(URL, connector=connector) as session:
        async with session.ws_connect("ws", compress=15) as ws:
            await ws.send_str("ab")
            assert await ws.receive_str() == "abab"
        other = await session.ws_connect("wss://shop.test/ws")
        await other.send_str("x")
        assert (await other.receive()).type is WSMsgType.TEXT
    assert shop.life == ["started", "closed 1000", "closed 1006", "cleaned up"]


async def test_what_it_raises_is_raised_at_the_request(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    async with ClientSession(URL, connector=ApplicationConnector(shop.app)) as session:
        with pytest.raises(KeyError, match="early"):
            await session.get("fail")
        async with session.get("late") as response:
            with pytest.raises(KeyError, match="late"):
                await response.read()


async def test_or_is_a_500_by_choice(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    connector = ApplicationConnector(shop.app, raise_app_exceptions=False)
    async with ClientSession(URL, connector=connector) as session:
        async with session.get("fail") as response:
            assert response.status == 500
        with pytest.raises((ClientPayloadError, ServerDisconnectedError)):
            async with session.get("late") as response:
                await response.read()
    assert "error handling" in caplog.text


async def test_a_client_that_goes_away_cancels_the_handler(shop: Shop) -> None:
    async with ClientSession(URL, connector=ApplicationConnector(shop.app)) as session:
        with pytest.raises(TimeoutError):
            await session.get("wait", timeout=ClientTimeout(total=0.02))
        await asyncio.wait_for(shop.gone.wait(), 5)


async def test_startup_that_fails(shop: Shop) -> None:
    async def fail(_: Application):
        raise KeyError("no database")
        yield

    shop.app.cleanup_ctx.append(fail)
    async with ClientSession(URL, connector=ApplicationConnector(shop.app)) as session:
        for _ in range(2):
            with pytest.raises(KeyError, match="no database"):
                await session.get("where")
    assert shop.life == ["started", "cleaned up"]


async def test_as_a_context_it_starts_at_once(shop: Shop) -> None:
    async with ApplicationConnector(shop.app) as connector:
        assert shop.life == ["started"]
    assert shop.life == ["started", "cleaned up"]
    assert connector.closed


class TestFixtures:
    async def test_memory(self, levante_memory, shop: Shop) -> None:
        session = await levante_memory(shop.app, url="http://x.test/", headers={"Host": "y.test"})
        assert shop.life == ["started"]
        async with session.get("where") as response:
            assert await response.text() == "http://y.test/where from 127.0.0.1"
        with pytest.raises(KeyError):
            await session.get("fail")

    async def test_mock(self, levante_mock: MockConnector) -> None:
        levante_mock.expect("GET", "/a").reply(text="there")
        async with ClientSession(URL, connector=levante_mock) as session, session.get("a") as response:
            assert await response.text() == "there"

    @pytest.mark.parametrize("asked", ["", "b"])
    def test_mock_that_was_not_asked(self, tmp_path, asked: str) -> None:
        call = f"await session.get('{asked}')" if asked else "pass"
        (tmp_path / "test_it.py").write_text(
            "from levante.client import ClientSession\n"
            "import pytest\n"
            "@pytest.mark.asyncio\n"
            "async def test_it(levante_mock):\n"
            "    levante_mock.expect('GET', '/a')\n"
            f"    async with ClientSession('{URL}', connector=levante_mock) as session:\n"
            "        try:\n"
            f"            {call}\n"
            "        except AssertionError:\n"
            "            pass\n"
        )
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 1, done.stdout
        assert "GET /a: expected 1 times, called 0 times" in done.stdout
        assert ("unexpected request: GET http://shop.test/b" in done.stdout) is bool(asked)
