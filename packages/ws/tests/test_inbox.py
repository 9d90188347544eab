"""The receive queue by itself."""

import asyncio

import pytest

from levante.ws.inbox import Inbox
from levante.ws.messagetypes import WSMessageBinary


def message(size: int) -> WSMessageBinary:
    return WSMessageBinary(bytes(size), size)


@pytest.mark.parity("W5")
def test_it_is_full_by_count_and_by_bytes() -> None:
    inbox = Inbox()
    for _ in range(16):
        assert not inbox.is_full()
        inbox.put(message(1))
    assert inbox.is_full()
    assert inbox.pop() == message(1)
    assert not inbox.is_full()
    inbox.clear()
    assert inbox.pop() is None
    inbox.put(message(600_000))
    assert inbox.is_full()


async def test_a_message_wakes_the_reader_and_so_does_nothing_at_all() -> None:
    inbox = Inbox()
    for wake in (lambda: inbox.put(message(1)), inbox.wake):
        waiting = asyncio.create_task(inbox.wait(5))
        await asyncio.sleep(0)
        wake()
        wake()
        await waiting


async def test_waiting_ends_in_time() -> None:
    inbox = Inbox()
    with pytest.raises(TimeoutError, match="no message"):
        await inbox.wait(0.001)
    waiting = asyncio.create_task(inbox.wait(None))
    await asyncio.sleep(0)
    waiting.cancel()
    inbox.wake()
    with pytest.raises(asyncio.CancelledError):
        await waiting
