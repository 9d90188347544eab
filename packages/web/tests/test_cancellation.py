"""What becomes of a handler whose client goes away, decided by server, route, handler and request: on real connections
that are really reset.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from levante import web


class Fate:
    """What a handler came to."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.release = asyncio.Event()
        self.ended = asyncio.get_running_loop().create_future()

    async def handle(self, request: web.Request) -> web.Response:
        self.started.set()
        try:
            await request.disconnected()
            async with asyncio.timeout(5):
                await self.release.wait()
        except asyncio.CancelledError:
            self.ended.set_result("cancelled")
            raise
        self.ended.set_result("ran on")
        return web.Response()

    async def of(self, served: Any, target: str = "/", method: str = "GET") -> str:
        peer = await served.connect()
        await peer.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        async with asyncio.timeout(5):
            await self.started.wait()
            peer.reset()
            while served.server.connections:  # until the server knows of the loss
                await asyncio.sleep(0)
            await asyncio.sleep(0)  # and what it cancelled has been told
            self.release.set()
            return str(await self.ended)


Register = Callable[[web.Application, Any], object]


def by_option(enabled: bool | None) -> Register:
    return lambda app, handler: app.router.add_get("/", handler, cancel_on_disconnect=enabled)


def by_definition(enabled: bool) -> Register:
    return lambda app, handler: app.add_routes([web.get("/", handler, cancel_on_disconnect=enabled)])


def by_table(enabled: bool) -> Register:
    def register(app: web.Application, handler: Any) -> None:
        table = web.RouteTableDef()
        table.get("/", cancel_on_disconnect=enabled)(handler)
        app.add_routes(table)

    return register


def by_decorator(enabled: bool) -> Register:
    return lambda app, handler: app.router.add_get("/", web.cancel_on_disconnect(enabled=enabled)(handler))


def by_both(decorated: bool) -> Register:
    """The route says the contrary of the handler, which has the last word."""
    return lambda app, handler: app.router.add_get(
        "/", web.cancel_on_disconnect(enabled=decorated)(handler), cancel_on_disconnect=not decorated
    )


def by_view(enabled: bool, *, whole: bool) -> Register:
    def register(app: web.Application, handler: Any) -> None:
        mark = web.cancel_on_disconnect(enabled=enabled)

        class Page(web.View):
            async def get(self) -> web.Response:
                answer: web.Response = await handler(self.request)
                return answer

        if whole:
            assert mark(Page) is Page
        else:
            Page.get = mark(Page.get)  # type: ignore[method-assign]
        app.router.add_view("/", Page)

    return register


def by_view_route(enabled: bool) -> Register:
    def register(app: web.Application, handler: Any) -> None:
        class Page(web.View):
            async def get(self) -> web.Response:
                answer: web.Response = await handler(self.request)
                return answer

        route = app.router.add_view("/", Page, cancel_on_disconnect=enabled)
        assert route.handler.__wrapped__ is Page  # type: ignore[attr-defined]
        assert route.handler.__name__ == "Page"

    return register


def by_request(enabled: bool) -> Register:
    def register(app: web.Application, handler: Any) -> None:
        async def choose(request: web.Request) -> web.Response:
            assert request.cancel_on_disconnect is not enabled
            request.cancel_on_disconnect = enabled
            answer: web.Response = await handler(request)
            return answer

        app.router.add_get("/", choose)

    return register


@pytest.mark.parity("U12", "U13")
@pytest.mark.parametrize(
    ("register", "default", "fate"),
    [
        (by_option(None), False, "ran on"),
        (by_option(None), True, "cancelled"),
        (by_option(True), False, "cancelled"),
        (by_option(False), True, "ran on"),
        (by_definition(True), False, "cancelled"),
        (by_table(False), True, "ran on"),
        (by_decorator(True), False, "cancelled"),
        (by_decorator(False), True, "ran on"),
        (by_both(True), False, "cancelled"),
        (by_both(False), True, "ran on"),
        (by_view(True, whole=True), False, "cancelled"),
        (by_view(False, whole=False), True, "ran on"),
        (by_view_route(True), False, "cancelled"),
        (by_request(True), False, "cancelled"),
        (by_request(False), True, "ran on"),
    ],
)
async def test_who_decides(serve: Any, register: Register, default: bool, fate: str) -> None:
    app = web.Application()
    told = Fate()
    register(app, told.handle)
    served = await serve(app, handler_cancellation=default)
    assert await told.of(served) == fate


@pytest.mark.parity("U12")
async def test_neighbours_keep_the_default(serve: Any) -> None:
    app = web.Application()
    one, other = Fate(), Fate()
    app.router.add_post("/one", one.handle, cancel_on_disconnect=True)
    app.router.add_post("/other", other.handle)
    served = await serve(app)
    assert await one.of(served, "/one", "POST") == "cancelled"
    assert await other.of(served, "/other", "POST") == "ran on"


@pytest.mark.parity("U12")
async def test_a_wish_that_comes_after_the_client_has_gone(serve: Any) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    started = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await request.disconnected()
        try:
            request.cancel_on_disconnect = True
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise
        return web.Response()

    served = await serve(handler)
    for leave in ("reset", "close"):
        peer = await served.connect()
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        peer.reset() if leave == "reset" else peer.writer.write_eof()
        async with asyncio.timeout(5):
            assert await ended == "cancelled"
        ended = asyncio.get_running_loop().create_future()
        started.clear()


@pytest.mark.parity("U13")
async def test_a_stream_that_watches_its_client(serve: Any) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        assert not request.is_disconnected()
        await response.write(b"tick")
        gone = asyncio.ensure_future(request.disconnected())
        async with asyncio.timeout(5):
            await gone
        await request.disconnected()  # and again, at once
        ended.set_result(request.is_disconnected())
        return response

    served = await serve(stream)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.readuntil(b"tick")
    peer.reset()
    async with asyncio.timeout(5):
        assert await ended is True


async def test_what_cannot_be_decorated() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="must be a subclass of AbstractView"):
        web.cancel_on_disconnect()(Plain)
    with pytest.raises(TypeError, match="must be a coroutine function"):
        web.Application().router.add_get("/", lambda _: None, cancel_on_disconnect=True)  # type: ignore[arg-type, return-value]


async def test_a_handler_keeps_its_name_and_marks() -> None:
    async def handler(request: web.Request) -> web.Response:
        """Its text."""
        raise NotImplementedError

    handler.mark = "left by a decorator"  # type: ignore[attr-defined]
    decorated: Any = web.cancel_on_disconnect()(handler)
    assert (decorated.__name__, decorated.__doc__, decorated.mark) == ("handler", "Its text.", "left by a decorator")
    route: Callable[..., Awaitable[Any]] = (
        web.Application().router.add_get("/", handler, cancel_on_disconnect=False).handler
    )
    assert route.__wrapped__ is handler  # type: ignore[attr-defined]


OPENING = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


class SocketFate(Fate):
    """What the handler of a WebSocket came to after its conversation."""

    def __init__(self, converse: Callable[["SocketFate", web.WebSocketResponse], Awaitable[object]]) -> None:
        super().__init__()
        self.converse = converse

    async def handle(self, request: web.Request) -> web.Response:
        ws = web.WebSocketResponse(listener=None if self.converse is not listened_to else web.WebSocketListener())
        await ws.prepare(request)
        self.started.set()
        try:
            await self.converse(self, ws)
            await self.release.wait()
        except asyncio.CancelledError:
            self.ended.set_result("cancelled")
            raise
        self.ended.set_result("ran on")
        return ws  # type: ignore[return-value]  # as every handler of a WebSocket

    async def after(self, served: Any, last_words: bytes) -> str:
        peer = await served.connect()
        await peer.send(OPENING)
        async with asyncio.timeout(5):
            await peer.reader.readuntil(b"\r\n\r\n")
            await self.started.wait()
            await peer.send(last_words)
            if last_words:
                await peer.reader.read()  # the answer, and the end
            peer.reset()
            while served.server.connections:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.release.set()
            return str(await self.ended)


async def iterated(_: SocketFate, ws: web.WebSocketResponse) -> None:
    async for _message in ws:
        pass


async def received(_: SocketFate, ws: web.WebSocketResponse) -> None:
    await ws.receive()


async def closed(_: SocketFate, ws: web.WebSocketResponse) -> None:
    await ws.close()


async def unread(fate: SocketFate, _: web.WebSocketResponse) -> None:
    await fate.release.wait()


async def listened_to(_: SocketFate, ws: web.WebSocketResponse) -> None:
    await ws.wait_closed()


@pytest.mark.parity("S57", "S43")
@pytest.mark.parametrize(
    ("converse", "last_words", "expected"),
    [
        (iterated, CLOSE, "ran on"),
        (received, CLOSE, "ran on"),
        (closed, CLOSE, "ran on"),
        (listened_to, CLOSE, "ran on"),
        (received, b"\xff\xff", "ran on"),  # told by ERROR
        (iterated, b"", "cancelled"),
        (unread, CLOSE, "cancelled"),
        (unread, b"", "cancelled"),
    ],
)
async def test_what_comes_after_a_websocket_that_was_closed_is_done(
    serve: Any, converse: Any, last_words: bytes, expected: str
) -> None:
    fate = SocketFate(converse)
    served = await serve(fate.handle, handler_cancellation=True)
    assert await fate.after(served, last_words) == expected
