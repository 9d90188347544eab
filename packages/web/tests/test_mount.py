"""ASGI applications within ours: what they are told, what they may say, and what becomes of their failures."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from levante import web

pytestmark = pytest.mark.parity("L23", "U3")

Calls = list[Any]


def answering(*bodies: bytes, status: int = 200, headers: Any = (), calls: Calls | None = None) -> Any:
    """An application that answers with these pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if calls is not None:
            calls.append(scope)
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for number, body in enumerate(bodies, 1):
            await send({"type": "http.response.body", "body": body, "more_body": number < len(bodies)})

    return app


def http(handle: Any) -> Any:
    """An application without a lifespan."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await handle(scope, receive, send)

    return app


async def mount(serve: Any, asgi_app: Any, prefix: str = "/x", **kwargs: Any) -> Any:
    app = web.Application()
    app.mount(prefix, asgi_app)
    return await serve(app, **kwargs)


async def test_the_scope(serve: Any) -> None:
    calls: Calls = []
    served = await mount(serve, answering(b"ok", calls=calls), "/caf%C3%A9")
    answer = await served.get("/caf%C3%A9/a%20b%2Fc?q=%20", X_Name="v\u00e4lue")
    assert answer.text == "ok"
    lifespan, scope = calls
    assert lifespan == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.5"}, "state": {}}
    port = scope["client"][1]
    expected = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/caf\u00e9/a b/c",
        "raw_path": b"/caf%C3%A9/a%20b%2Fc",
        "query_string": b"q=%20",
        "root_path": "/caf\u00e9",
        "headers": [(b"host", b"localhost"), (b"x-name", "v\u00e4lue".encode())],
        "client": ("127.0.0.1", port),
        "server": ("127.0.0.1", served.port),
        "state": {},
        "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}, "http.response.pathsend": {}},
    }
    assert scope == expected


async def test_where_a_mount_is(serve: Any) -> None:
    calls: Calls = []
    app, below = web.Application(), web.Application()

    async def own(request: web.Request) -> web.Response:
        return web.Response(text="own")

    below.mount("/x/", answering(b"mounted", calls=calls), name="mounted")
    app.router.add_get("/below/x/own", own)
    app.add_subapp("/below", below)
    root = app.mount("/", answering(b"root"))
    served = await serve(app)
    assert (await served.get("/below/x/a")).text == "mounted"
    assert (await served.get("/below/x")).text == "mounted"
    assert [scope["root_path"] for scope in calls if scope["type"] == "http"] == ["/below/x", "/below/x"]
    assert (await served.get("/below/x/own")).text == "own"
    assert (await served.get("/below/xy")).status == 404
    assert (await served.get("/else")).text == "root"
    assert (await served.request("DELETE", "/")).text == "root"
    assert (await served.request("CONNECT", "a:1")).status == 501
    resource: Any = below.router["mounted"]
    assert (resource.canonical, resource.get_info()) == ("/below/x", {"prefix": "/below/x"})
    assert str(resource.url_for(path="/a b")) == "/below/x/a%20b"
    assert str(root.url_for()) == "/"
    assert (root.canonical, root.raw_match("/")) == ("/", False)
    assert "MountResource /below/x" in repr(resource)
    with pytest.raises(TypeError, match="expected path alone"):
        resource.url_for(other="x")


async def test_what_cannot_be_mounted(serve: Any) -> None:
    app = web.Application()
    refused: list[tuple[Any, Any, Any]] = [
        (5, answering(), "a prefix is a str"),
        ("x", answering(), "a prefix starts with '/'"),
        ("/x", 5, "called with scope, receive and send"),
        ("/x", web.Application(), "use add_subapp"),
    ]
    for prefix, what, words in refused:
        with pytest.raises((TypeError, ValueError), match=words):
            app.mount(prefix, what)
    await serve(app)
    with pytest.raises(RuntimeError, match="frozen"):
        app.mount("/x", answering())


async def test_pieces_and_wholes_pass_the_middlewares(serve: Any) -> None:
    async def mark(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["X-Kind"] = type(response).__name__
        response.set_cookie("seen", "1")
        return response

    app = web.Application(middlewares=[mark])
    sized = [(b"Content-Length", b"6"), (b"content-type", b"text/plain"), (b"set-cookie", b"a=1")]
    app.mount("/whole", answering(b"onetwo", headers=sized, status=201))
    app.mount("/pieces", answering(b"one", b"", b"two", headers=sized))
    app.mount("/chunks", answering(b"one", b"two"))
    app.mount("/empty", answering(b"", status=204))
    app.mount("/lies", answering(b"onetwo", headers=[(b"content-length", b"5")]))
    served = await serve(app)
    whole = await served.get("/whole")
    assert (whole.status, whole.text, whole.headers["X-Kind"]) == (201, "onetwo", "Response")
    pieces = await served.get("/pieces")
    assert (pieces.text, pieces.headers["X-Kind"]) == ("onetwo", "MountedResponse")
    assert pieces.headers["Content-Length"] == "6"
    assert pieces.headers.getall("Set-Cookie") == ["a=1", "seen=1; Path=/"]
    chunks = await served.get("/chunks")
    assert (chunks.text, chunks.headers["Transfer-Encoding"]) == ("onetwo", "chunked")
    assert (await served.get("/empty")).status == 204
    assert (await served.get("/lies")).status == 500
    for path in ("/whole", "/pieces"):
        head = await served.request("HEAD", path)
        assert (head.status, head.headers["Content-Length"]) in ((201, "6"), (200, "6"))


async def test_bodies_come_with_backpressure(serve: Any) -> None:
    received: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    go_on = asyncio.Event()

    async def upload(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        size, pieces, more = 0, 0, True
        while more:
            message = await receive()
            size, pieces, more = size + len(message["body"]), pieces + 1, message["more_body"]
        received.set_result((size, pieces))
        await answering(b"thanks")(scope, receive, send)
        assert await receive() == {"type": "http.disconnect"}  # the response is whole

    served = await mount(serve, http(upload), read_bufsize=2**14)
    size = 20_000_000
    peer = await served.connect()
    peer.writer.write(f"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
    while peer.writer.transport.get_write_buffer_size() == size:
        await asyncio.sleep(0)
    assert peer.writer.transport.get_write_buffer_size() > size / 4  # the kernel has some, and we are not read out
    go_on.set()
    assert (await peer.answer()).text == "thanks"
    total, pieces = await received
    assert total == size
    assert pieces > 50


async def test_a_slow_client_holds_the_application(serve: Any) -> None:
    sent: list[int] = []
    stuck = asyncio.Event()

    async def download(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asyncio.get_running_loop().call_later(0.2, stuck.set)
        for number in range(300):
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    served = await mount(serve, http(download))
    peer = await served.connect()
    await peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(20):
        await stuck.wait()
        assert len(sent) < 280
        assert len((await peer.answer()).body) == 300 * 2**16


@pytest.mark.parametrize("streams", [False, True])
async def test_a_client_that_goes_away(serve: Any, streams: bool) -> None:
    started = asyncio.Event()
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        if streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        started.set()
        message = await receive()
        try:
            if not streams:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError as exc:
            ended.set_result((message["type"], type(exc).__name__))

    served = await mount(serve, http(wait))
    peer = await served.connect()
    await peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        await started.wait()
        peer.reset()
        assert await ended == ("http.disconnect", "PeerDisconnected")


async def test_half_a_body(serve: Any) -> None:
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    started = asyncio.Event()

    async def read(scope: Any, receive: Any, send: Any) -> None:
        first = await receive()
        started.set()
        ended.set_result((first, await receive()))

    served = await mount(serve, http(read))
    peer = await served.connect()
    await peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    async with asyncio.timeout(5):
        await started.wait()
        peer.reset()
        first, second = await ended
    assert first == {"type": "http.request", "body": b"half", "more_body": True}
    assert second == {"type": "http.disconnect"}


@pytest.mark.parametrize("streams", [False, True])
async def test_a_cancelled_handler_cancels_the_application(serve: Any, streams: bool) -> None:
    started = asyncio.Event()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        if streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise

    served = await mount(serve, http(wait), handler_cancellation=True)
    peer = await served.connect()
    await peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        await started.wait()
        peer.reset()
        assert await ended == "cancelled"


async def raise_at_once(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("on purpose")


async def raise_after_start(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise LookupError("on purpose")


async def say_nothing(scope: Any, receive: Any, send: Any) -> None:
    return None


async def speak_out_of_turn(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b""})


async def start_twice(scope: Any, receive: Any, send: Any) -> None:
    for _ in range(2):
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def cancel_itself(scope: Any, receive: Any, send: Any) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (raise_at_once, "LookupError: on purpose"),
        (raise_after_start, "LookupError: on purpose"),
        (say_nothing, "returned before its response was complete"),
        (speak_out_of_turn, "got 'http.response.body' from a mounted application while its response is not begun"),
        (start_twice, "got 'http.response.start' from a mounted application while its response is begun"),
        (cancel_itself, "the mounted application was cancelled"),
    ],
)
async def test_failures_are_500_once(serve: Any, caplog: pytest.LogCaptureFixture, broken: Any, words: str) -> None:
    served = await mount(serve, http(broken))
    with caplog.at_level(logging.ERROR):
        assert (await served.get("/x")).status == 500
    (record,) = caplog.records
    assert words in caplog.text
    assert "error handling" in record.message


async def test_a_failure_in_the_middle(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def break_off(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise LookupError("on purpose")

    served = await mount(serve, http(break_off))
    peer = await served.connect()
    await peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    with caplog.at_level(logging.ERROR):
        rest = await peer.reader.read()
    assert rest.endswith(b"3\r\none\r\n")  # not whole, as the client can tell
    assert len(caplog.records) == 1


async def test_work_after_the_response(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work_on(scope: Any, receive: Any, send: Any) -> None:
        await answering(b"ok")(scope, receive, send)
        with pytest.raises(RuntimeError, match="while its response is complete"):
            await send({"type": "http.response.body", "body": b""})
        await asyncio.sleep(0.1)
        done.append(scope["path"])
        raise LookupError("too late")

    served = await mount(serve, http(work_on))
    with caplog.at_level(logging.ERROR):
        assert (await served.get("/x")).text == "ok"
        assert done == []
        await served.close()  # waits for it
    assert done == ["/x"]
    (record,) = caplog.records
    assert "failed after its response" in record.message


async def test_a_replaced_response(serve: Any) -> None:
    told: list[Any] = []

    async def download(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
        except OSError as exc:
            told.append(exc)
        told.append(await receive())
        try:
            await send({"type": "http.response.body", "body": b"two"})
        except OSError as exc:
            told.append(exc)

    async def replace(request: web.Request, handler: Any) -> web.StreamResponse:
        await handler(request)
        return web.Response(text="another")

    app = web.Application(middlewares=[replace])
    app.mount("/x", http(download))
    served = await serve(app)
    assert (await served.get("/x")).text == "another"
    await served.close()
    assert [type(what).__name__ for what in told] == ["PeerDisconnected", "dict", "PeerDisconnected"]


async def test_a_body_that_a_middleware_has_read(serve: Any) -> None:
    async def read(request: web.Request, handler: Any) -> web.StreamResponse:
        await (request.read() if "Keep" in request.headers else request.content.read())
        response: web.StreamResponse = await handler(request)
        return response

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        names = [name for name, _ in scope["headers"]]
        assert b"content-encoding" not in names
        await answering(message["body"] + str(message["more_body"]).encode())(scope, receive, send)

    import gzip

    app = web.Application(middlewares=[read])
    app.mount("/x", http(echo))
    served = await serve(app)
    body = gzip.compress(b"plain")
    answer = await served.request("POST", "/x", [("Keep", "1"), ("Content-Encoding", "gzip")], body)
    assert answer.text == "plainFalse"
    assert (await served.request("POST", "/x", [], b"lost")).status == 500


async def test_extensions(serve: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 1000)

    async def extended(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        kind = scope["path"].rpartition("/")[2]
        headers = [(b"trailer", b"X-Sum, X-Other"), (b"content-length", b"3")] if kind == "trailers" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": kind == "trailers"})
        if kind == "file":
            await send({"type": "http.response.pathsend", "path": str(file)})
            return
        await send({"type": "http.response.body", "body": b"one"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-other", b"2")]})

    async def compress(request: web.Request, response: web.StreamResponse) -> None:
        if "Accept-Encoding" in request.headers:
            response.enable_compression()

    app = web.Application()
    app.on_response_prepare.append(compress)
    app.mount("/x", http(extended))
    served = await serve(app)
    peer = await served.connect()
    await peer.send(b"GET /x/trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    hints = await peer.answer()
    assert (hints.status, hints.headers["Link"]) == (103, "</a.css>; rel=preload")
    rest = await peer.reader.read()
    assert rest.endswith(b"3\r\none\r\n0\r\nx-sum: 1\r\nx-other: 2\r\n\r\n")
    for coding in ("", "Accept-Encoding: gzip\r\n"):
        peer = await served.connect()
        await peer.send(f"GET /x/file HTTP/1.1\r\nHost: a\r\n{coding}\r\n".encode())
        assert (await peer.answer()).status == 103
        answer = await peer.answer()
        import gzip

        body = gzip.decompress(answer.body) if coding else answer.body
        assert body == file.read_bytes()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"Content-Length: 9\r\n\r\nhalf", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", 400),
    ],
)
async def test_a_broken_body_is_a_client_that_has_gone(
    serve: Any, caplog: pytest.LogCaptureFixture, sent: bytes, status: int
) -> None:
    told: list[Any] = []

    async def read(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        told.append(message)
        try:
            await send({"type": "http.response.start", "status": 500, "headers": []})
        except OSError as exc:
            told.append(type(exc).__name__)

    served = await mount(serve, http(read))
    peer = await served.connect()
    await peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\n" + sent)
    peer.writer.write_eof()
    answer = await peer.answer()
    assert answer.status == status
    assert told == [{"type": "http.disconnect"}, "PeerDisconnected"]
    assert caplog.records == []


async def test_a_silent_return_when_the_client_has_gone(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def poll(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        started.set()
        assert await receive() == {"type": "http.disconnect"}
        ended.set()

    served = await mount(serve, http(poll))
    peer = await served.connect()
    await peer.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        await started.wait()
        peer.reset()
        await ended.wait()
    await served.close()
    assert caplog.records == []


async def test_a_replaced_stream_is_no_failure(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def replace(request: web.Request, handler: Any) -> web.StreamResponse:
        await handler(request)
        return web.Response(text="another")

    app = web.Application(middlewares=[replace])
    app.mount("/x", answering(b"one", b"two"))
    served = await serve(app)
    assert (await served.get("/x")).text == "another"
    await served.close()
    assert caplog.records == []


@pytest.mark.parametrize("bodies", [(b"whole",), (b"wh", b"ole")])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_framing_is_ours(serve: Any, bodies: Any, version: str) -> None:
    served = await mount(serve, answering(*bodies, headers=[(b"Transfer-Encoding", b"chunked")]))
    answer = await served.request("GET", "/x", version=version)
    assert (answer.status, answer.text) == (200, "whole")


async def test_a_length_without_a_body(serve: Any) -> None:
    served = await mount(serve, answering(b"", headers=[(b"Content-Length", b"5")]))
    assert (await served.get("/x")).status == 500
    served = await mount(serve, answering(b"", headers=[(b"Content-Length", b"5")], status=304))
    assert (await served.get("/x")).status == 304
