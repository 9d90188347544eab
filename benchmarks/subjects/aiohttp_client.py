"""aiohttp's client."""

from typing import Any

import aiohttp
import orders
import webclient


def call(session: aiohttp.ClientSession, url: str) -> Any:
    timeout = aiohttp.ClientTimeout(total=orders.DEADLINE)
    return session.get(url, headers={**orders.FIELDS, **orders.DEADLINE_FIELD}, timeout=timeout)


if __name__ == "__main__":
    webclient.run(aiohttp, call)
