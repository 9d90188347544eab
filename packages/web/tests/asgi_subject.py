"""The application that the tests serve by ASGI servers, and what those can import of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from levante import web

STORY = os.environ.get("ASGI_STORY", os.devnull)
"""A file for what happened, in order."""


def tell(what: str) -> None:
    with Path(STORY).open("a") as story:
        story.write(f"{what}\n")


async def resource(app: web.Application) -> AsyncIterator[None]:
    tell("startup")
    yield
    tell("cleanup")


async def hello(request: web.Request) -> web.Response:
    answer = web.Response(text=f"hello {request.match_info['name']} {request.query.get('q', '')}")
    answer.headers.add("X-Two", "1")
    answer.headers.add("X-Two", "2")
    answer.set_cookie("a", "b")
    return answer


async def facts(request: web.Request) -> web.Response:
    assert request.transport is not None
    return web.json_response(
        {
            "url": str(request.url),
            "remote": request.remote,
            "version": list(request.version),
            "server": request.get_extra_info("asgi_scope")["server"][0],
            "disconnected": request.is_disconnected(),
            "extensions": sorted(request.get_extra_info("asgi_scope").get("extensions") or ()),
        }
    )


async def echo(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece)
    return response


async def size(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(__file__)


async def broken(request: web.Request) -> web.StreamResponse:
    if "late" in request.query:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        await asyncio.sleep(0.01)
    raise LookupError("on purpose")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(0.01)
    except ConnectionError as exc:
        tell(f"endless {type(exc).__name__}")
        raise


async def wait(request: web.Request) -> web.Response:
    tell("waiting")
    await request.disconnected()
    tell("disconnected")
    return web.Response()


async def cancelled(request: web.Request) -> web.Response:
    tell("waiting")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        tell("cancelled")
        raise
    return web.Response()


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=100_000)
    socket.headers["X-Own"] = "yes"
    await socket.prepare(request)
    async for message in socket:
        if message.type is web.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "bye":
            await socket.close(code=4000, message=b"said bye")
        elif message.data == "break":
            raise LookupError("on purpose")
        elif message.data == "ping":
            await socket.ping(b"are you there")
        else:
            await socket.send_str(f"{message.data} at {request.path}")
    tell(f"talk ended {socket.close_code}")
    return socket


async def early(request: web.Request) -> web.StreamResponse:
    await request.send_early_hints(["</a.css>; rel=preload"])
    response = web.StreamResponse()
    response.declare_trailers("X-Sum")
    await response.prepare(request)
    await response.write(b"body")
    response.trailers["X-Sum"] = "4"
    return response


def make() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(resource)
    app.router.add_get("/hello/{name}", hello)
    app.router.add_get("/facts", facts)
    app.router.add_post("/echo", echo)
    app.router.add_post("/size", size)
    app.router.add_get("/file", file)
    app.router.add_get("/broken", broken)
    app.router.add_get("/endless", endless)
    app.router.add_get("/wait", wait)
    app.router.add_get("/cancelled", cancelled, cancel_on_disconnect=True)
    app.router.add_get("/talk", talk)
    app.router.add_get("/early", early)
    return app


application = web.asgi(make)
