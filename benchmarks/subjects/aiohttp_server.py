"""aiohttp.web: the same application as levante's, and a room as its documentation makes one."""

import webapp
from aiohttp import web

members: set[web.WebSocketResponse] = set()


async def room(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    members.add(connection)
    try:
        async for message in connection:
            for member in members:
                await member.send_str(message.data)
    finally:
        members.discard(connection)
    return connection


if __name__ == "__main__":
    webapp.serve(web, webapp.application(web, room))
