"""What the tests of http-core share: the support package on the path, and servers that are gone when a test ends."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from http_support.loopback import Loopback


@pytest.fixture
async def loopback() -> AsyncIterator[Callable[..., Any]]:
    """A factory of servers on loopback; they and their connections are closed in the end."""
    servers: list[Loopback] = []

    async def start(service: Any, **options: Any) -> Loopback:
        server = Loopback(service, options)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
    await asyncio.sleep(0)
