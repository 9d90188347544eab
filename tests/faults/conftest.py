"""Services to be mistreated."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from shops import Shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Callable[..., Shop]]:
    """`shop(**options)` starts one that ends with the test."""
    started: list[Shop] = []

    def start(**options: Any) -> Shop:
        started.append(Shop(tmp_path, **options))
        return started[-1]

    yield start
    for each in started:
        await each.close()
