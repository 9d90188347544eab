"""levante.web: an application with a class-based view, all timeouts as they are by default."""

import webapp

from levante import web
from levante.ws import Rooms

rooms = Rooms()


async def room(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    rooms.join(connection, "all")
    async for message in connection:
        await rooms.broadcast("all", str(message.data))
    return connection


if __name__ == "__main__":
    webapp.serve(web, webapp.application(web, room))
