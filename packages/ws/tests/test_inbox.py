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


async def waiting(inbox: Inbox, timeout: float | None = None) -> None:
    try:
        await inbox.arrival(asyncio.get_running_loop(), timeout)
    finally:
        inbox.stop_waiting()


async def test_a_message_wakes_the_reader_and_so_does_nothing_at_all() -> None:
    inbox = Inbox()
    inbox.put(message(1))
    for wake in (inbox.wake, inbox.wake_soon):
        reader = asyncio.create_task(waiting(inbox, 5))
        await asyncio.sleep(0)
        wake()
        wake()
        await reader


async def test_a_reader_is_left_alone_while_there_is_no_message() -> None:
    inbox = Inbox()
    reader = asyncio.create_task(waiting(inbox))
    await asyncio.sleep(0)
    inbox.wake()
    await asyncio.sleep(0)
    assert not reader.done()
    inbox.wake_soon()
    await reader


async def test_waiting_ends_in_time() -> None:
    inbox = Inbox()
    with pytest.raises(TimeoutError, match="no message"):
        await waiting(inbox, 0.001)
    reader = asyncio.create_task(waiting(inbox))
    await asyncio.sleep(0)
    reader.cancel()
    inbox.wake()
    with pytest.raises(asyncio.CancelledError):
        await reader


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    inbox = Inbox()
    for size in (1, 2, 3):
        inbox.put(message(size))
    assert (len(inbox), inbox.size) == (3, 6)
    assert inbox.pop() == message(1)
    inbox.put(message(4))
    assert [inbox.pop() for _ in range(4)] == [message(2), message(3), message(4), None]
    assert (len(inbox), inbox.size) == (0, 0)
