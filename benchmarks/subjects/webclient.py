"""The client of levante and of aiohttp: one source, since the API is one."""

from collections.abc import Callable
from typing import Any

import orders
import settings
import uvloop

URL = f"http://{settings.HOST}:{settings.PORT}/"


def run(client: Any, call: Callable[[Any, str], Any]) -> None:
    """Carry out orders with `client`, which is levante.client or aiohttp; `call(session, url)` is its way to call
    another service."""

    async def main() -> None:
        async with client.ClientSession() as session:

            async def request(method: str) -> tuple[int, int]:
                if method == "GET":
                    async with session.get(URL) as response:
                        return response.status, len(await response.read())
                if method == "CALL":
                    async with call(session, URL) as response:
                        return response.status, len(await response.read())
                async with session.post(URL, data=orders.BODY) as response:
                    return response.status, len(await response.read())

            await orders.serve(request)

    uvloop.run(main())
