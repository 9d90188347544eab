"""Services to be mistreated."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from shops import Shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Callable[..., Shop]]:
    """`shop(**options)` starts one that ends with the test; with `waits=False` it may not be ready yet."""
    started: list[Shop] = []

    def start(*, waits: bool = True, **options: Any) -> Shop:
        started.append(Shop(tmp_path, **options))
        if waits:
            started[-1].wait_until_ready(options.get("workers", 1))
        return started[-1]

    yield start
    for each in started:
        await each.close()
