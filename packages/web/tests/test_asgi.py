"""Our application as an ASGI application, message by message."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.http import LocalProtocolError
from levante.web.gateway.inbound import http_head, request_target

pytestmark = pytest.mark.parity("U3")


class Caller:
    """An ASGI server of one scope."""

    def __init__(self, app: Any, kind: str = "http", **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": kind,
            "method": "GET",
            "http_version": "1.1",
            "scheme": "ws" if kind == "websocket" else "http",
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", b"example.org")],
            **scope,
        }
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.gone = False
        self.taking = asyncio.Event()
        self.taking.set()
        self.task = asyncio.ensure_future(app(self.scope, self.inbox.get, self.send))

    async def send(self, message: Any) -> None:
        await self.taking.wait()
        if self.gone:
            raise OSError("the client is gone")
        self.sent.append(message)

    def give(self, kind: str, **fields: Any) -> None:
        self.inbox.put_nowait({"type": kind, **fields})

    async def end(self) -> list[Any]:
        async with asyncio.timeout(5):
            await self.task
        return self.sent

    async def until(self, kind: str) -> Any:
        async with asyncio.timeout(5):
            while not any(message["type"] == kind for message in self.sent):
                await asyncio.sleep(0)
        return next(message for message in self.sent if message["type"] == kind)


async def started(handler: Any, method: str = "*", **options: Any) -> Any:
    def make() -> web.Application:
        app = web.Application()
        app.router.add_route(method, "/{tail:.*}", handler)
        return app

    bridge = web.asgi(make, **options)
    await bridge.startup()
    return bridge


def head_of(sent: list[Any]) -> tuple[int, dict[bytes, bytes]]:
    return sent[0]["status"], dict(sent[0]["headers"])


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.scheme} {request.path_qs} {request.version.major}")


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"path": "/a b"}, "/a%20b"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb"),
        ({"path": "/x/a", "raw_path": b"/x/a", "root_path": "/x"}, "/a"),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/x/"}, "/"),
        ({"path": "/\u00e9/a", "raw_path": b"/%c3%a9/a", "root_path": "/\u00e9"}, "/a"),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/x"}, "/a"),  # a server that has cut it off already
        ({"path": "/xy", "root_path": "/x"}, "/xy"),
        ({"path": "/a", "query_string": b"b=%20&c"}, "/a?b=%20&c"),
        ({"path": "*"}, "*"),
        ({"path": ""}, "/"),
        ({"path": "/a", "raw_path": b"/\xff?x"}, "/%C3%BF"),
    ],
)
def test_targets(scope: Any, target: str) -> None:
    assert request_target(scope) == target


async def test_a_request() -> None:
    bridge = await started(hello)
    for scope, text in (
        ({}, b"http / 1"),
        ({"scheme": "https", "http_version": "1.0", "path": "/x", "query_string": b"a=1"}, b"https /x?a=1 1"),
        ({"http_version": "3", "method": "POST"}, b"http / 3"),
    ):
        sent = await Caller(bridge, **scope).end()
        status, headers = head_of(sent)
        assert (status, headers[b"content-length"]) == (200, str(len(text)).encode())
        assert sent[1] == {"type": "http.response.body", "body": text, "more_body": False}
        assert len(sent) == 2
    await bridge.cleanup()
    await bridge.cleanup()


async def test_a_body_comes_as_it_is_read() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        assert request.can_read_body
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(await request.read())
        return response

    bridge = await started(echo)
    caller = Caller(bridge, method="POST", headers=[(b"content-length", b"6"), (b"expect", b"100-continue")])
    caller.give("http.request", body=b"one", more_body=True)
    caller.give("http.request", body=b"two")
    sent = await caller.end()
    assert b"".join(message.get("body", b"") for message in sent) == b"onetwo"


async def test_a_body_longer_than_declared() -> None:
    async def read(request: web.Request) -> web.Response:
        await request.read()
        raise NotImplementedError

    lying = Caller(await started(read), method="POST", headers=[(b"content-length", b"3")])
    lying.give("http.request", body=b"longer", more_body=True)
    assert (await lying.until("http.response.start"))["status"] == 400
    await lying.end()


async def test_bodies_of_http2_need_no_length() -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.body_exists} {await request.text()}")

    bridge = await started(read)
    for method, messages, text in (
        ("POST", [{"body": b"a", "more_body": True}, {"body": b"b"}], b"True ab"),
        ("GET", [{"body": b""}], b"False "),
        ("GET", [{"body": b"a"}], b"True a"),
        ("DELETE", [{"body": b"a", "more_body": True}, {}], b"True a"),
    ):
        caller = Caller(bridge, http_version="2", method=method)
        for message in messages:
            caller.give("http.request", **message)
        assert (await caller.end())[1]["body"] == text
    left = Caller(bridge, http_version="2")
    left.give("http.disconnect")
    assert await left.end() == []
    assert http_head({**left.scope, "headers": [(b"content-length", b"0")]}).chunked is False


async def test_backpressure_both_ways() -> None:
    written: list[int] = []

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(5):
            await response.write(bytes(1000))
            written.append(number)
        return response

    bridge = await started(pour)
    caller = Caller(bridge)
    caller.taking.clear()
    for _ in range(20):
        await asyncio.sleep(0)
    assert written == []
    caller.taking.set()
    await caller.end()
    assert written == [0, 1, 2, 3, 4]
    upload = Caller(bridge, method="POST", headers=[(b"content-length", b"9000000")])
    for _ in range(9):
        upload.give("http.request", body=bytes(1_000_000), more_body=True)
    await upload.end()
    assert upload.inbox.qsize() > 5  # nobody reads: little was taken


@pytest.mark.parametrize("by_option", [False, True])
async def test_clients_that_leave(by_option: bool) -> None:
    fates: list[str] = []

    async def wait(request: web.Request) -> web.Response:
        try:
            if request.cancel_on_disconnect:
                await asyncio.sleep(5)
            await request.disconnected()
            await request.disconnected()
        except asyncio.CancelledError:
            fates.append("cancelled")
            raise
        assert request.transport is None
        fates.append("told")
        return web.Response()

    bridge = await started(wait, handler_cancellation=by_option)
    caller = Caller(bridge)
    await asyncio.sleep(0)
    caller.give("http.disconnect")
    await caller.end()
    assert fates == ["cancelled" if by_option else "told"]
    assert caller.sent == []


async def test_half_a_body() -> None:
    errors: list[BaseException] = []

    async def read(request: web.Request) -> web.Response:
        try:
            await request.read()
        except ConnectionError as exc:
            errors.append(exc)
            raise
        raise NotImplementedError

    caller = Caller(await started(read), method="POST", headers=[(b"content-length", b"6")])
    caller.give("http.request", body=b"one", more_body=True)
    caller.give("http.disconnect")
    await caller.end()
    assert len(errors) == 1


async def test_a_server_that_cannot_send() -> None:
    errors: list[str] = []

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(b"one")
        except ConnectionError as exc:
            errors.append(type(exc).__name__)
            raise
        return response

    for handler in (pour, hello):
        caller = Caller(await started(handler))
        caller.gone = True
        await caller.end()
    assert errors == ["PeerDisconnected"]


async def test_failures(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 5
        if request.path != "/":
            await response.prepare(request)
            await response.write(b"one" if request.path == "/short" else b"too long")
            return response
        raise LookupError("on purpose")

    bridge = await started(fail)
    assert head_of(await Caller(bridge).end())[0] == 500
    for path in ("/short", "/long"):
        sent = await Caller(bridge, path=path).end()
        assert all(message.get("more_body", True) for message in sent)  # never complete
    assert caplog.text.count("error handling") == 3


async def test_rules_of_responses() -> None:
    errors: list[str] = []

    async def break_rules(request: web.Request) -> web.Response:
        exchange = request.exchange
        rules: list[Any] = [
            lambda: exchange.send_head(100, None, (), length=None),
            lambda: exchange.send_head(2000, None, (), length=None),
            lambda: exchange.send_head(200, "bad\nreason", (), length=None),
            lambda: exchange.send_head(200, None, [("A", "b\nc")], length=None),
            lambda: exchange.send_head(200, None, [("Content-Length", "5")], length=6),
            lambda: exchange.send_head(
                200, None, [("Content-Length", "5"), ("Transfer-Encoding", "chunked")], length=None
            ),
            lambda: exchange.respond(204, None, (), b"body"),
            lambda: exchange.upgrade(asyncio.Protocol(), headers=()),
            lambda: exchange.send_head(200, None, (), length=0) or exchange.send_head(200, None, (), length=0),
            lambda: exchange.send_informational(103),
        ]
        for rule in rules:
            with pytest.raises(LocalProtocolError) as caught:
                rule()
            errors.append(str(caught.value))
        assert not exchange.finished
        await exchange.finish()
        with pytest.raises(LocalProtocolError):
            await exchange.write(b"x")
        return web.Response()

    sent = await Caller(await started(break_rules)).end()
    assert head_of(sent)[0] == 200
    assert len(errors) == 10


async def test_heads(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.Response(status=int(request.query.get("status", 200)), headers={"Connection": "Keep-Alive"})
        if request.method != "HEAD":
            response = web.Response(status=response.status, text="" if "empty" in request.query else "body")
        else:
            response = web.Response(text="body")
        response.force_close()
        return response

    bridge = await started(answer)
    _, headers = head_of(await Caller(bridge).end())
    assert headers[b"connection"] == b"close"
    assert b"connection" not in head_of(await Caller(bridge, http_version="2", method="POST").end())[1]
    sent = await Caller(bridge, method="HEAD").end()
    assert (head_of(sent)[1][b"content-length"], sent[1]["body"]) == (b"4", b"")
    _, headers = head_of(await Caller(bridge, query_string=b"status=304&empty").end())
    assert b"content-length" not in headers


async def test_extensions(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 10_000)  # a small one is read, not passed on

    async def extended(request: web.Request) -> web.StreamResponse:
        await request.send_early_hints(["</a>; rel=preload"])
        if request.path == "/file":
            return web.FileResponse(file)
        response = web.StreamResponse()
        response.declare_trailers("X-Sum")
        await response.prepare(request)
        await response.write(b"body")
        if request.path == "/set":
            response.trailers["X-Sum"] = "4"
        return response

    bridge = await started(extended)
    offered = {"http.response.early_hint": {}, "http.response.trailers": {}, "http.response.pathsend": {}}
    for path, trailers in (("/set", [(b"x-sum", b"4")]), ("/none", [])):
        sent = await Caller(bridge, extensions=offered, path=path).end()
        assert sent[0] == {"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]}
        assert sent[1]["trailers"] is True
        assert sent[-1] == {"type": "http.response.trailers", "headers": trailers, "more_trailers": False}
        assert sent[-2]["more_body"] is False
    plain = await Caller(bridge, path="/set").end()
    assert [message["type"] for message in plain] == ["http.response.start", *["http.response.body"] * 2]
    sent = await Caller(bridge, path="/file", extensions=offered).end()
    assert sent[-1] == {"type": "http.response.pathsend", "path": str(file)}
    part = await Caller(bridge, path="/file", extensions=offered, headers=[(b"range", b"bytes=2-4")]).end()
    assert b"".join(message.get("body", b"") for message in part) == b"234"
    head = await Caller(bridge, path="/file", extensions=offered, method="HEAD").end()
    assert "http.response.pathsend" not in [message["type"] for message in head]


async def test_what_is_no_request() -> None:
    bridge = await started(hello)
    sent = await Caller(bridge, headers=[(b"bad name", b"x")]).end()
    assert head_of(sent)[0] == 400
    with pytest.raises(RuntimeError, match="expected http, websocket or lifespan"):
        await Caller(bridge, "mqtt").end()


async def test_the_lifespan() -> None:
    story: list[str] = []

    async def resource(app: web.Application) -> Any:
        story.append("startup")
        yield
        story.append("cleanup")

    async def make() -> web.Application:
        app = web.Application()
        app.cleanup_ctx.append(resource)
        return app

    bridge = web.asgi(make)
    caller = Caller(bridge, "lifespan")
    caller.give("lifespan.startup")
    await caller.until("lifespan.startup.complete")
    assert story == ["startup"]
    assert head_of(await Caller(bridge).end())[0] == 404
    caller.give("lifespan.shutdown")
    assert (await caller.end())[-1] == {"type": "lifespan.shutdown.complete"}
    assert story == ["startup", "cleanup"]


@pytest.mark.parametrize("when", ["startup", "shutdown"])
async def test_lifespans_that_fail(when: str) -> None:
    async def resource(app: web.Application) -> Any:
        if when == "startup":
            raise LookupError("on purpose")
        yield
        raise LookupError("on purpose")

    app = web.Application()
    app.cleanup_ctx.append(resource)
    caller = Caller(web.asgi(app), "lifespan")
    caller.give("lifespan.startup")
    caller.give("lifespan.shutdown")
    with pytest.raises(LookupError, match="on purpose"):
        await caller.end()
    assert caller.sent[-1]["type"] == f"lifespan.{when}.failed"
    assert "LookupError: on purpose" in caller.sent[-1]["message"]


async def test_without_a_lifespan(caplog: pytest.LogCaptureFixture) -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    bridge = web.asgi(app)
    with caplog.at_level(logging.WARNING):
        answers = await asyncio.gather(Caller(bridge).end(), Caller(bridge).end())
    assert [head_of(sent)[0] for sent in answers] == [200, 200]
    assert "a request came before any lifespan" in caplog.text
    await bridge.cleanup()
    with pytest.raises(TypeError, match="unknown_option"):
        await web.asgi(web.Application(), unknown_option=1).startup()


async def test_within_starlette() -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    bridge = await started(hello)
    outer = Starlette(routes=[Mount("/deep", app=bridge)])
    sent = await Caller(outer, path="/deep/er", raw_path=b"/deep/er").end()
    assert sent[1]["body"] == b"http /er 1"


async def conversation(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=("chat",), heartbeat=0.05 if "beat" in request.query else None)
    await ws.prepare(request)
    assert ws.get_extra_info("peername") == ("1.2.3.4", 5)
    async for message in ws:
        if message.data == "many":
            for _ in range(100):
                await ws.send_bytes(bytes(10_000))
        elif message.data == "abort":
            ws.connection.abort()
        else:
            await ws.send_str(f"{message.data} {request.scheme} {ws.ws_protocol}")
    return ws


def opening(bridge: Any, **scope: Any) -> Caller:
    caller = Caller(bridge, "websocket", **{"client": ("1.2.3.4", 5), "server": ("/run/socket", None), **scope})
    caller.give("websocket.connect")
    return caller


async def test_a_websocket_of_http2() -> None:
    caller = opening(await started(conversation), http_version="2", scheme="wss", subprotocols=["other", "chat"])
    accepted = await caller.until("websocket.accept")
    assert accepted == {"type": "websocket.accept", "subprotocol": "chat", "headers": []}
    caller.give("websocket.receive", text="h\u00e4llo")
    assert (await caller.until("websocket.send"))["text"] == "h\u00e4llo https chat"
    caller.give("websocket.receive", bytes=b"x", text=None)
    caller.give("websocket.disconnect", code=1001, reason="gone")
    sent = await caller.end()
    assert "websocket.close" not in [message["type"] for message in sent]


@pytest.mark.parametrize("code", [None, 1005, 1006, 1015, 4000])
async def test_how_websockets_are_left(code: int | None) -> None:
    caller = opening(await started(conversation), query_string=b"beat")
    await caller.until("websocket.accept")
    await asyncio.sleep(0.15)  # several heartbeats, which are answered in memory
    assert not caller.task.done()
    caller.give("websocket.disconnect", code=code)
    await caller.end()


async def test_slow_and_broken_websockets() -> None:
    bridge = await started(conversation)
    caller = opening(bridge)
    await caller.until("websocket.accept")
    caller.taking.clear()
    caller.give("websocket.receive", text="many")
    for _ in range(50):
        await asyncio.sleep(0)
    caller.taking.set()
    async with asyncio.timeout(5):
        while sum(message["type"] == "websocket.send" for message in caller.sent) < 100:
            await asyncio.sleep(0)
    caller.give("websocket.receive", text="abort")
    await caller.end()
    broken = opening(bridge)
    await broken.until("websocket.accept")
    broken.gone = True
    broken.give("websocket.receive", text="hi")
    await broken.end()


async def test_refused_websockets() -> None:
    async def refuse(request: web.Request) -> web.Response:
        raise web.HTTPUnauthorized(text="not you")

    bridge = await started(refuse)
    denied = await opening(bridge, extensions={"websocket.http.response": {}}).end()
    assert (denied[0]["type"], denied[0]["status"]) == ("websocket.http.response.start", 401)
    assert denied[1] == {"type": "websocket.http.response.body", "body": b"not you", "more_body": False}
    assert await opening(bridge).end() == [{"type": "websocket.close"}]


async def test_the_stand_in_for_a_transport() -> None:
    async def look(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        assert transport.get_extra_info("asgi_scope")["type"] == "http"
        assert transport.get_extra_info("peername", "nobody") == "nobody"
        assert not transport.is_closing()
        assert not request.exchange.connection.is_idle()
        response = web.StreamResponse()
        await response.prepare(request)
        assert transport.get_write_buffer_size() == 0
        assert request.writer.buffer_size == 0
        transport.abort()
        assert transport.is_closing()
        with pytest.raises(ConnectionError):
            await response.write(b"x")
        return response

    assert await Caller(await started(look)).end() == []


async def test_a_server_that_cancels() -> None:
    fates: list[str] = []

    async def wait(request: web.Request) -> web.Response:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            fates.append("cancelled")
            raise
        raise NotImplementedError

    caller = Caller(await started(wait))
    for _ in range(5):
        await asyncio.sleep(0)
    caller.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller.end()
    assert fates == ["cancelled"]
