"""Starlette and FastAPI within our applications: their routing, lifespan, streams, WebSockets and errors."""

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from levante import web

pytestmark = pytest.mark.parity("L23", "U3")

OPENING = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


async def send_frame(peer: Any, opcode: int, payload: bytes) -> None:
    await peer.send(bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload)


async def read_frame(peer: Any) -> tuple[int, bytes]:
    async with asyncio.timeout(5):
        first, size = await peer.reader.readexactly(2)
        return first & 15, await peer.reader.readexactly(size)


class Story:
    """What happened, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[dict[str, str]]:
        self.told.append("startup")
        yield {"shared": "from the lifespan"}
        self.told.append("shutdown")

    async def hello(self, request: Request) -> PlainTextResponse:
        task = BackgroundTask(self.told.append, "background task")
        return PlainTextResponse(f"hello {request.path_params['name']}, {request.state.shared}", background=task)

    async def link(self, request: Request) -> RedirectResponse:
        return RedirectResponse(request.url_for("hello", name="x"))

    async def stream(self, request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            for number in range(3):
                yield f"piece {number}\n"

        return StreamingResponse(pieces())

    async def endless(self, request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            while True:
                yield "tick"
                await asyncio.sleep(0.01)

        return StreamingResponse(pieces())

    async def echo(self, request: Request) -> JSONResponse:
        return JSONResponse({"method": request.method, "body": (await request.body()).decode()})

    async def broken(self, request: Request) -> PlainTextResponse:
        raise LookupError("on purpose")

    async def talk(self, websocket: WebSocket) -> None:
        if "deny" in websocket.query_params:
            await websocket.send_denial_response(PlainTextResponse("not you", status_code=401))
            return
        if "close" in websocket.query_params:
            await websocket.close()
            return
        await websocket.accept(subprotocol="chat", headers=[(b"x-own", b"yes")])
        try:
            while True:
                text = await websocket.receive_text()
                if text == "bytes":
                    await websocket.send_bytes(b"\0\1")
                elif text == "bye":
                    await websocket.close(4000, "said bye")
                elif text == "break":
                    raise LookupError("on purpose")
                else:
                    await websocket.send_text(f"{text} at {websocket.url.path}")
        except WebSocketDisconnect as exc:
            self.told.append(f"disconnect {exc.code} {exc.reason}")

    def starlette(self) -> Starlette:
        return Starlette(
            lifespan=self.lifespan,
            routes=[
                Route("/hello/{name}", self.hello, name="hello"),
                Route("/link", self.link),
                Mount("/deeper", routes=[Route("/stream", self.stream)]),
                Route("/endless", self.endless),
                Route("/echo", self.echo, methods=["POST"]),
                Route("/broken", self.broken),
                WebSocketRoute("/talk", self.talk),
            ],
        )


async def start(serve: Any, story: Story) -> Any:
    async def own(request: web.Request) -> web.Response:
        return web.Response(text="ours")

    async def mark(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers["X-Marked"] = "yes"
        return response

    app = web.Application(middlewares=[mark])
    app.router.add_get("/", own)
    app.mount("/star", story.starlette())
    return await serve(app)


async def test_starlette(serve: Any) -> None:
    story = Story()
    served = await start(serve, story)
    assert story.told == ["startup"]
    hello = await served.get("/star/hello/w%20d")
    assert hello.text == "hello w d, from the lifespan"
    assert hello.headers["X-Marked"] == "yes"
    assert (await served.get("/star/link")).headers["Location"] == "http://localhost/star/hello/x"
    assert (await served.get("/star/deeper/stream")).text == "piece 0\npiece 1\npiece 2\n"
    assert (await served.get("/star/nothing")).status == 404
    assert (await served.get("/star/echo")).status == 405
    assert (await served.request("POST", "/star/echo", [], b"a=1")).text == '{"method":"POST","body":"a=1"}'
    assert (await served.get("/")).text == "ours"
    await served.close()
    assert story.told == ["startup", "background task", "shutdown"]


async def test_its_errors(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await start(serve, Story())
    with caplog.at_level(logging.ERROR):
        answer = await served.get("/star/broken")
        await served.close()
    assert (answer.status, answer.text) == (500, "Internal Server Error")
    assert len(caplog.records) == 1
    assert "LookupError: on purpose" in caplog.text


async def test_a_stream_whose_client_leaves(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    story = Story()
    served = await start(serve, story)
    peer = await served.connect()
    await peer.send(b"GET /star/endless HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        await peer.reader.readuntil(b"tick")
        peer.reset()
        await served.close()
    assert story.told == ["startup", "shutdown"]
    assert not caplog.records  # nobody is to blame


async def test_its_websockets(serve: Any) -> None:
    story = Story()
    served = await start(serve, story)
    peer = await served.connect()
    answer = await peer.request("GET", "/star/talk", [*OPENING, ("Sec-WebSocket-Protocol", "other, chat")])
    assert (answer.status, answer.headers["Sec-WebSocket-Protocol"], answer.headers["X-Own"]) == (101, "chat", "yes")
    await send_frame(peer, 1, b"hi")
    assert await read_frame(peer) == (1, b"hi at /star/talk")
    await send_frame(peer, 1, b"bytes")
    assert await read_frame(peer) == (2, b"\0\1")
    await send_frame(peer, 8, struct.pack("!H", 4001) + b"enough")
    assert (await read_frame(peer))[0] == 8
    peer = await served.connect()
    await peer.request("GET", "/star/talk", OPENING)
    await send_frame(peer, 1, b"bye")
    assert await read_frame(peer) == (8, struct.pack("!H", 4000) + b"said bye")
    await send_frame(peer, 8, struct.pack("!H", 4000))
    while len(story.told) < 2:
        await asyncio.sleep(0.01)
    assert story.told[1] == "disconnect 4001 enough"


async def test_refused_websockets(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await start(serve, Story())
    denied = await served.request("GET", "/star/talk?deny=1", OPENING)
    assert (denied.status, denied.text) == (401, "not you")
    assert (await served.request("GET", "/star/talk?close=1", OPENING)).status == 403
    assert (await served.request("GET", "/star/nothing", OPENING)).status == 403
    assert (await served.request("GET", "/star/talk", [*OPENING[:2], ("Sec-WebSocket-Version", "8")])).status == 426
    peer = await served.connect()
    await peer.request("GET", "/star/talk", OPENING)
    with caplog.at_level(logging.ERROR):
        await send_frame(peer, 1, b"break")
        assert await read_frame(peer) == (8, struct.pack("!H", 1011))
    assert len(caplog.records) == 1


async def test_websockets_at_shutdown(serve: Any) -> None:
    story = Story()
    served = await start(serve, story)
    peer = await served.connect()
    await peer.request("GET", "/star/talk", OPENING)
    await send_frame(peer, 1, b"hi")
    await read_frame(peer)
    closing = asyncio.create_task(served.runner.cleanup())
    assert (await read_frame(peer))[1][:2] == struct.pack("!H", 1001)
    await send_frame(peer, 8, struct.pack("!H", 1001))
    async with asyncio.timeout(5):
        await closing
    assert story.told[-1] == "shutdown"
    assert story.told[1].startswith("disconnect 100")


async def test_fastapi(serve: Any) -> None:
    api = FastAPI()

    @api.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    app = web.Application()
    app.mount("/api", api)
    served = await serve(app)
    assert (await served.get("/api/items/5")).text == '{"number":5}'
    assert (await served.get("/api/items/x")).status == 422
    assert "/api/openapi.json" in (await served.get("/api/docs")).text
    assert '"servers":[{"url":"/api"}]' in (await served.get("/api/openapi.json")).text


async def lifespan_app(scope: Any, receive: Any, send: Any, *, answers: list[Any]) -> None:
    for answer in answers:
        await receive()
        if isinstance(answer, Exception):
            raise answer
        await send(answer)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([{"type": "lifespan.startup.failed", "message": "no database"}], "startup of .* failed: no database"),
        ([{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.failed"}], "shutdown of .* no reason"),
        ([{"type": "lifespan.startup.complete"}, LookupError("at the end")], "at the end"),
        ([LookupError("knows no lifespan")], None),
        ([], None),
        ([{"type": "lifespan.startup.complete"}], None),
        ([{"type": "http.response.start"}], None),
    ],
)
async def test_lifespans(answers: list[Any], words: str | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await lifespan_app(scope, receive, send, answers=answers)

    ours = web.Application()
    ours.mount("/x", app)
    runner = web.AppRunner(ours)
    if words is None:
        await runner.setup()
        await runner.cleanup()
    else:
        with pytest.raises((RuntimeError, LookupError), match=words):
            try:
                await runner.setup()
            finally:
                await runner.cleanup()


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_failed_startup_that_waits_for_more(monkeypatch: pytest.MonkeyPatch, stubborn: bool) -> None:
    monkeypatch.setattr("levante.web.gateway.lifespan.LEAVING", 0.05)
    leave = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        try:
            await receive()
        except asyncio.CancelledError:
            if not stubborn:
                raise
            await leave.wait()

    ours = web.Application()
    ours.mount("/x", app)
    runner = web.AppRunner(ours)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="failed: no database"):
            await runner.setup()
        await runner.cleanup()
    leave.set()


async def test_a_startup_that_is_cancelled() -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    ours = web.Application()
    ours.mount("/x", app)
    starting = asyncio.create_task(web.AppRunner(ours).setup())
    await asyncio.sleep(0.01)
    starting.cancel()
    async with asyncio.timeout(5):
        await ended.wait()
        await asyncio.wait((starting,))


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "returned without accepting or closing the WebSocket"),
        ([{"type": "websocket.send", "text": "x"}], "got 'websocket.send' from a mounted application before"),
        ([{"type": "websocket.close"}, {"type": "websocket.close"}], "after it had refused the WebSocket"),
    ],
)
async def test_websockets_out_of_turn(
    serve: Any, caplog: pytest.LogCaptureFixture, messages: list[Any], words: str
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise LookupError("no lifespan here")
        assert await receive() == {"type": "websocket.connect"}
        for message in messages:
            await send(message)

    ours = web.Application()
    ours.mount("/x", app)
    served = await serve(ours)
    with caplog.at_level(logging.ERROR):
        assert (await served.request("GET", "/x", OPENING)).status == 500
    assert words in caplog.text


async def test_an_open_websocket_out_of_turn(serve: Any) -> None:
    errors: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise LookupError("no lifespan here")
        await send({"type": "websocket.accept"})
        await receive()
        for message in (
            {"type": "websocket.accept"},
            {"type": "websocket.close"},
            {"type": "websocket.send", "text": "too late"},
        ):
            try:
                await send(message)
            except (RuntimeError, OSError) as exc:
                errors.append(exc)
        first = await receive()
        assert await receive() is first

    ours = web.Application()
    ours.mount("/x", app)
    served = await serve(ours)
    peer = await served.connect()
    await peer.request("GET", "/x", OPENING)
    assert await read_frame(peer) == (8, struct.pack("!H", 1000))
    await send_frame(peer, 8, struct.pack("!H", 1000))
    await served.close()
    assert [type(error).__name__ for error in errors] == ["RuntimeError", "PeerDisconnected"]


async def test_work_that_does_not_end(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def forever(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok", background=BackgroundTask(asyncio.Event().wait))

    monkeypatch.setattr("levante.web.gateway.mount.PATIENCE", 0.05)
    ours = web.Application()
    ours.mount("/x", Starlette(routes=[Route("/", forever)]))
    served = await serve(ours)
    assert (await served.get("/x/")).text == "ok"
    await served.close()
    assert "still at work at cleanup: cancelled" in caplog.text
