"""The application of levante and of aiohttp: one source, since the API is one."""

import asyncio
from typing import Any

import settings
import uvloop


def application(web: Any, room: Any = None) -> Any:
    """The handlers in the terms of `web`, which is levante.web or aiohttp.web; `room` is a WebSocket's whose messages
    go to all that are open."""

    class Hello(web.View):  # type: ignore[misc]
        async def get(self) -> Any:
            return web.Response(text=settings.GREETING)

    async def item(request: Any) -> Any:
        return web.json_response(settings.item(request.match_info["id"]))

    async def echo(request: Any) -> Any:
        return web.json_response(await request.json())

    async def download(_: Any) -> Any:
        return web.Response(body=settings.DOWNLOAD)

    async def upload(request: Any) -> Any:
        count = 0
        async for piece in request.content.iter_any():
            count += len(piece)
        return web.Response(text=str(count))

    async def websocket(request: Any) -> Any:
        heartbeat = settings.HEARTBEAT if request.path == "/beat" else None
        connection = web.WebSocketResponse(compress=False, heartbeat=heartbeat)
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data)
        return connection

    app = web.Application(client_max_size=settings.LARGEST_BODY)
    app.router.add_view("/", Hello)
    app.router.add_get("/items/{id}", item)
    app.router.add_post("/echo", echo)
    app.router.add_get("/download", download)
    app.router.add_post("/upload", upload)
    app.router.add_get("/ws", websocket)
    app.router.add_get("/beat", websocket)
    if room is not None:
        app.router.add_get("/room", room)
    app.router.add_static("/static", settings.STATIC)
    return app


def serve(web: Any, app: Any) -> None:
    async def main() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, settings.HOST, settings.PORT).start()
        await asyncio.Event().wait()

    uvloop.run(main())
