"""The client of levante and of aiohttp: one source, since the API is one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import orders
import settings
import uvloop

URL = f"http://{settings.HOST}:{settings.PORT}/"


def run(client: Any, options: dict[str, Any], deadline: Callable[[], AbstractContextManager[None]]) -> None:
    """Carry out orders with `client`, which is levante.client or aiohttp. Another service is called with `options`, and
    under `deadline()`."""

    async def main() -> None:
        async with client.ClientSession() as session:

            async def request(method: str) -> tuple[int, int]:
                if method == "GET":
                    async with session.get(URL) as response:
                        return response.status, len(await response.read())
                if method == "CALL":
                    with deadline():
                        async with session.get(URL, **options) as response:
                            return response.status, len(await response.read())
                async with session.post(URL, data=orders.BODY) as response:
                    return response.status, len(await response.read())

            await orders.serve(request)

    uvloop.run(main())
