"""websockets' asyncio server: echoes text, or broadcasts it to all that came by /room."""

import asyncio

import settings
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

members: set[ServerConnection] = set()


async def talk(connection: ServerConnection) -> None:
    if connection.request is not None and connection.request.path == "/room":
        await meet(connection)
        return
    async for message in connection:
        await connection.send(message)


async def meet(connection: ServerConnection) -> None:
    members.add(connection)
    try:
        async for message in connection:
            broadcast(members, message)
    finally:
        members.discard(connection)


async def main() -> None:
    async with serve(talk, settings.HOST, settings.PORT, compression=None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
