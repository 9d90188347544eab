"""levante.client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orders
import webclient

from levante import client
from levante.http.deadlines import within


@asynccontextmanager
async def call(session: client.ClientSession, url: str) -> AsyncIterator[client.ClientResponse]:
    with within(orders.DEADLINE):
        async with session.get(url, headers=orders.FIELDS) as response:
            yield response


if __name__ == "__main__":
    webclient.run(client, call)
