"""What every test of the repository shares: the event loop in use, and saying which form of the engines runs."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping

import pytest

LOOP = os.environ.get("LEVANTE_TEST_LOOP", "asyncio")

# A shell starts what runs in its background with SIGINT ignored, and so would be what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if LOOP == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    if LOOP == "asyncio":
        return asyncio.new_event_loop
    raise pytest.UsageError(f"LEVANTE_TEST_LOOP is {LOOP!r}; expected 'asyncio' or 'uvloop'")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {LOOP: loop_factory()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header() -> str:
    form = "plain" if os.environ.get("LEVANTE_PURE") else "compiled where built"
    return f"levante: {form}, event loop {LOOP}"
