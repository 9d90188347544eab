"""The test server and the test client, on real loopback sockets."""

import asyncio
import socket
import ssl
import unittest

import pytest
import trustme
from yarl import URL

from levante.client import ClientConnectionError, WSServerHandshakeError
from levante.devtools import AioHTTPTestCase, RawTestServer, TestClient, TestServer, unused_port
from levante.web import Application, Request, Response, WebSocketResponse


async def hello(request: Request) -> Response:
    return Response(text=f"{request.method} {request.path}")


async def remember(request: Request) -> Response:
    response = Response(text=request.cookies.get("seen", "new"))
    response.set_cookie("seen", "before")
    return response


async def echo(request: Request) -> WebSocketResponse:
    socket = WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


def make_app() -> Application:
    app = Application()
    app.router.add_get("/remember", remember)
    app.router.add_get("/echo", echo)
    app.router.add_route("*", "/{tail:.*}", hello)
    return app


@pytest.mark.parity("W12")
async def test_server_runs_between_start_and_close() -> None:
    events: list[str] = []
    app = make_app()

    async def note(app: Application):
        events.append("up")
        yield
        events.append("down")

    app.cleanup_ctx.append(note)
    server = TestServer(app)
    assert not server.started
    with pytest.raises(RuntimeError, match="no address yet"):
        server.make_url("/")
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.handler
    await server.start_server()
    await server.start_server()
    assert (server.started, events, server.scheme) == (True, ["up"], "http")
    assert server.handler.connections is not None
    assert str(server.make_url("/a?b=1")) == f"http://127.0.0.1:{server.port}/a?b=1"
    await server.close()
    await server.close()
    assert (server.closed, events) == (True, ["up", "down"])


@pytest.mark.parity("W12")
async def test_make_url_refuses_absolute_urls() -> None:
    async with TestServer(make_app()) as server:
        with pytest.raises(ValueError, match="expected a path such as"):
            server.make_url("http://example.org/")
    async with TestServer(make_app(), skip_url_asserts=True) as server:
        assert str(server.make_url("http://example.org/")) == "http://example.org/"
        root = f"http://127.0.0.1:{server.port}"
        assert str(server.make_url("//a//b?c=1")) == f"{root}//a//b?c=1"
        assert str(server.make_url("/a")) == f"{root}/a"
        assert str(server.make_url(URL("/%2F?x=%2B", encoded=True))) == f"{root}/%2F?x=%2B"


@pytest.mark.parity("W12")
async def test_port_host_and_socket_can_be_chosen() -> None:
    calls: list[tuple[str, int]] = []

    def factory(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
        calls.append((host, port))
        return socket.create_server((host, port), family=family)

    port = unused_port()
    async with TestServer(make_app(), host="127.0.0.1", port=port, socket_factory=factory) as server:
        assert server.port == port
    assert calls == [("127.0.0.1", port)]


async def test_failing_startup_leaves_nothing_open() -> None:
    app = make_app()

    async def fail(app: Application) -> None:
        raise LookupError("no database")

    app.on_startup.append(fail)
    server = TestServer(app)
    with pytest.raises(LookupError):
        await server.start_server()
    assert server.closed


async def test_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = TestServer(make_app(), port=other.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await server.start_server()


@pytest.mark.parity("W12")
async def test_raw_server_has_no_application() -> None:
    async def raw(request) -> Response:
        return Response(text="raw")

    async with TestClient(RawTestServer(raw)) as client:
        assert client.app is None
        assert await (await client.get("/")).text() == "raw"


@pytest.mark.parity("W12")
async def test_handler_is_cancelled_when_its_client_leaves() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    app = Application()
    app.router.add_get("/", wait)
    async with TestServer(app) as server:
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await started.wait()
            writer.close()
            await cancelled.wait()
            await writer.wait_closed()


@pytest.mark.parity("W12")
async def test_tls() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = TestServer(make_app())
    await server.start_server(ssl=context)
    assert server.scheme == "https"
    async with TestClient(server) as client:
        response = await client.get("/", ssl=trusting)
        assert await response.text() == "GET /"


@pytest.mark.parity("W13")
@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options", "head"])
async def test_verbs(verb: str) -> None:
    async with TestClient(TestServer(make_app())) as client:
        response = await getattr(client, verb)("/x")
        assert response.status == 200
        assert await response.text() == ("" if verb == "head" else f"{verb.upper()} /x")
        async with client.request(verb.upper(), "/x") as again:
            assert again.status == 200


@pytest.mark.parity("W13")
async def test_requests_can_be_tasks() -> None:
    async with TestClient(TestServer(make_app())) as client:
        request, opening = asyncio.create_task(client.get("/x")), asyncio.create_task(client.ws_connect("/echo"))
        assert await (await request).text() == "GET /x"
        await (await opening).send_str("hi")
        assert await opening.result().receive_str(timeout=5) == "hi"


@pytest.mark.parity("W13")
async def test_client_keeps_cookies_of_an_address() -> None:
    async with TestClient(TestServer(make_app())) as client:
        assert await (await client.get("/remember")).text() == "new"
        assert await (await client.get("/remember")).text() == "before"


@pytest.mark.parity("W13")
async def test_client_shows_what_it_stands_on() -> None:
    app = make_app()
    server = TestServer(app)
    client = TestClient(server, headers={"X": "1"})
    assert client.port is None
    await client.start_server()
    assert client.app is app
    assert client.server is server
    assert (client.scheme, client.host, client.port) == ("http", "127.0.0.1", server.port)
    assert client.make_url("/") == server.make_url("/")
    assert client.session.headers["X"] == "1"
    await client.close()
    await client.close()
    assert client.session.closed


@pytest.mark.parity("W13")
async def test_websocket_is_closed_with_the_client() -> None:
    client = TestClient(TestServer(make_app()))
    await client.start_server()
    websocket = await client.ws_connect("/echo")
    await websocket.send_str("hi")
    assert await websocket.receive_str(timeout=5) == "hi"
    async with client.ws_connect("/echo") as other:
        await other.send_str("ho")
        assert await other.receive_str(timeout=5) == "ho"
    assert other.closed
    await client.close()
    assert websocket.closed


@pytest.mark.hardening("W05")
async def test_a_websocket_with_cookies_is_opened_as_by_a_page_of_the_same_origin() -> None:
    async with TestClient(TestServer(make_app()), cookies={"session": "1"}) as client:
        async with client.ws_connect("/echo") as websocket:
            await websocket.send_str("hi")
            assert await websocket.receive_str(timeout=5) == "hi"
        for origin in ("https://evil.example", None):
            with pytest.raises(WSServerHandshakeError) as caught:
                await client.ws_connect("/echo", origin=origin)
            assert caught.value.status == 403


@pytest.mark.parity("W13")
async def test_client_does_not_repeat_a_request() -> None:
    count = 0

    async def drop(request: Request) -> Response:
        nonlocal count
        count += 1
        if count > 1:
            request.transport.abort()
        return Response(text="once")

    app = Application()
    app.router.add_get("/", drop)
    async with TestClient(TestServer(app)) as client:
        await (await client.get("/")).read()
        with pytest.raises(ClientConnectionError):
            await client.get("/")
    assert count == 2


def test_client_of_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match=r"TestClient\(TestServer\(app\)\)"):
        TestClient(make_app())


@pytest.mark.parity("W14")
def test_unittest_case() -> None:
    class Case(AioHTTPTestCase):
        async def get_application(self) -> Application:
            return make_app()

        async def test_hello(self) -> None:
            response = await self.client.get("/unit")
            assert await response.text() == "GET /unit"
            assert self.server.started

    class Nothing(AioHTTPTestCase):
        async def test_hello(self) -> None:
            raise AssertionError

    assert unittest.TestResult() is not None
    assert run_case(Case).wasSuccessful()
    assert "must define get_application()" in run_case(Nothing).errors[0][1]


def run_case(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    case("test_hello").run(result)
    return result


@pytest.mark.parity("W13")
def test_the_client_can_be_annotated_as_in_aiohttp() -> None:
    assert TestClient[Request, Application].__origin__ is TestClient  # type: ignore[misc]
