"""An ASGI application behind a connector, without sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from levante.client import ASGIConnector, ClientPayloadError, ClientSession, ClientTimeout, ServerDisconnectedError

pytestmark = pytest.mark.parity("U18")


class App:
    """An application that writes down its scopes and does what its path says."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, object]] = []
        self.messages: list[str] = []
        self.lifespan: list[str] = []
        self.told = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.scopes.append(scope)
        await getattr(self, "do_" + scope["path"].strip("/").split("/")[0])(receive, send)

    async def _live(self, scope, receive, send) -> None:
        scope["state"]["made"] = "at startup"
        for _ in range(2):
            kind = (await receive())["type"]
            self.lifespan.append(kind)
            await send({"type": f"{kind}.complete"})

    async def do_echo(self, receive, send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 201, "headers": [(b"X-One", b"1"), (b"x-one", b"2")]})
        await send({"type": "http.response.body", "body": body})

    async def do_stream(self, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(3):
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": True})
        await send({"type": "http.response.body"})

    async def do_flood(self, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        sent = 0
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                sent += 65_536
                self.messages = [str(sent)]
        except OSError:
            self.told.set()

    async def do_wait(self, receive, send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.told.set()

    async def do_listen(self, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
        await receive()
        self.messages.append((await receive())["type"])
        self.told.set()

    async def do_fail(self, receive, send) -> None:
        raise KeyError("early")

    async def do_break(self, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise KeyError("late")

    async def do_late(self, receive, send) -> None:
        await self.do_echo(receive, send)
        raise KeyError("after")

    async def do_nothing(self, receive, send) -> None:
        pass

    async def do_twice(self, receive, send) -> None:
        await self.do_echo(receive, send)
        await send({"type": "http.response.body"})

    async def do_unbegun(self, receive, send) -> None:
        await send({"type": "http.response.body"})


@pytest.fixture
async def app() -> App:
    return App()


async def test_a_request_in_its_words(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app, root_path="/in")) as session:
        async with session.post("https://shop.test:8443/echo/%C3%A9%2F?a=1&a=2", data=b"body") as response:
            assert (response.status, await response.read()) == (201, b"body")
            assert response.headers.getall("X-One") == ["1", "2"]
            assert response.headers["Content-Length"] == "4"
        async with session.head("http://other.test/echo") as response:
            assert await response.read() == b""
    scope, second = app.scopes
    headers = dict(scope.pop("headers"))
    assert headers[b"host"] == b"shop.test:8443"
    assert headers[b"content-length"] == b"4"
    assert scope.pop("client")[0] == "127.0.0.1"
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/echo/é/",
        "raw_path": b"/echo/%C3%A9%2F",
        "query_string": b"a=1&a=2",
        "root_path": "/in",
        "server": ("127.0.0.1", 8443),
        "state": {"made": "at startup"},
    }
    assert (second["method"], second["scheme"]) == ("HEAD", "http")
    assert second["state"] is not scope["state"]
    assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_both_directions_stream(app: App) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        for wanted in (b"b", b"c"):
            await seen.get()
            yield wanted

    got = []
    session = ClientSession(connector=ASGIConnector(app))
    async with session, session.post("http://shop.test/stream", data=body()) as response:
        async for piece in response.content.iter_any():
            got.append(piece)
            seen.put_nowait(piece)
    assert b"".join(got) == b"ABC"
    assert got[0] == b"A"


async def test_a_slow_reader_holds_the_application_back(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app)) as session:
        async with session.get("http://shop.test/flood") as response:
            for _ in range(200):
                await asyncio.sleep(0)
            held = int(app.messages[0])
            assert held < 2 * 1024 * 1024
            for _ in range(200):
                await asyncio.sleep(0)
            assert int(app.messages[0]) == held
            await response.content.readexactly(held)
        await asyncio.wait_for(app.told.wait(), 5)


async def test_a_client_that_goes_away_is_told_of(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app)) as session:
        with pytest.raises(TimeoutError):
            await session.get("http://shop.test/wait", timeout=ClientTimeout(total=0.02))
        await asyncio.wait_for(app.told.wait(), 5)


async def test_after_its_response_it_hears_of_the_end(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app)) as session:
        async with session.get("http://shop.test/listen") as response:
            assert response.status == 204
        await asyncio.wait_for(app.told.wait(), 5)
    assert app.messages == ["http.disconnect"]


async def test_what_it_raises_is_raised_at_the_request(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app)) as session:
        with pytest.raises(KeyError, match="early"):
            await session.get("http://shop.test/fail")
        with pytest.raises(KeyError, match="late"):
            async with session.get("http://shop.test/break") as response:
                await response.read()
        with pytest.raises(RuntimeError, match="before its response was complete"):
            await session.get("http://shop.test/nothing")
        with pytest.raises(RuntimeError, match="not begun"):
            await session.get("http://shop.test/unbegun")
        assert session.connector._pool.leased_count == 0


async def test_or_is_a_500_by_choice(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app, raise_app_exceptions=False)) as session:
        for path in ("fail", "nothing"):
            async with session.get(f"http://shop.test/{path}") as response:
                assert (response.status, await response.text()) == (500, "Internal Server Error")
        with pytest.raises((ClientPayloadError, ServerDisconnectedError)):
            async with session.get("http://shop.test/break") as response:
                await response.read()


@pytest.mark.parametrize("path", ["late", "twice"])
async def test_what_it_raises_after_its_response_is_reported(app: App, path: str) -> None:
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with ClientSession(connector=ASGIConnector(app)) as session:
        async with session.get(f"http://shop.test/{path}") as response:
            await response.read()
        for _ in range(5):
            await asyncio.sleep(0)
    assert [type(error) for error in reported] == [KeyError if path == "late" else RuntimeError]


async def test_websockets_are_refused(app: App) -> None:
    from levante.client import WSServerHandshakeError

    async with ClientSession(connector=ASGIConnector(app)) as session:
        with pytest.raises(WSServerHandshakeError) as caught:
            await session.ws_connect("http://shop.test/ws")
    assert caught.value.status == 501


async def test_requests_at_once_start_it_once(app: App) -> None:
    async with ClientSession(connector=ASGIConnector(app, limit=3)) as session:
        responses = await asyncio.gather(*(session.get("http://shop.test/echo") for _ in range(10)))
        assert {response.status for response in responses} == {201}
    assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_application_without_a_lifespan() -> None:
    async def app(scope, receive, send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fine"})

    for lifespan in (True, False):
        session = ClientSession(connector=ASGIConnector(app, lifespan=lifespan))
        async with session, session.get("http://shop.test/") as response:
            assert await response.read() == b"fine"
    async with ClientSession(connector=ASGIConnector(app)):
        pass  # never asked, never started


@pytest.mark.parametrize("when", ["startup", "shutdown"])
async def test_a_lifespan_that_fails(when: str) -> None:
    async def app(scope, receive, send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
            return
        kind = (await receive())["type"]
        if kind.endswith(when):
            await send({"type": f"{kind}.failed", "message": "no database"})
            return
        await send({"type": f"{kind}.complete"})
        with pytest.raises(RuntimeError, match="nothing was asked"):
            await send({"type": f"{kind}.complete"})
        kind = (await receive())["type"]
        await send({"type": f"{kind}.failed", "message": "no database"})

    session = ClientSession(connector=ASGIConnector(app))
    if when == "startup":
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no database"):
                await session.get("http://shop.test/")
        await session.close()
    else:
        async with session.get("http://shop.test/"):
            pass
        with pytest.raises(RuntimeError, match="no database"):
            await session.close()


async def test_no_application() -> None:
    with pytest.raises(TypeError, match="scope, receive and send"):
        ASGIConnector(None)
