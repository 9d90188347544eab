"""hypercorn on uvloop, with the bare ASGI application."""

import asyncio

import settings
import uvloop
from asgi_app import app
from hypercorn.asyncio import serve
from hypercorn.config import Config


async def bare(scope: dict[str, str], receive: object, send: object) -> None:
    """hypercorn insists on the lifespan protocol, or logs that an application has none."""
    if scope["type"] == "http":
        await app(scope, receive, send)


async def main() -> None:
    config = Config()
    config.bind = [f"{settings.HOST}:{settings.PORT}"]
    config.errorlog = None
    config.keep_alive_max_requests = settings.UNBOUNDED
    config.keep_alive_timeout = settings.KEEP_ALIVE
    await serve(bare, config, mode="asgi", shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    uvloop.run(main())
