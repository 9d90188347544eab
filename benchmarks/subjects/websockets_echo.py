"""websockets' asyncio server: echoes text."""

import asyncio

import settings
import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    async with serve(echo, settings.HOST, settings.PORT, compression=None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
