"""levante.web: a whole application with a class-based view and a WebSocket echo."""

import asyncio
import socket

import uvloop

from levante import web


class Hello(web.View):
    async def get(self) -> web.Response:
        return web.Response(text="Hello, world!")


async def echo(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    async for message in connection:
        await connection.send_str(message.data)
    return connection


async def main() -> None:
    app = web.Application()
    app.router.add_view("/", Hello)
    app.router.add_get("/ws", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    print(listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
